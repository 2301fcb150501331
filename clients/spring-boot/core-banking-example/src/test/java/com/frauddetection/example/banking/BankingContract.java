package com.frauddetection.example.banking;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.frauddetection.client.testing.Await;
import com.frauddetection.client.testing.FraudService;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.client.TestRestTemplate;
import org.springframework.http.HttpEntity;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;

/** What the bank's service does, over a real database and with the real fraud service, whichever database it is. */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@Timeout(120)
abstract class BankingContract {

    @Autowired
    private TestRestTemplate rest;

    @Autowired
    private TransactionRepository transactions;

    /** The service that the subclass started. */
    abstract FraudService fraud();

    private static Map<String, Object> transaction() {
        return new HashMap<>(Map.of(
                "transactionId", "bank-" + UUID.randomUUID(),
                "amount", "12.50",
                "merchant", "Corner shop",
                "location", "Berlin, DE",
                "timestamp", "2026-04-23T12:15:30.120+02:00"));
    }

    private ResponseEntity<JsonNode> analyze(Map<String, Object> transaction) {
        return rest.postForEntity("/api/v1/fraud/analyze", transaction, JsonNode.class);
    }

    @Test
    void aTransactionIsDecidedStoredAndAnswered() {
        Map<String, Object> transaction = transaction();
        ResponseEntity<JsonNode> answer = analyze(transaction);
        assertThat(answer.getStatusCode().value()).isEqualTo(200);
        assertThat(answer.getBody().path("status").asText()).isEqualTo("APPROVED");
        assertThat(answer.getBody().path("decidedBy").asText()).startsWith("v");
        assertThat(answer.getBody().path("riskScore").asInt()).isLessThan(50);
        StoredTransaction stored =
                transactions.findById((String) transaction.get("transactionId")).orElseThrow();
        assertThat(stored.getStatus()).isEqualTo(StoredTransaction.Status.APPROVED);
        assertThat(stored.getAmount()).isEqualByComparingTo("12.50");
        assertThat(stored.getDecidedAt()).isAfterOrEqualTo(stored.getReceivedAt());
        assertThat(stored.getReasoning()).isEqualTo(answer.getBody().path("reasoning").asText());
    }

    @Test
    void aFraudIsDeclinedWithItsReasons() {
        List<JsonNode> answers = IntStream.rangeClosed(1, 12)
                .mapToObj(i -> {
                    Map<String, Object> transaction = transaction();
                    transaction.put("amount", 50L * i * i * i);
                    transaction.put("merchant", "Electronics " + i);
                    transaction.put("merchantCategory", "electronics");
                    transaction.put("customerId", "spree of " + getClass().getSimpleName());
                    transaction.put("timestamp", "2026-04-23T02:%02d:30Z".formatted(10 + i));
                    return analyze(transaction).getBody();
                })
                .toList();
        assertThat(answers).anySatisfy(answer -> {
            assertThat(answer.path("status").asText()).isEqualTo("DECLINED");
            assertThat(answer.path("riskScore").asInt()).isGreaterThanOrEqualTo(80);
            assertThat(answer.path("redFlags").size()).isPositive();
        });
    }

    @Test
    void theSameAgainIsTheSameAnswerAndAnotherUnderItsIdIsRefused() {
        Map<String, Object> transaction = transaction();
        JsonNode first = analyze(transaction).getBody();
        assertThat(analyze(transaction).getBody()).isEqualTo(first);
        transaction.put("amount", "13.50");
        ResponseEntity<JsonNode> other = analyze(transaction);
        assertThat(other.getStatusCode().value()).isEqualTo(409);
        assertThat(other.getHeaders().getContentType().isCompatibleWith(MediaType.APPLICATION_PROBLEM_JSON)).isTrue();
    }

    @Test
    void manyAtOnceWithOneIdAreOne() {
        Map<String, Object> transaction = transaction();
        List<CompletableFuture<JsonNode>> crowd = IntStream.range(0, 8)
                .mapToObj(i -> CompletableFuture.supplyAsync(() -> analyze(transaction).getBody()))
                .toList();
        assertThat(crowd.stream().map(CompletableFuture::join).distinct()).hasSize(1);
        assertThat(crowd.get(0).join().path("status").asText()).isEqualTo("APPROVED");
    }

    @Test
    void whatBreaksARuleIsNamedBeforeAnythingIsStored() {
        Map<String, Object> transaction = transaction();
        transaction.put("amount", "-1");
        transaction.put("merchant", " ");
        transaction.put("currency", "EURO");
        transaction.put("latitude", 52.5);
        transaction.remove("location");
        ResponseEntity<JsonNode> answer = analyze(transaction);
        assertThat(answer.getStatusCode().value()).isEqualTo(400);
        assertThat(answer.getBody().path("errors").findValuesAsText("field"))
                .containsExactlyInAnyOrder("amount", "merchant", "currency", "location", "placeWhole");
        assertThat(transactions.existsById((String) transaction.get("transactionId"))).isFalse();
        HttpHeaders json = new HttpHeaders();
        json.setContentType(MediaType.APPLICATION_JSON);
        assertThat(rest.postForEntity("/api/v1/fraud/analyze", new HttpEntity<>("{", json), JsonNode.class)
                        .getStatusCode()
                        .value())
                .isEqualTo(400);
    }

    @Test
    void aRuleThatOnlyTheFraudServiceKnowsIsNamedToo() {
        Map<String, Object> transaction = transaction();
        transaction.put("timestamp", "2100-01-01T00:00:00Z");
        ResponseEntity<JsonNode> answer = analyze(transaction);
        assertThat(answer.getStatusCode().value()).isEqualTo(422);
        assertThat(answer.getBody().path("errors").findValuesAsText("field")).containsExactly("timestamp");
    }

    @Test
    void oneIdRunsFromTheEdgeToTheFraudServicesLog() {
        Map<String, Object> transaction = transaction();
        HttpHeaders headers = new HttpHeaders();
        headers.set("X-Correlation-Id", "branch-7:" + transaction.get("transactionId"));
        ResponseEntity<JsonNode> answer =
                rest.postForEntity("/api/v1/fraud/analyze", new HttpEntity<>(transaction, headers), JsonNode.class);
        assertThat(answer.getHeaders().getFirst("X-Correlation-Id")).isEqualTo(headers.getFirst("X-Correlation-Id"));
        Await.until("the line of the decision", () -> fraud().decisions().stream()
                .anyMatch(line -> line.path("request_id").asText().equals(headers.getFirst("X-Correlation-Id"))));
    }

    @Test
    void itsOwnHealthDoesNotHangOnTheFraudService() {
        assertThat(rest.getForEntity("/actuator/health/readiness", String.class).getStatusCode().value()).isEqualTo(200);
    }
}
