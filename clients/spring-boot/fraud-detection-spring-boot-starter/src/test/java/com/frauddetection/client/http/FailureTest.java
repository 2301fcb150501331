package com.frauddetection.client.http;

import static com.frauddetection.client.testing.Stub.approve;
import static com.frauddetection.client.testing.Stub.decision;
import static com.frauddetection.client.testing.Stub.hangUp;
import static com.frauddetection.client.testing.Stub.json;
import static com.frauddetection.client.testing.Stub.noise;
import static com.frauddetection.client.testing.Stub.problem;
import static com.frauddetection.client.testing.Stub.raw;
import static com.frauddetection.client.testing.Stub.trickle;
import static com.frauddetection.client.testing.TestClient.transaction;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.frauddetection.client.BatchAnalysis;
import com.frauddetection.client.Decision;
import com.frauddetection.client.Feedback;
import com.frauddetection.client.FeedbackResult;
import com.frauddetection.client.FraudAnalysis;
import com.frauddetection.client.InvalidTransactionException;
import com.frauddetection.client.MLServiceRejectedException;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.MLServiceUnavailableException.Reason;
import com.frauddetection.client.Transaction;
import com.frauddetection.client.TransactionIdReusedException;
import com.frauddetection.client.UnauthorizedException;
import com.frauddetection.client.UnknownTransactionException;
import com.frauddetection.client.testing.Await;
import com.frauddetection.client.testing.Stub;
import com.frauddetection.client.testing.TestClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.MDC;

/** Everything that can go wrong on the way, from a server that does it on purpose. */
@Timeout(60)
class FailureTest {

    private static final String[] ONCE = {"retry.max-attempts", "1"};

    private static MLServiceUnavailableException failure(TestClient client) {
        return catchThrowableOfType(
                MLServiceUnavailableException.class, () -> client.client().analyzeFraud(transaction().build()));
    }

    /** Milliseconds that this takes. */
    private static long millis(Runnable work) {
        long begun = System.nanoTime();
        work.run();
        return (System.nanoTime() - begun) / 1_000_000;
    }

    static Stream<Arguments> passing() {
        return Stream.of(
                Arguments.of(problem(503, "overloaded"), Reason.OVERLOADED),
                Arguments.of(problem(503, "not_ready"), Reason.OVERLOADED),
                Arguments.of(raw(429, "text/plain", "slow down"), Reason.OVERLOADED),
                Arguments.of(problem(504, "deadline_exceeded"), Reason.SERVICE_TIMEOUT),
                Arguments.of(problem(408, "body_timeout"), Reason.SERVICE_TIMEOUT),
                Arguments.of(problem(500, "internal"), Reason.SERVICE_FAULT),
                Arguments.of(raw(502, "text/html", "<html>Bad Gateway</html>"), Reason.SERVICE_FAULT),
                Arguments.of(raw(301, "text/html", "", "Location: http://127.0.0.1:1/"), Reason.UNREADABLE_ANSWER),
                Arguments.of(raw(200, "text/html", "<html>Welcome</html>"), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, ""), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, "null"), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, "{}"), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, "{\"transaction_id\":\"x\",\"is_fr"), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, decision("somebody-elses")), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, decision("x").replace("approve", "explode")), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, decision("x").replace("\"approve\"", "null")), Reason.UNREADABLE_ANSWER),
                Arguments.of(
                        json(200, decision("x").replace("\"is_fraud\":false", "\"is_fraud\":null")),
                        Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, decision("x").replace("\"is_fraud\":false,", "")), Reason.UNREADABLE_ANSWER),
                Arguments.of(json(200, " ".repeat(Transport.MOST_BYTES + 1)), Reason.UNREADABLE_ANSWER),
                Arguments.of(noise(), Reason.CONNECTION_LOST),
                Arguments.of(hangUp(), Reason.CONNECTION_LOST));
    }

    @ParameterizedTest
    @MethodSource("passing")
    void whatMayPassIsRepeatedWithTheSameBytesAndToldAsWhatItIs(Stub.Behaviour bad, Reason reason) {
        try (Stub stub = new Stub(bad);
                TestClient client = new TestClient(stub.url(), ONCE);
                TestClient patient = new TestClient(stub.url(), "retry.backoff", "1ms", "retry.max-attempts", "3")) {
            assertThat(failure(client).reason()).isEqualTo(reason);
            assertThat(stub.requests()).hasSize(1);
            stub.then(bad, bad, approve());
            assertThat(patient.client().analyzeFraud(transaction().build()).decision()).isEqualTo(Decision.APPROVE);
            assertThat(stub.requests()).hasSize(4);
            assertThat(stub.requests().subList(1, 4).stream().map(Stub.Request::body).distinct()).hasSize(1);
            // One call for its caller, three attempts on the way.
            assertThat(patient.calls("success")).isEqualTo(1);
            assertThat(patient.attempts("success")).isEqualTo(1);
            assertThat(patient.attempts(reason.name().toLowerCase(Locale.ROOT))).isEqualTo(2);
        }
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of(problem(400, "malformed_json"), MLServiceRejectedException.class),
                Arguments.of(problem(401, "unauthorized"), UnauthorizedException.class),
                Arguments.of(raw(403, "text/html", "<html>"), UnauthorizedException.class),
                Arguments.of(problem(404, "not_found"), MLServiceRejectedException.class),
                Arguments.of(problem(404, "unknown_transaction"), UnknownTransactionException.class),
                Arguments.of(raw(404, "text/html", "<html>"), MLServiceRejectedException.class),
                Arguments.of(problem(409, "transaction_id_reused"), TransactionIdReusedException.class),
                Arguments.of(problem(413, "body_too_large"), MLServiceRejectedException.class),
                Arguments.of(problem(415, "unsupported_media_type"), MLServiceRejectedException.class),
                Arguments.of(problem(422, "invalid_transaction"), InvalidTransactionException.class),
                Arguments.of(problem(422, "a_code_of_later"), MLServiceRejectedException.class));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void aRefusalIsTypedNeitherRepeatedNorFallenBackOnAndNoFailureOfTheService(
            Stub.Behaviour refusal, Class<? extends MLServiceRejectedException> type) {
        try (Stub stub = new Stub(refusal);
                TestClient client = new TestClient(stub.url(), "fallback.policy", "approve")) {
            for (int i = 0; i < 30; i++) {
                MLServiceRejectedException refused =
                        catchThrowableOfType(type, () -> client.client().analyzeFraud(transaction().build()));
                assertThat(refused).isExactlyInstanceOf(type);
            }
            assertThat(stub.requests()).hasSize(30);
            assertThat(client.calls("rejected")).isEqualTo(30);
            assertThat(client.breakerIs("closed")).isTrue();
        }
    }

    @Test
    void aProblemIsHandedOnWhole() {
        String body =
                """
                {"type":"urn:t","title":"T","status":422,"detail":"1 rule is broken; see errors.","code":"invalid_transaction",
                 "request_id":"r-7","errors":[{"field":"amount","problem":"must be a number"}],"new":{"x":[1]}}""";
        try (Stub stub = new Stub(raw(422, "application/problem+json", body));
                TestClient client = new TestClient(stub.url())) {
            InvalidTransactionException refused = catchThrowableOfType(
                    InvalidTransactionException.class, () -> client.client().analyzeFraud(transaction().build()));
            assertThat(refused.problem().errors()).singleElement().satisfies(fault -> {
                assertThat(fault.field()).isEqualTo("amount");
                assertThat(fault.problem()).isEqualTo("must be a number");
            });
            assertThat(refused).hasMessageContainingAll("422", "invalid_transaction", "amount", "r-7");
        }
    }

    @Test
    void aRefusedConnectionIsRepeatedAndThenTold() throws IOException {
        URI nobody;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            nobody = URI.create("http://127.0.0.1:" + socket.getLocalPort());
        }
        try (TestClient client = new TestClient(nobody, "retry.backoff", "1ms")) {
            assertThat(failure(client).reason()).isEqualTo(Reason.NOT_CONNECTED);
            assertThat(client.attempts("not_connected")).isEqualTo(4);
            assertThat(client.calls("unavailable")).isEqualTo(1);
        }
    }

    @Test
    void aHostThatTakesNoConnectionIsGivenUpAfterTheTimeToConnect() throws IOException {
        // A backlog of one that is full: the kernel leaves further connections without an answer.
        try (ServerSocket full = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            List<Socket> fillers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Socket filler = new Socket();
                fillers.add(filler);
                try {
                    filler.connect(full.getLocalSocketAddress(), 50);
                } catch (IOException e) {
                    break;
                }
            }
            URI url = URI.create("http://127.0.0.1:" + full.getLocalPort());
            try (TestClient client = new TestClient(url, "retry.max-attempts", "1", "timeout.connect", "100ms")) {
                assertThat(millis(() -> assertThat(failure(client).reason()).isEqualTo(Reason.NOT_CONNECTED)))
                        .isBetween(100L, 5000L);
            }
            try (TestClient client = new TestClient(url, "timeout.deadline", "150ms", "timeout.read", "100ms")) {
                assertThat(millis(() -> assertThat(failure(client).reason()).isEqualTo(Reason.DEADLINE)))
                        .isBetween(150L, 4500L);
            }
            for (Socket filler : fillers) {
                filler.close();
            }
        }
    }

    @Test
    void silenceEndsAfterTheTimeToRead() {
        try (Stub stub = new Stub();
                TestClient client = new TestClient(stub.url(), "retry.max-attempts", "1", "timeout.read", "100ms")) {
            stub.then(stub.silence());
            assertThat(millis(() -> assertThat(failure(client).reason()).isEqualTo(Reason.READ_TIMEOUT)))
                    .isBetween(100L, 5000L);
        }
    }

    @Test
    void aTimeoutIsRepeatedWithinTheDeadline() {
        try (Stub stub = new Stub();
                TestClient client = new TestClient(stub.url(), "retry.backoff", "1ms", "timeout.read", "100ms")) {
            stub.then(stub.silence(), approve());
            assertThat(client.client().analyzeFraud(transaction().build()).fallback()).isFalse();
            assertThat(client.attempts("read_timeout")).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Slow:"
    })
    void anAnswerThatTricklesInIsCutOff(String beginning) {
        // No silence is ever longer than the time to read, and still it ends.
        try (Stub stub = new Stub(trickle(beginning));
                TestClient client = new TestClient(
                        stub.url(), "retry.max-attempts", "1", "timeout.read", "200ms", "timeout.deadline", "600ms")) {
            assertThat(millis(() -> assertThat(failure(client).reason()).isIn(Reason.READ_TIMEOUT, Reason.DEADLINE)))
                    .isBetween(200L, 5000L);
        }
    }

    @Test
    void theDeadlineHoldsForAllAttemptsTogether() {
        try (Stub stub = new Stub();
                TestClient client = new TestClient(
                        stub.url(),
                        "retry.max-attempts", "1000", "retry.backoff", "10ms",
                        "timeout.read", "80ms", "timeout.deadline", "500ms")) {
            stub.then(stub.silence());
            assertThat(millis(() -> assertThat(failure(client).reason()).isIn(Reason.READ_TIMEOUT, Reason.DEADLINE)))
                    .isBetween(200L, 5000L);
            assertThat(stub.requests()).hasSizeBetween(2, 7);
        }
    }

    @Test
    void retryAfterIsKept() {
        try (Stub stub = new Stub(problem(503, "overloaded", "Retry-After: 1"), approve());
                TestClient client = new TestClient(stub.url(), "retry.backoff", "1ms")) {
            assertThat(millis(() -> client.client().analyzeFraud(transaction().build()))).isGreaterThanOrEqualTo(1000);
        }
    }

    @Test
    void aRetryAfterBeyondTheDeadlineIsNotWaitedFor() {
        try (Stub stub = new Stub(problem(503, "overloaded", "Retry-After: 60"));
                TestClient client = new TestClient(stub.url())) {
            long millis = millis(() -> {
                MLServiceUnavailableException failure = failure(client);
                assertThat(failure.reason()).isEqualTo(Reason.OVERLOADED);
                assertThat(failure.retryAfter()).isEqualTo(Duration.ofSeconds(60));
                assertThat(failure.problem().code()).isEqualTo("overloaded");
            });
            assertThat(millis).isLessThan(5000);
            assertThat(stub.requests()).hasSize(1);
        }
    }

    @Test
    void retryAfterIsSecondsOrADate() {
        Instant now = Instant.parse("2026-04-23T10:15:30Z");
        assertThat(Answers.retryAfter("2", now)).isEqualTo(Duration.ofSeconds(2));
        assertThat(Answers.retryAfter("Thu, 23 Apr 2026 10:15:35 GMT", now)).isEqualTo(Duration.ofSeconds(5));
        assertThat(Answers.retryAfter("Thu, 23 Apr 2026 10:15:25 GMT", now)).isEqualTo(Duration.ZERO);
        for (String neither : new String[] {null, "", "soon", "-1", "99999999999999999999"}) {
            assertThat(Answers.retryAfter(neither, now)).isNull();
        }
    }

    @Test
    void theBreakerOpensAsksNobodyAndClosesAgain() {
        try (Stub stub = new Stub(problem(500, "internal"));
                TestClient client = new TestClient(
                        stub.url(),
                        "retry.max-attempts", "1",
                        "breaker.window", "10", "breaker.minimum-calls", "10",
                        "breaker.open-for", "200ms", "breaker.half-open-calls", "2")) {
            for (int i = 0; i < 10; i++) {
                assertThat(failure(client).reason()).isEqualTo(Reason.SERVICE_FAULT);
            }
            assertThat(client.breakerIs("open")).isTrue();
            assertThat(failure(client).reason()).isEqualTo(Reason.CIRCUIT_OPEN);
            assertThat(stub.requests()).hasSize(10);

            stub.then(approve());
            Await.until("it lets one through", () -> {
                try {
                    return client.client().analyzeFraud(transaction().build()).decision() == Decision.APPROVE;
                } catch (MLServiceUnavailableException open) {
                    return false;
                }
            });
            assertThat(client.breakerIs("half_open")).isTrue();
            client.client().analyzeFraud(transaction().build());
            assertThat(client.breakerIs("closed")).isTrue();
            assertThat(stub.requests()).hasSize(12);
        }
    }

    @Test
    void anOpenBreakerEndsTheRepeating() {
        try (Stub stub = new Stub(problem(500, "internal"));
                TestClient client = new TestClient(
                        stub.url(),
                        "retry.max-attempts", "10", "retry.backoff", "1ms",
                        "breaker.window", "3", "breaker.minimum-calls", "3")) {
            assertThat(failure(client).reason()).isEqualTo(Reason.SERVICE_FAULT);
            assertThat(stub.requests()).hasSize(3);
        }
    }

    @Test
    void withoutABreakerEveryCallIsSent() {
        try (Stub stub = new Stub(problem(500, "internal"));
                TestClient client = new TestClient(stub.url(), "retry.max-attempts", "1", "breaker.enabled", "false")) {
            for (int i = 0; i < 60; i++) {
                assertThat(failure(client).reason()).isEqualTo(Reason.SERVICE_FAULT);
            }
            assertThat(stub.requests()).hasSize(60);
        }
    }

    @Test
    void anExhaustedPoolIsTheCallersOwnFaultAndNotWaitedForLong() throws Exception {
        try (Stub stub = new Stub();
                TestClient client = new TestClient(
                        stub.url(),
                        "pool.max-connections", "1", "timeout.pool", "50ms",
                        "breaker.window", "1", "breaker.minimum-calls", "1")) {
            stub.then(stub.silence());
            CompletableFuture<Void> hog =
                    CompletableFuture.runAsync(() -> failure(client));
            Await.until("the only connection is taken", () -> stub.requests().size() == 1);
            MLServiceUnavailableException failure = failure(client);
            assertThat(failure.reason()).isEqualTo(Reason.POOL_EXHAUSTED);
            assertThat(client.breakerIs("closed")).isTrue();
            assertThat(client.attempts("pool_exhausted")).isEqualTo(1);
            stub.close();
            hog.get();
        }
    }

    @Test
    void anInterruptedCallerGetsAwayAndStaysInterrupted() throws Exception {
        try (Stub stub = new Stub(problem(503, "overloaded", "Retry-After: 5"));
                TestClient client = new TestClient(stub.url())) {
            CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
            Thread caller = new Thread(() -> {
                MLServiceUnavailableException failure = failure(client);
                interrupted.complete(failure.reason() == Reason.INTERRUPTED && Thread.currentThread().isInterrupted());
            });
            caller.start();
            Await.until("it has been refused once", () -> client.attempts("overloaded") == 1);
            caller.interrupt();
            assertThat(interrupted.get()).isTrue();
        }
    }

    @Test
    void connectionsAreUsedAgain() {
        try (Stub stub = new Stub(approve());
                TestClient client = new TestClient(stub.url())) {
            for (int i = 0; i < 20; i++) {
                client.client().analyzeFraud(transaction().build());
            }
            assertThat(stub.connections()).isEqualTo(1);
        }
    }

    @Test
    void anAnswerThatSaysCloseIsTheConnectionsLast() {
        Stub.Behaviour last = (request, out) -> {
            String id = request.body().replaceAll("(?s).*\"transaction_id\":\"([^\"]*)\".*", "$1");
            return json(200, decision(id), "Connection: close").answer(request, out);
        };
        try (Stub stub = new Stub(last);
                TestClient client = new TestClient(stub.url(), ONCE)) {
            for (int i = 0; i < 5; i++) {
                client.client().analyzeFraud(transaction().build());
            }
            assertThat(stub.connections()).isEqualTo(5);
        }
    }

    @Test
    void theFallbackDecidesByAmountAndSaysSo() {
        try (Stub stub = new Stub(problem(500, "internal"));
                TestClient client = new TestClient(
                        stub.url(),
                        "retry.max-attempts", "1",
                        "fallback.policy", "decline",
                        "fallback.by-amount[0].below", "50", "fallback.by-amount[0].policy", "approve",
                        "fallback.by-amount[1].below", "1000", "fallback.by-amount[1].policy", "review",
                        "fallback.by-amount[2].below", "2000", "fallback.by-amount[2].policy", "throw")) {
            assertThat(fallback(client, "49.99")).isEqualTo(Decision.APPROVE);
            assertThat(fallback(client, "50")).isEqualTo(Decision.REVIEW);
            assertThat(fallback(client, "50.00")).isEqualTo(Decision.REVIEW);
            assertThat(failureOf(client, "1000").reason()).isEqualTo(Reason.SERVICE_FAULT);
            assertThat(fallback(client, "2000")).isEqualTo(Decision.DECLINE);
            assertThat(client.calls("fallback")).isEqualTo(4);
            assertThat(client.calls("unavailable")).isEqualTo(1);
            assertThat(client.meters().get("ml.service.fallback").counters().stream().mapToDouble(c -> c.count()).sum())
                    .isEqualTo(4);
        }
    }

    private static Decision fallback(TestClient client, String amount) {
        FraudAnalysis analysis = client.client().analyzeFraud(transaction().amount(amount).build());
        assertThat(analysis.fallback()).isTrue();
        assertThat(analysis.isFraud()).isEqualTo(analysis.decision() == Decision.DECLINE);
        assertThat(analysis.riskScore()).isEqualTo(analysis.decision().lowestRiskScore());
        assertThat(analysis.fraudProbability()).isNull();
        return analysis.decision();
    }

    private static MLServiceUnavailableException failureOf(TestClient client, String amount) {
        return catchThrowableOfType(
                MLServiceUnavailableException.class,
                () -> client.client().analyzeFraud(transaction().amount(amount).build()));
    }

    @Test
    void aBatchFallsBackAsAWholeAndItemByItem() {
        List<Transaction> batch = List.of(
                transaction().build(), transaction().amount("5000").build(), transaction().build(), transaction().build());
        String body =
                """
                {"results":[%s,{"index":1,"transaction_id":"b","error":{"code":"deadline_exceeded","detail":"D"}},
                 {"index":2,"transaction_id":null,
                  "error":{"code":"invalid_transaction","detail":"D","errors":[{"field":"amount","problem":"P"}]}},
                 %s],"summary":{"count":4,"fraud":0,"errors":2},"model_version":"v1"}"""
                        .formatted(
                                decision(batch.get(0).transactionId()),
                                decision(batch.get(3).transactionId()).replace("{", "{\"replayed\":true,"));
        try (Stub stub = new Stub(problem(500, "internal"));
                TestClient client = new TestClient(
                        stub.url(), "retry.max-attempts", "1", "fallback.policy", "decline");
                TestClient strict = new TestClient(stub.url(), ONCE)) {
            BatchAnalysis all = client.client().batchAnalyze(batch);
            assertThat(all.results()).allMatch(result -> result.analysis().fallback());
            assertThat(all.summary().fraud()).isEqualTo(4);
            assertThat(catchThrowableOfType(
                            MLServiceUnavailableException.class, () -> strict.client().batchAnalyze(batch)))
                    .isNotNull();

            stub.then(json(200, body));
            BatchAnalysis some = client.client().batchAnalyze(batch);
            assertThat(some.results().get(0).analysis().fallback()).isFalse();
            assertThat(some.results().get(1).analysis().fallback()).isTrue();
            assertThat(some.results().get(2).error().errors()).hasSize(1);
            assertThat(some.results().get(3).analysis().replayed()).isTrue();
            assertThat(some.summary()).hasToString("BatchSummary[count=4, fraud=1, errors=1]");
            BatchAnalysis untouched = strict.client().batchAnalyze(batch);
            assertThat(untouched.results().get(1).error().code()).isEqualTo("deadline_exceeded");
            assertThat(untouched.summary()).hasToString("BatchSummary[count=4, fraud=0, errors=2]");

            stub.then(json(200, "{\"results\":[],\"summary\":{\"count\":0,\"fraud\":0,\"errors\":0},\"model_version\":\"v1\"}"));
            assertThat(catchThrowableOfType(
                                    MLServiceUnavailableException.class, () -> strict.client().batchAnalyze(batch))
                            .reason())
                    .isEqualTo(Reason.UNREADABLE_ANSWER);
            assertThatIllegalArgumentException().isThrownBy(() -> client.client().batchAnalyze(List.of()));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> client.client().batchAnalyze(Collections.nCopies(1001, batch.get(0))));
        }
    }

    @Test
    void feedbackIsSentAsTheContractHasIt() {
        Transaction transaction = transaction().userId("card-7").build();
        try (Stub stub = new Stub(json(200, "{\"transaction_id\":\"tx-1\",\"is_fraud\":true,\"result\":\"recorded\"}"));
                TestClient client = new TestClient(stub.url(), "fallback.policy", "approve")) {
            assertThat(client.client().sendFeedback(Feedback.of("tx-1", true)).result()).isEqualTo("recorded");
            assertThat(stub.requests().get(0).line()).isEqualTo("POST /feedback HTTP/1.1");
            assertThat(stub.requests().get(0).body()).isEqualTo("{\"transaction_id\":\"tx-1\",\"is_fraud\":true}");

            stub.then(json(
                    202,
                    """
                    {"results":[{"transaction_id":"a","is_fraud":false,"result":"recorded"},
                     {"index":1,"transaction_id":"tx-1","error":{"code":"unknown_transaction","detail":"D"}}]}"""));
            FraudAnalysis decided = FraudAnalysis.fallback(transaction.transactionId(), Decision.REVIEW, "R");
            Feedback whole = Feedback.of(transaction, false).labelledAt(Instant.EPOCH).decidedAs(decided);
            List<FeedbackResult> results = client.client().sendFeedback(List.of(whole, Feedback.of("tx-1", true)));
            assertThat(stub.requests().get(1).body())
                    .isEqualTo("[{\"transaction_id\":\"" + transaction.transactionId()
                            + "\",\"is_fraud\":false,\"labelled_at\":\"1970-01-01T00:00:00Z\",\"user_id\":\"card-7\","
                            + "\"merchant\":\"Corner shop\",\"timestamp\":\"2026-04-23T10:15:30.120Z\"},"
                            + "{\"transaction_id\":\"tx-1\",\"is_fraud\":true}]");
            assertThat(results.get(0).accepted()).isTrue();
            assertThat(results.get(1).error().code()).isEqualTo("unknown_transaction");

            stub.then(problem(404, "unknown_transaction"));
            assertThat(catchThrowableOfType(
                            UnknownTransactionException.class,
                            () -> client.client().sendFeedback(Feedback.of("tx-2", true))))
                    .isNotNull();
            // No policy can stand in for what was not told.
            stub.then(problem(503, "overloaded"), problem(503, "overloaded"), json(200, "{}"));
            client.client().sendFeedback(Feedback.of("tx-3", true));
        }
    }

    @Test
    void healthIsAskedOnceAndToldAsItIs() {
        String unhealthy =
                """
                {"status":"unhealthy","service":"fraud-detection","version":"1","model_version":null,
                 "uptime_seconds":7,"checks":{"model":"loading"}}""";
        try (Stub stub = new Stub(json(503, unhealthy));
                TestClient client = new TestClient(stub.url())) {
            assertThat(client.client().getHealth().healthy()).isFalse();
            assertThat(client.client().getHealth().modelVersion()).isNull();
            stub.then(raw(503, "text/html", "<html>No target</html>"));
            MLServiceUnavailableException failure =
                    catchThrowableOfType(MLServiceUnavailableException.class, () -> client.client().getHealth());
            assertThat(failure.reason()).isEqualTo(Reason.OVERLOADED);
            assertThat(stub.requests()).hasSize(3);
        }
    }

    @Test
    void keyAndCorrelationIdTravelAlongAndNothingElseOfTheLoggingContext() {
        try (Stub stub = new Stub(approve());
                TestClient client = new TestClient(URI.create(stub.url() + "/ml/"), "api-key", "secret")) {
            try {
                MDC.put("correlationId", "core-7:1");
                client.client().analyzeFraud(transaction().build());
                MDC.put("correlationId", "two\r\nX-Evil: 1");
                client.client().analyzeFraud(transaction().build());
            } finally {
                MDC.clear();
            }
            Stub.Request first = stub.requests().get(0);
            assertThat(first.path()).isEqualTo("/ml/predict");
            assertThat(first.headers()).containsEntry("x-correlation-id", "core-7:1").containsEntry("x-api-key", "secret");
            assertThat(stub.requests().get(1).headers()).doesNotContainKeys("x-correlation-id", "x-evil");
        }
    }
}
