package com.frauddetection.client;

import java.math.BigDecimal;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * The client's settings, checked once at the start.
 *
 * @param url the service's address, with the base path if it has one: {@code http://host:8000} or {@code https://host/ml}
 * @param apiKey the key that the service knows this caller by; none where the service asks for none
 */
@ConfigurationProperties("ml.service")
public record MLServiceProperties(
        URI url,
        String apiKey,
        @DefaultValue Timeout timeout,
        @DefaultValue Pool pool,
        @DefaultValue Retry retry,
        @DefaultValue Breaker breaker,
        @DefaultValue Fallback fallback,
        @DefaultValue Correlation correlation) {

    public MLServiceProperties {
        check(url != null, "ml.service.url must be set, such as http://localhost:8000");
        check(
                ("http".equals(url.getScheme()) || "https".equals(url.getScheme()))
                        && url.getHost() != null
                        && url.getQuery() == null
                        && url.getFragment() == null
                        && url.getUserInfo() == null,
                "ml.service.url must be http:// or https://, a host, and at most a port and a path");
        apiKey = apiKey == null || apiKey.isBlank() ? null : apiKey.strip();
        check(
                apiKey == null || apiKey.chars().allMatch(c -> c > ' ' && c < 127),
                "ml.service.api-key must be visible ASCII characters");
    }

    /**
     * @param connect for a connection to be made, TLS included
     * @param read for the service to begin its answer, and again for the answer to be complete
     * @param pool for a connection of the pool to become free
     * @param deadline for a whole call: every attempt and every pause between them
     * @param batchRead as {@code read}, for batches
     * @param batchDeadline as {@code deadline}, for batches
     */
    public record Timeout(
            @DefaultValue("5s") Duration connect,
            @DefaultValue("2s") Duration read,
            @DefaultValue("500ms") Duration pool,
            @DefaultValue("8s") Duration deadline,
            @DefaultValue("12s") Duration batchRead,
            @DefaultValue("30s") Duration batchDeadline) {

        public Timeout {
            positive("timeout.connect", connect);
            positive("timeout.read", read);
            positive("timeout.pool", pool);
            positive("timeout.deadline", deadline);
            positive("timeout.batch-read", batchRead);
            positive("timeout.batch-deadline", batchDeadline);
            check(read.compareTo(deadline) <= 0, "ml.service.timeout.read must not exceed ml.service.timeout.deadline");
            check(
                    batchRead.compareTo(batchDeadline) <= 0,
                    "ml.service.timeout.batch-read must not exceed ml.service.timeout.batch-deadline");
        }
    }

    /**
     * @param maxConnections connections open at once
     * @param idle how long an unused connection is kept; below the idle timeout of the load balancer (60 s) and of the
     *     service (75 s)
     * @param maxAge how long any connection is kept, so that a changed DNS entry is followed
     */
    public record Pool(
            @DefaultValue("64") int maxConnections,
            @DefaultValue("30s") Duration idle,
            @DefaultValue("5m") Duration maxAge) {

        public Pool {
            check(maxConnections > 0, "ml.service.pool.max-connections must be at least 1");
            positive("pool.idle", idle);
            positive("pool.max-age", maxAge);
        }
    }

    /**
     * @param maxAttempts attempts in all, the first included; 1 never repeats
     * @param backoff the pause before the first repetition at most; it doubles with each, and chance takes up to half
     * @param maxBackoff the longest such pause; the service's Retry-After may ask for a longer one
     */
    public record Retry(
            @DefaultValue("4") int maxAttempts,
            @DefaultValue("100ms") Duration backoff,
            @DefaultValue("1s") Duration maxBackoff) {

        public Retry {
            check(maxAttempts > 0, "ml.service.retry.max-attempts must be at least 1");
            positive("retry.backoff", backoff);
            positive("retry.max-backoff", maxBackoff);
        }
    }

    /**
     * @param enabled whether there is a circuit breaker
     * @param window how many of the last attempts it looks at
     * @param minimumCalls how many it must have seen before it opens
     * @param failureRate the share of failures in percent from which on it opens
     * @param openFor how long it stays open before it lets attempts through to try
     * @param halfOpenCalls how many it then lets through
     */
    public record Breaker(
            @DefaultValue("true") boolean enabled,
            @DefaultValue("50") int window,
            @DefaultValue("20") int minimumCalls,
            @DefaultValue("50") float failureRate,
            @DefaultValue("5s") Duration openFor,
            @DefaultValue("5") int halfOpenCalls) {

        public Breaker {
            check(window > 0, "ml.service.breaker.window must be at least 1");
            check(
                    minimumCalls > 0 && minimumCalls <= window,
                    "ml.service.breaker.minimum-calls must be at least 1 and at most ml.service.breaker.window");
            check(failureRate > 0 && failureRate <= 100, "ml.service.breaker.failure-rate must be above 0 and at most 100");
            positive("breaker.open-for", openFor);
            check(halfOpenCalls > 0, "ml.service.breaker.half-open-calls must be at least 1");
        }
    }

    /**
     * @param policy what to do where the service could not be asked: approve, review, decline or throw
     * @param byAmount policies for smaller amounts, ascending; {@code policy} holds from the last one on
     */
    public record Fallback(@DefaultValue("throw") FallbackPolicy policy, @DefaultValue List<Below> byAmount) {

        public Fallback {
            byAmount = List.copyOf(byAmount);
            for (int i = 0; i < byAmount.size(); i++) {
                Below step = byAmount.get(i);
                check(
                        step.below() != null && step.policy() != null,
                        "ml.service.fallback.by-amount[" + i + "] must have below and policy");
                check(
                        i == 0 || step.below().compareTo(byAmount.get(i - 1).below()) > 0,
                        "ml.service.fallback.by-amount must ascend");
            }
        }

        /** The policy for an amount. */
        public FallbackPolicy policyFor(BigDecimal amount) {
            return byAmount.stream()
                    .filter(step -> amount.compareTo(step.below()) < 0)
                    .findFirst()
                    .map(Below::policy)
                    .orElse(policy);
        }
    }

    /**
     * @param below amounts below this one
     * @param policy are treated so
     */
    public record Below(BigDecimal below, FallbackPolicy policy) {}

    /**
     * @param mdcKey the entry of the logging context (MDC) that is passed on as X-Correlation-Id; the service's log and
     *     answers carry it too
     */
    public record Correlation(@DefaultValue("correlationId") String mdcKey) {}

    /** Without the key. */
    @Override
    public String toString() {
        return "MLServiceProperties[" + url + "]";
    }

    private static void positive(String name, Duration value) {
        check(value != null && value.toMillis() > 0, "ml.service." + name + " must be at least 1ms");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
