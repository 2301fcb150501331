package com.frauddetection.client.http;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.frauddetection.client.BatchAnalysis;
import com.frauddetection.client.BatchResult;
import com.frauddetection.client.BatchSummary;
import com.frauddetection.client.Feedback;
import com.frauddetection.client.FeedbackResult;
import com.frauddetection.client.FraudAnalysis;
import com.frauddetection.client.Health;
import com.frauddetection.client.ItemError;
import com.frauddetection.client.MLServiceClient;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.MLServiceRejectedException;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.Transaction;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import org.springframework.http.HttpMethod;

/** {@link MLServiceClient} over HTTP. */
public final class HttpMLServiceClient implements MLServiceClient, AutoCloseable {

    private final MLServiceProperties.Timeout timeout;
    private final Transport transport;
    private final Caller caller;
    private final Fallbacks fallbacks;
    private final MeterRegistry meters;

    /** @param breaker null for none */
    public HttpMLServiceClient(
            MLServiceProperties properties,
            CircuitBreaker breaker,
            MeterRegistry meters,
            ObservationRegistry observations) {
        this.meters = meters;
        timeout = properties.timeout();
        transport = new Transport(properties, meters, observations);
        caller = new Caller(transport, properties.retry(), breaker, meters);
        fallbacks = new Fallbacks(properties.fallback(), meters);
    }

    @Override
    public FraudAnalysis analyzeFraud(Transaction transaction) {
        return timed(
                "analyze",
                () -> caller.call(post("analyze", "/predict", transaction), answer -> analysis(answer, transaction)),
                failure -> fallbacks.decide(transaction, failure));
    }

    @Override
    public BatchAnalysis batchAnalyze(List<Transaction> transactions) {
        List<Transaction> batch = checked(transactions);
        Call call = postMany("batch", "/batch", Map.of("transactions", batch));
        return timed(
                "batch",
                () -> fallbacks.fill(batch, caller.call(call, answer -> batch(answer, batch))),
                failure -> fallbacks.decide(batch, failure));
    }

    @Override
    public FeedbackResult sendFeedback(Feedback feedback) {
        Call call = post("feedback", "/feedback", feedback);
        return timed(
                "feedback",
                () -> caller.call(call, answer -> Answers.read(answer.body(), FeedbackResult.class)),
                HttpMLServiceClient::rethrow);
    }

    @Override
    public List<FeedbackResult> sendFeedback(List<Feedback> feedback) {
        List<Feedback> labels = checked(feedback);
        Call call = postMany("feedback", "/feedback", labels);
        return timed(
                "feedback", () -> caller.call(call, answer -> results(answer, labels)), HttpMLServiceClient::rethrow);
    }

    @Override
    public Health getHealth() {
        Call call = new Call("health", HttpMethod.GET, "/health", new byte[0], timeout.read(), timeout.deadline());
        return timed("health", () -> caller.once(call, HttpMLServiceClient::health), HttpMLServiceClient::rethrow);
    }

    @Override
    public void close() {
        transport.close();
    }

    private Call post(String operation, String path, Object body) {
        return new Call(operation, HttpMethod.POST, path, Answers.write(body), timeout.read(), timeout.deadline());
    }

    private Call postMany(String operation, String path, Object body) {
        byte[] json = Answers.write(body);
        return new Call(operation, HttpMethod.POST, path, json, timeout.batchRead(), timeout.batchDeadline());
    }

    private static FraudAnalysis analysis(Answer answer, Transaction asked) {
        FraudAnalysis analysis = Answers.read(answer.body(), FraudAnalysis.class);
        // Whoever mixes up answers on the way must not get a fraud approved.
        if (!analysis.transactionId().equals(asked.transactionId())) {
            throw Answers.unreadable("the answer is on another transaction", null);
        }
        boolean replayed = "true".equals(answer.headers().getFirst("Idempotent-Replayed"));
        return replayed ? analysis.asReplayed() : analysis;
    }

    private static Health health(Answer answer) {
        // 503 has the same body when it is the service that answers, and says that it is not well.
        if (answer.status() == 200 || answer.status() == 503) {
            try {
                return Answers.read(answer.body(), Health.class);
            } catch (MLServiceUnavailableException unreadable) {
                if (answer.status() == 200) {
                    throw unreadable;
                }
            }
        }
        throw Answers.failure(answer, Instant.now());
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record BatchBody(
            @JsonProperty(value = "results", required = true) List<JsonNode> results,
            @JsonProperty(value = "summary", required = true) BatchSummary summary,
            @JsonProperty(value = "model_version", required = true) String modelVersion) {}

    private static BatchAnalysis batch(Answer answer, List<Transaction> asked) {
        BatchBody body = Answers.read(answer.body(), BatchBody.class);
        if (body.results().size() != asked.size()) {
            throw Answers.unreadable("the answer has " + body.results().size() + " results for " + asked.size(), null);
        }
        List<BatchResult> results = new ArrayList<>(asked.size());
        for (Transaction transaction : asked) {
            results.add(result(body.results().get(results.size()), results.size(), transaction));
        }
        return new BatchAnalysis(results, body.summary(), body.modelVersion());
    }

    private static BatchResult result(JsonNode node, int index, Transaction asked) {
        try {
            if (node.hasNonNull("error")) {
                ItemError error = Answers.JSON.treeToValue(node.get("error"), ItemError.class);
                return new BatchResult(index, asked.transactionId(), null, error);
            }
            FraudAnalysis analysis = Answers.JSON.treeToValue(node, FraudAnalysis.class);
            if (analysis != null && analysis.transactionId().equals(asked.transactionId())) {
                return new BatchResult(index, asked.transactionId(), analysis, null);
            }
        } catch (JsonProcessingException e) {
            throw Answers.unreadable("result " + index + " is neither a decision nor an error", e);
        }
        throw Answers.unreadable("result " + index + " is on another transaction", null);
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record FeedbackBody(@JsonProperty(value = "results", required = true) List<FeedbackResult> results) {}

    /** In the place of its feedback; an item whose id cannot be read comes back without one. */
    private static List<FeedbackResult> results(Answer answer, List<Feedback> sent) {
        List<FeedbackResult> results = Answers.read(answer.body(), FeedbackBody.class).results();
        if (results.size() != sent.size()) {
            throw Answers.unreadable("the answer has " + results.size() + " results for " + sent.size(), null);
        }
        List<FeedbackResult> named = new ArrayList<>(results.size());
        for (FeedbackResult result : results) {
            String transactionId = sent.get(named.size()).transactionId();
            named.add(new FeedbackResult(transactionId, result.result(), result.error()));
        }
        return named;
    }

    private static <T> List<T> checked(List<T> items) {
        if (items.isEmpty() || items.size() > MAX_BATCH) {
            throw new IllegalArgumentException("1 to " + MAX_BATCH + " at once, not " + items.size());
        }
        return List.copyOf(items);
    }

    private static <T> T rethrow(MLServiceUnavailableException failure) {
        throw failure;
    }

    /** A call as its caller sees it: one timing, however many attempts it took. */
    private <T> T timed(String operation, Supplier<T> call, Function<MLServiceUnavailableException, T> fallback) {
        long begun = System.nanoTime();
        String outcome = "error";
        try {
            T value;
            try {
                value = call.get();
                outcome = "success";
            } catch (MLServiceUnavailableException failure) {
                outcome = "unavailable";
                value = fallback.apply(failure);
                outcome = "fallback";
            } catch (MLServiceRejectedException refusal) {
                outcome = "rejected";
                throw refusal;
            }
            return value;
        } finally {
            meters.timer("ml.service.call", "operation", operation, "outcome", outcome)
                    .record(System.nanoTime() - begun, TimeUnit.NANOSECONDS);
        }
    }
}
