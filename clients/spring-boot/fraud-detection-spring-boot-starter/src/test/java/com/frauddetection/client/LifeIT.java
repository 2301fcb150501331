package com.frauddetection.client;

import static com.frauddetection.client.testing.TestClient.transaction;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.frauddetection.client.testing.Await;
import com.frauddetection.client.testing.Balancer;
import com.frauddetection.client.testing.FraudService;
import com.frauddetection.client.testing.Stub;
import com.frauddetection.client.testing.TestClient;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Real services that come and go under traffic: nothing is lost, nothing is wrong, nothing is counted twice. */
@Timeout(240)
class LifeIT {

    private static final int THREADS = 32;
    private static final String COUNTED = "fraud_detection_decisions_total{decision=\"%s\"}";

    /** One of fifty shapes; without a user, so that its score depends on nothing but itself. */
    private static Transaction shaped(String transactionId, int shape) {
        return Transaction.builder(transactionId)
                .amount(BigDecimal.valueOf(5 + 97L * shape * shape))
                .merchant("Shop " + shape % 7)
                .merchantCategory(List.of("grocery", "electronics", "travel", "fuel").get(shape % 4))
                .location("Berlin, DE")
                .timestamp(Instant.parse("2026-04-23T00:15:30Z").plusSeconds(1700L * shape))
                .build();
    }

    private static final int SHAPES = 50;

    /** What the service says of each shape when nothing disturbs it. */
    private static List<FraudAnalysis> expected() {
        try (FraudService calm = FraudService.start();
                TestClient client = new TestClient(calm.url())) {
            List<FraudAnalysis> expected = new ArrayList<>();
            for (int shape = 0; shape < SHAPES; shape++) {
                expected.add(client.client().analyzeFraud(shaped("calm-" + shape, shape)));
            }
            assertThat(expected.stream().map(FraudAnalysis::decision).distinct()).hasSizeGreaterThan(1);
            return expected;
        }
    }

    private static boolean sameVerdict(FraudAnalysis a, FraudAnalysis b) {
        return a.decision() == b.decision()
                && a.riskScore() == b.riskScore()
                && a.fraudProbability().equals(b.fraudProbability())
                && a.redFlags().equals(b.redFlags())
                && a.reasoning().equals(b.reasoning());
    }

    /** Threads that analyse until {@code enough} and {@code stop}; what went wrong, and how many were done. */
    private static final class Traffic implements AutoCloseable {
        final AtomicInteger issued = new AtomicInteger();
        final AtomicInteger done = new AtomicInteger();
        final AtomicInteger replayed = new AtomicInteger();
        final AtomicBoolean stop = new AtomicBoolean();
        final ConcurrentLinkedQueue<String> faults = new ConcurrentLinkedQueue<>();
        private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        private final List<Future<?>> running = new ArrayList<>();

        Traffic(MLServiceClient client, List<FraudAnalysis> expected, int enough) {
            for (int i = 0; i < THREADS; i++) {
                running.add(threads.submit(() -> {
                    while (!stop.get() || done.get() < enough) {
                        int n = issued.getAndIncrement();
                        try {
                            FraudAnalysis analysis = client.analyzeFraud(shaped("life-" + n, n % SHAPES));
                            if (!analysis.transactionId().equals("life-" + n)
                                    || analysis.fallback()
                                    || !sameVerdict(analysis, expected.get(n % SHAPES))) {
                                faults.add("wrong: " + analysis);
                            }
                            replayed.addAndGet(analysis.replayed() ? 1 : 0);
                        } catch (RuntimeException lost) {
                            faults.add("lost: " + lost);
                        } finally {
                            done.incrementAndGet();
                        }
                    }
                }));
            }
        }

        void reach(int count) {
            Await.until(count + " analyses", () -> done.get() >= count);
        }

        void finish() throws Exception {
            stop.set(true);
            for (Future<?> each : running) {
                each.get();
            }
        }

        @Override
        public void close() {
            stop.set(true);
            threads.shutdownNow();
        }
    }

    private static Map<String, Integer> decided(List<FraudService> services) {
        Map<String, Integer> times = new HashMap<>();
        for (FraudService service : services) {
            for (JsonNode line : service.decisions()) {
                times.merge(line.path("transaction_id").asText(), 1, Integer::sum);
            }
        }
        return times;
    }

    @Test
    void aRollingRestartOfTwoBehindOneAddressIsNotNoticed() throws Exception {
        int enough = 10_000;
        List<FraudAnalysis> expected = expected();
        Map<String, String> settings = Map.of("FRAUD_SHUTDOWN__DRAIN_DELAY", "1s");
        List<FraudService> all = new ArrayList<>();
        List<FraudService> live = new ArrayList<>();
        try (Balancer balancer = new Balancer();
                TestClient client = new TestClient(balancer.url())) {
            for (int i = 0; i < 2; i++) {
                FraudService service = FraudService.start(settings);
                all.add(service);
                live.add(service);
                balancer.add(service.port());
            }
            Await.until("both serve", () -> live.stream().allMatch(service -> balancer.serves(service.port())));

            long begun = System.nanoTime();
            try (Traffic traffic = new Traffic(client.client(), expected, enough)) {
                traffic.reach(2000);
                for (FraudService old : List.copyOf(live)) {
                    // As an orchestrator does it: the new one first, then SIGTERM; the balancer has to notice by itself.
                    FraudService fresh = FraudService.start(settings);
                    all.add(fresh);
                    balancer.add(fresh.port());
                    Await.until("the new one serves", () -> balancer.serves(fresh.port()));
                    int before = traffic.done.get();
                    old.terminate();
                    assertThat(old.waitFor()).isZero();
                    balancer.remove(old.port());
                    traffic.reach(before + 500);
                }
                traffic.finish();
                double seconds = (System.nanoTime() - begun) / 1e9;

                System.out.printf(
                        "rolling restart: %d analyses from %d threads in %.1f s, %d faults; attempts: %d good, %d connection"
                                + " lost, %d not connected, %d others; %d replayed%n",
                        traffic.done.get(), THREADS, seconds, traffic.faults.size(),
                        client.attempts("success"), client.attempts("connection_lost"), client.attempts("not_connected"),
                        client.attempts("overloaded") + client.attempts("read_timeout") + client.attempts("service_fault")
                                + client.attempts("service_timeout") + client.attempts("unreadable_answer"),
                        traffic.replayed.get());
                assertThat(traffic.faults).isEmpty();
                assertThat(traffic.done.get()).isGreaterThanOrEqualTo(enough);
                assertThat(client.calls("success")).isEqualTo(traffic.done.get());
                assertThat(client.breakerIs("closed")).isTrue();

                all.forEach(FraudService::terminate);
                all.forEach(service -> assertThat(service.waitFor()).isZero());
                Map<String, Integer> decided = decided(all);
                assertThat(decided).hasSize(traffic.done.get());
                assertThat(decided.values()).allMatch(times -> times == 1);
                // Every process had its share.
                assertThat(all).hasSize(4).allMatch(service -> service.decisions().size() > 100);
            }
        } finally {
            all.forEach(FraudService::close);
        }
    }

    @Test
    void aServiceThatIsKilledAndStartedAgainLosesNoCall() throws Exception {
        List<FraudAnalysis> expected = expected();
        List<FraudService> all = new ArrayList<>();
        FraudService first = FraudService.start();
        all.add(first);
        Map<String, String> samePort = Map.of("PORT", String.valueOf(first.port()));
        // Patience enough for a start, and a breaker that does not end it.
        try (TestClient client = new TestClient(
                first.url(),
                "timeout.deadline", "60s", "retry.max-attempts", "1000", "retry.max-backoff", "100ms",
                "breaker.enabled", "false")) {
            try (Traffic traffic = new Traffic(client.client(), expected, 3000)) {
                traffic.reach(500);
                first.kill();
                Await.until("callers notice", () -> client.attempts("not_connected") > 0);
                all.add(FraudService.start(samePort));
                traffic.reach(2000);
                traffic.finish();
                assertThat(traffic.faults).isEmpty();
                assertThat(client.calls("success")).isEqualTo(traffic.done.get());
                all.get(1).terminate();
                assertThat(all.get(1).waitFor()).isZero();
                // Only what was in flight at the kill may have been decided by both: each of the two did it once.
                Map<String, Integer> decided = decided(all);
                for (FraudService service : all) {
                    assertThat(decided(List.of(service)).values()).allMatch(times -> times == 1);
                }
                assertThat(decided.values().stream().filter(times -> times > 1).count()).isLessThanOrEqualTo(THREADS);
                assertThat(decided.size()).isBetween(traffic.done.get() - 2 * THREADS, traffic.done.get());
            }
        } finally {
            all.forEach(FraudService::close);
        }
    }

    @Test
    void theBreakerOpensWhileTheServiceIsGoneAndClosesOnceItIsBack() {
        FraudService first = FraudService.start();
        Map<String, String> samePort = Map.of("PORT", String.valueOf(first.port()));
        try (first;
                TestClient client = new TestClient(
                        first.url(),
                        "retry.max-attempts", "1", "fallback.policy", "review",
                        "breaker.window", "10", "breaker.minimum-calls", "5", "breaker.open-for", "100ms",
                        "breaker.half-open-calls", "2")) {
            assertThat(client.client().analyzeFraud(transaction().build()).fallback()).isFalse();
            first.kill();
            Await.until("it opens", () -> {
                FraudAnalysis analysis = client.client().analyzeFraud(transaction().build());
                assertThat(analysis.fallback()).isTrue();
                assertThat(analysis.decision()).isEqualTo(Decision.REVIEW);
                return client.breakerIs("open");
            });
            try (FraudService second = FraudService.start(samePort)) {
                Await.until("it closes", () -> {
                    client.client().analyzeFraud(transaction().build());
                    return client.breakerIs("closed");
                });
                assertThat(client.client().analyzeFraud(transaction().build()).fallback()).isFalse();
                assertThat(second.decisions()).isNotEmpty();
            }
        }
    }

    @Test
    void anAnswerLostOnTheWayIsAskedForAgainAndCountedOnce() {
        HttpClient http = HttpClient.newHttpClient();
        try (FraudService service = FraudService.start();
                Stub between = new Stub()) {
            // In between: the service decides, but the answer gets lost, first with the connection, then by a timeout.
            Stub.Behaviour forward = (request, out) -> {
                HttpResponse<String> answer = http.send(
                        HttpRequest.newBuilder(URI.create(service.url() + request.path()))
                                .timeout(Await.PATIENCE)
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString(request.body()))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
                String replayed = answer.headers().firstValue("Idempotent-Replayed").orElse("false");
                return Stub.json(answer.statusCode(), answer.body(), "Idempotent-Replayed: " + replayed)
                        .answer(request, out);
            };
            Stub.Behaviour lose = (request, out) -> {
                forward.answer(request, OutputStream.nullOutputStream());
                return false;
            };
            Stub.Behaviour delay = (request, out) -> {
                forward.answer(request, OutputStream.nullOutputStream());
                return between.silence().answer(request, out);
            };
            between.then(lose, delay, forward);
            try (TestClient client = new TestClient(between.url(), "retry.backoff", "1ms", "timeout.read", "1s")) {
                FraudAnalysis analysis = client.client().analyzeFraud(transaction().userId("card-9").build());
                assertThat(analysis.replayed()).isTrue();
                assertThat(analysis.fallback()).isFalse();
                assertThat(between.requests()).hasSize(3);
                assertThat(client.calls("success")).isEqualTo(1);
            }
            double counted = 0;
            for (String decision : List.of("approve", "review", "decline")) {
                counted += service.metric(COUNTED.formatted(decision));
            }
            assertThat(counted).isEqualTo(1);
            assertThat(service.metric("fraud_detection_replayed_total")).isEqualTo(2);
        }
    }

    @Test
    void aServiceThatIsOverloadedIsAskedAgainAfterTheTimeItNames() throws Exception {
        // One connection at a time is all that this one takes.
        Map<String, String> narrow = Map.of("FRAUD_HTTP__MAX_CONNECTIONS", "1");
        try (FraudService service = FraudService.start(narrow);
                TestClient hog = new TestClient(service.url());
                TestClient client = new TestClient(service.url(), "retry.max-attempts", "1000", "timeout.deadline", "60s")) {
            hog.client().analyzeFraud(transaction().build());
            CompletableFuture<FraudAnalysis> patient =
                    CompletableFuture.supplyAsync(() -> client.client().analyzeFraud(transaction().build()));
            Await.until("it is refused", () -> client.attempts("overloaded") > 0);
            hog.close();
            assertThat(patient.get().fallback()).isFalse();
            // It waited a second each time.
            assertThat(client.attempts("overloaded")).isLessThan(60);
        }
    }
}
