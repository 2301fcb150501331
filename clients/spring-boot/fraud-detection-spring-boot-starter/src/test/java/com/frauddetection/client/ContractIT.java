package com.frauddetection.client;

import static com.frauddetection.client.testing.TestClient.transaction;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import com.frauddetection.client.testing.Await;
import com.frauddetection.client.testing.FraudService;
import com.frauddetection.client.testing.TestClient;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.MDC;
import org.springframework.http.HttpEntity;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.http.converter.json.Jackson2ObjectMapperBuilder;
import org.springframework.http.converter.json.MappingJackson2HttpMessageConverter;
import org.springframework.web.client.RestTemplate;

/** What the contract promises, from the real service, through the client and past it. */
@Timeout(120)
class ContractIT {

    private static FraudService service;
    private static TestClient test;
    private static MLServiceClient client;

    @BeforeAll
    static void start() {
        service = FraudService.start();
        test = new TestClient(service.url());
        client = test.client();
    }

    @AfterAll
    static void stop() {
        test.close();
        service.close();
    }

    private static String id() {
        return "java-" + UUID.randomUUID();
    }

    /** Ever larger sums at ever new places, in minutes: some transaction of it is a fraud to any model worth its name. */
    private static List<Transaction> spree() {
        String user = id();
        List<Transaction> spree = new ArrayList<>();
        for (int i = 1; i <= 12; i++) {
            spree.add(Transaction.builder(id())
                    .amount(BigDecimal.valueOf(50L * i * i * i))
                    .merchant("Electronics " + i)
                    .merchantCategory("electronics")
                    .location("Berlin, DE")
                    .timestamp(Instant.parse("2026-04-23T02:10:30Z").plusSeconds(60L * i))
                    .userId(user)
                    .build());
        }
        return spree;
    }

    @Test
    void everyFieldGoesThereAndComesBack() {
        Transaction all = Transaction.builder(id())
                .amount("1249.9000")
                .merchant("Café \"Zum Löwen\" \\ 東京")
                .location("52.52,13.40")
                .timestamp(OffsetDateTime.parse("2026-04-23T12:15:30.123456789+02:00"))
                .userId("card 77")
                .merchantCategory("electronics")
                .channel("pos")
                .currency("EUR")
                .coordinates(52.52, 13.405)
                .build();
        FraudAnalysis first = client.analyzeFraud(all);
        assertThat(first.transactionId()).isEqualTo(all.transactionId());
        assertThat(first.riskScore()).isBetween(0, 100);
        assertThat(first.fraudProbability()).isBetween(0.0, 1.0);
        assertThat(first.reasoning()).isNotBlank();
        assertThat(first.modelVersion()).isNotBlank();
        assertThat(first.history()).isEqualTo(HistoryStatus.FULL);
        assertThat(first.replayed()).isFalse();
        assertThat(first.fallback()).isFalse();
        assertThat(first.isFraud()).isEqualTo(first.decision() == Decision.DECLINE);
        assertThat(first.riskScore()).isGreaterThanOrEqualTo(first.decision().lowestRiskScore());
        assertThat(first.redFlags().isEmpty()).isEqualTo(first.decision() == Decision.APPROVE);

        assertThat(client.analyzeFraud(all)).isEqualTo(first.asReplayed());

        // Each field counts: change one and it is another transaction under the same id.
        List<Transaction> changed = List.of(
                copy(all).amount("1249.9001").build(),
                copy(all).merchant("m").build(),
                copy(all).location("l").build(),
                copy(all).timestamp(all.timestamp().plusMillis(1)).build(),
                copy(all).userId("card 78").build(),
                copy(all).merchantCategory("grocery").build(),
                copy(all).channel("web").build(),
                copy(all).currency("USD").build(),
                copy(all).coordinates(52.6, 13.405).build(),
                copy(all).coordinates(52.52, 13.5).build());
        for (Transaction other : changed) {
            TransactionIdReusedException reused =
                    catchThrowableOfType(TransactionIdReusedException.class, () -> client.analyzeFraud(other));
            assertThat(reused.status()).isEqualTo(409);
        }
    }

    private static Transaction.Builder copy(Transaction transaction) {
        return Transaction.builder(transaction.transactionId())
                .amount(transaction.amount())
                .merchant(transaction.merchant())
                .location(transaction.location())
                .timestamp(transaction.timestamp())
                .userId(transaction.userId())
                .merchantCategory(transaction.merchantCategory())
                .channel(transaction.channel())
                .currency(transaction.currency())
                .coordinates(transaction.latitude(), transaction.longitude());
    }

    @Test
    void aTransactionWithoutAUserHasNoHistory() {
        assertThat(client.analyzeFraud(transaction().build()).history()).isEqualTo(HistoryStatus.NONE);
    }

    @Test
    void extremeAmountsAndTextsTravelUnchanged() {
        for (String amount : List.of("0", "0.0001", "1E+12", "1E-4", "999999999999.9999")) {
            Transaction transaction = transaction().amount(amount).merchant("m".repeat(256)).build();
            assertThat(client.analyzeFraud(transaction).replayed()).isFalse();
            assertThat(client.analyzeFraud(transaction).replayed()).isTrue();
        }
    }

    @Test
    void aBrokenRuleIsNamed() {
        InvalidTransactionException refused = catchThrowableOfType(
                InvalidTransactionException.class,
                () -> client.analyzeFraud(transaction().amount("-1").merchant("").currency("EURO").build()));
        assertThat(refused.problem().errors()).extracting(FieldFault::field).contains("amount", "merchant", "currency");
        assertThat(refused.problem().code()).isEqualTo("invalid_transaction");
        assertThat(refused.problem().requestId()).isNotBlank();
    }

    @Test
    void aBatchComesBackInItsOrderWithItsFaults() {
        Transaction again = transaction().build();
        client.analyzeFraud(again);
        List<Transaction> batch = new ArrayList<>(spree());
        batch.add(transaction().amount("-5").build());
        batch.add(again);
        BatchAnalysis analysis = client.batchAnalyze(batch);
        assertThat(analysis.results()).extracting(BatchResult::transactionId)
                .containsExactlyElementsOf(batch.stream().map(Transaction::transactionId).toList());
        assertThat(analysis.results().get(12).error().errors()).extracting(FieldFault::field).containsExactly("amount");
        assertThat(analysis.results().get(13).analysis().replayed()).isTrue();
        assertThat(analysis.summary()).isEqualTo(BatchSummary.of(analysis.results()));
        assertThat(analysis.summary().errors()).isEqualTo(1);
        assertThat(analysis.summary().fraud()).isPositive();
        assertThat(analysis.modelVersion()).isEqualTo(analysis.results().get(0).analysis().modelVersion());
    }

    @Test
    void theLargestBatchFits() {
        List<Transaction> batch = new ArrayList<>();
        for (int i = 0; i < MLServiceClient.MAX_BATCH; i++) {
            batch.add(transaction().build());
        }
        assertThat(client.batchAnalyze(batch).summary()).hasToString("BatchSummary[count=1000, fraud=0, errors=0]");
    }

    @Test
    void healthIsRead() {
        Health health = client.getHealth();
        assertThat(health.healthy()).isTrue();
        assertThat(health.service()).isEqualTo("fraud-detection");
        assertThat(health.modelVersion()).isNotBlank();
        assertThat(health.checks()).isNotEmpty();
    }

    @Test
    void theCorrelationIdIsInTheServicesLog() {
        Transaction transaction = transaction().build();
        try {
            MDC.put("correlationId", "core-banking:42");
            client.analyzeFraud(transaction);
        } finally {
            MDC.clear();
        }
        Await.until("the line of the decision", () -> service.decisions().stream()
                .anyMatch(line -> line.path("transaction_id").asText().equals(transaction.transactionId())
                        && line.path("request_id").asText().equals("core-banking:42")));
    }

    @Test
    void aKeyOpensWhatItIsForBehindABasePath() throws Exception {
        String hash = HexFormat.of()
                .formatHex(MessageDigest.getInstance("SHA-256").digest("right".getBytes(StandardCharsets.UTF_8)));
        Map<String, String> settings = Map.of(
                "FRAUD_HTTP__BASE_PATH", "/ml", "FRAUD_HTTP__API_KEYS", "core:score:" + hash);
        try (FraudService locked = FraudService.start(settings)) {
            URI url = URI.create(locked.url() + "/ml");
            try (TestClient right = new TestClient(url, "api-key", "right");
                    TestClient wrong = new TestClient(url, "api-key", "wrong", "fallback.policy", "approve");
                    TestClient none = new TestClient(url)) {
                assertThat(right.client().analyzeFraud(transaction().build()).fallback()).isFalse();
                for (TestClient without : List.of(wrong, none)) {
                    assertThat(catchThrowableOfType(
                                            UnauthorizedException.class,
                                            () -> without.client().analyzeFraud(transaction().build()))
                                    .status())
                            .isEqualTo(401);
                    assertThat(without.client().getHealth().healthy()).isTrue();
                }
            }
        }
    }

    // What banks send without this client. Each bean is one transaction; the service must see that they are the same.

    record WithInstant(String transactionId, BigDecimal amount, String merchant, String location, Instant timestamp) {}

    record WithOffset(String transactionId, BigDecimal amount, String merchant, String location, OffsetDateTime timestamp) {}

    record WithZone(String transactionId, BigDecimal amount, String merchant, String location, ZonedDateTime timestamp) {}

    record WithLocal(String transactionId, BigDecimal amount, String merchant, String location, LocalDateTime timestamp) {}

    record WithText(
            String transactionId,
            @JsonFormat(shape = JsonFormat.Shape.STRING) BigDecimal amount,
            String merchant,
            String location,
            @JsonFormat(shape = JsonFormat.Shape.STRING, pattern = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX") OffsetDateTime timestamp,
            String somethingElse,
            List<Map<String, Object>> more) {}

    @Test
    void everyFormThatJacksonWritesIsTheSameTransaction() throws Exception {
        String id = id();
        BigDecimal amount = new BigDecimal("129.90");
        Instant instant = Instant.parse("2026-04-23T10:15:30.120Z");
        List<Object> beans = List.of(
                new WithInstant(id, amount, "M", "L", instant),
                new WithOffset(id, new BigDecimal("1.299E+2"), "M", "L", instant.atOffset(ZoneOffset.ofHours(2))),
                new WithZone(id, new BigDecimal("129.9"), "M", "L", instant.atZone(ZoneId.of("Asia/Kolkata"))),
                // The service's zone is UTC unless it is told otherwise.
                new WithLocal(id, new BigDecimal(new BigInteger("1299"), 1), "M", "L",
                        LocalDateTime.ofInstant(instant, ZoneOffset.UTC)),
                new WithText(id, amount, "M", "L", instant.atOffset(ZoneOffset.ofHours(-3)), "x", List.of(Map.of("a", 1))));
        JsonMapper.Builder base = JsonMapper.builder()
                .addModule(new JavaTimeModule())
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE);
        ObjectMapper timestamps = base.build();
        ObjectMapper millis = timestamps.copy().disable(SerializationFeature.WRITE_DATE_TIMESTAMPS_AS_NANOSECONDS);
        ObjectMapper texts = timestamps.copy().disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
        ObjectMapper plain = texts.copy();
        plain.configure(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN, true);
        ObjectMapper quoted = texts.copy();
        quoted.configure(JsonWriteFeature.WRITE_NUMBERS_AS_STRINGS.mappedFeature(), true);

        List<String> bodies = new ArrayList<>();
        for (ObjectMapper mapper : List.of(timestamps, millis, texts, plain, quoted)) {
            for (Object bean : beans) {
                bodies.add(mapper.writeValueAsString(bean));
            }
        }
        // That Jackson really writes all of these is half of the test.
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":1776939330.120000000"));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":1776939330120"));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":[2026,4,23,10,15,30,120000000]"));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":[2026,4,23,10,15,30,120]"));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":\"2026-04-23T10:15:30.120Z\""));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":\"2026-04-23T10:15:30.12\""));
        assertThat(bodies).anyMatch(body -> body.contains("\"timestamp\":\"2026-04-23T12:15:30.12+02:00\""));
        assertThat(bodies).anyMatch(body -> body.contains("\"amount\":129.90"));
        assertThat(bodies).anyMatch(body -> body.contains("\"amount\":\"129.90\""));
        assertThat(bodies).anyMatch(body -> body.contains("\"something_else\":\"x\""));

        RestTemplate rest = new RestTemplate();
        HttpHeaders headers = new HttpHeaders();
        headers.setContentType(MediaType.APPLICATION_JSON);
        JsonNode first = null;
        for (String body : bodies) {
            ResponseEntity<JsonNode> answer = rest.postForEntity(
                    service.url() + "/predict",
                    new HttpEntity<>(body.getBytes(StandardCharsets.UTF_8), headers),
                    JsonNode.class);
            assertThat(answer.getHeaders().getFirst("Idempotent-Replayed")).as(body).isEqualTo(first == null ? null : "true");
            first = first == null ? answer.getBody() : first;
            assertThat(answer.getBody()).as(body).isEqualTo(first);
        }
    }

    /** The bean that a bank would write, with the accessors that its editor would generate. */
    static class NaiveResponse {
        private boolean isFraud;
        private int riskScore;
        private List<String> redFlags;
        private String reasoning;

        public boolean isFraud() {
            return isFraud;
        }

        public void setFraud(boolean fraud) {
            isFraud = fraud;
        }

        public int getRiskScore() {
            return riskScore;
        }

        public void setRiskScore(int riskScore) {
            this.riskScore = riskScore;
        }

        public List<String> getRedFlags() {
            return redFlags;
        }

        public void setRedFlags(List<String> redFlags) {
            this.redFlags = redFlags;
        }

        public String getReasoning() {
            return reasoning;
        }

        public void setReasoning(String reasoning) {
            this.reasoning = reasoning;
        }
    }

    record NaiveRequest(
            String transactionId,
            BigDecimal amount,
            String merchant,
            String location,
            LocalDateTime timestamp,
            String userId,
            String merchantCategory) {}

    @Test
    void aPlainRestTemplateWithNaiveBeansReadsAFraudAsAFraud() {
        RestTemplate rest = new RestTemplate(List.of(new MappingJackson2HttpMessageConverter(Jackson2ObjectMapperBuilder.json()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .build())));
        List<NaiveResponse> answers = new ArrayList<>();
        for (Transaction each : spree()) {
            NaiveRequest request = new NaiveRequest(
                    each.transactionId(),
                    each.amount(),
                    each.merchant(),
                    each.location(),
                    LocalDateTime.ofInstant(each.timestamp(), ZoneOffset.UTC),
                    each.userId(),
                    each.merchantCategory());
            NaiveResponse naive = rest.postForObject(service.url() + "/predict", request, NaiveResponse.class);
            // The client gets the remembered answer: it is the same transaction, whoever sends it.
            FraudAnalysis known = client.analyzeFraud(each);
            assertThat(known.replayed()).isTrue();
            assertThat(naive.isFraud()).isEqualTo(known.isFraud());
            assertThat(naive.getRiskScore()).isEqualTo(known.riskScore());
            assertThat(naive.getRedFlags()).isEqualTo(known.redFlags());
            assertThat(naive.getReasoning()).isEqualTo(known.reasoning());
            answers.add(naive);
        }
        assertThat(answers).anyMatch(NaiveResponse::isFraud);
    }
}
