package com.frauddetection.client.http;

import com.frauddetection.client.MLServiceException;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.MLServiceRejectedException;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.MLServiceUnavailableException.Reason;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * The attempts of a call, within its deadline. Every call to the service may be repeated (the transaction id sees to
 * it), so what is repeated depends on the failure alone.
 */
final class Caller {

    private final Transport transport;
    private final MLServiceProperties.Retry retry;
    /** Null where the settings want none. */
    private final CircuitBreaker breaker;

    private final MeterRegistry meters;

    Caller(Transport transport, MLServiceProperties.Retry retry, CircuitBreaker breaker, MeterRegistry meters) {
        this.transport = transport;
        this.retry = retry;
        this.breaker = breaker;
        this.meters = meters;
    }

    /**
     * Attempts until one answer can be read, it is refused, the attempts are used up, or the deadline leaves no room.
     *
     * @param read turns an answer with a 2xx into a value, or says that it is unreadable
     * @throws MLServiceException what the last attempt failed with
     */
    <T> T call(Call call, Function<Answer, T> read) {
        Deadline deadline = Deadline.after(call.deadline());
        MLServiceUnavailableException last = null;
        for (int attempts = 1; ; attempts++) {
            if (breaker != null && !breaker.tryAcquirePermission()) {
                throw last != null ? last : circuitOpen();
            }
            try {
                return guarded(call, deadline, read);
            } catch (MLServiceUnavailableException failure) {
                last = failure;
            }
            // Where the pool is exhausted or the thread interrupted, another attempt would only make it worse.
            if (attempts >= retry.maxAttempts() || !last.reason().blamesService()) {
                throw last;
            }
            Duration pause = pause(attempts, last.retryAfter());
            if (pause.compareTo(deadline.remaining()) >= 0) {
                throw last;
            }
            rest(pause, last);
        }
    }

    /** One attempt, without repeating and whatever the breaker says; the status is the reader's business. */
    <T> T once(Call call, Function<Answer, T> read) {
        return timed(call, () -> read.apply(transport.send(call, Deadline.after(call.deadline()))));
    }

    private <T> T guarded(Call call, Deadline deadline, Function<Answer, T> read) {
        long begun = System.nanoTime();
        try {
            T value = timed(call, () -> {
                Answer answer = transport.send(call, deadline);
                if (answer.status() / 100 != 2) {
                    throw Answers.failure(answer, Instant.now());
                }
                return read.apply(answer);
            });
            worked(begun);
            return value;
        } catch (MLServiceRejectedException refusal) {
            // It answered, and rightly.
            worked(begun);
            throw refusal;
        } catch (MLServiceUnavailableException failure) {
            if (breaker != null && failure.reason().blamesService()) {
                breaker.onError(System.nanoTime() - begun, TimeUnit.NANOSECONDS, failure);
            } else if (breaker != null) {
                breaker.releasePermission();
            }
            throw failure;
        } catch (RuntimeException | Error unexpected) {
            if (breaker != null) {
                breaker.releasePermission();
            }
            throw unexpected;
        }
    }

    private void worked(long begun) {
        if (breaker != null) {
            breaker.onSuccess(System.nanoTime() - begun, TimeUnit.NANOSECONDS);
        }
    }

    private interface Work<T> {
        T run();
    }

    private <T> T timed(Call call, Work<T> attempt) {
        long begun = System.nanoTime();
        String outcome = "error";
        try {
            T value = attempt.run();
            outcome = "success";
            return value;
        } catch (MLServiceUnavailableException failure) {
            outcome = failure.reason().name().toLowerCase(Locale.ROOT);
            throw failure;
        } catch (MLServiceRejectedException refusal) {
            outcome = "rejected";
            throw refusal;
        } finally {
            meters.timer("ml.service.attempt", "operation", call.operation(), "outcome", outcome)
                    .record(System.nanoTime() - begun, TimeUnit.NANOSECONDS);
        }
    }

    /** Half of the backoff for certain and half by chance, so that callers spread; never less than was asked for. */
    private Duration pause(int attempts, Duration retryAfter) {
        long most = retry.maxBackoff().toNanos();
        long backoff = retry.backoff().toNanos();
        for (int i = 1; i < attempts && backoff < most; i++) {
            backoff *= 2;
        }
        backoff = Math.min(backoff, most);
        long drawn = backoff / 2 + ThreadLocalRandom.current().nextLong(backoff / 2 + 1);
        return Duration.ofNanos(drawn + (retryAfter == null ? 0 : Math.min(retryAfter.toSeconds(), 86_400) * 1_000_000_000L));
    }

    private static void rest(Duration pause, MLServiceUnavailableException last) {
        try {
            TimeUnit.NANOSECONDS.sleep(pause.toNanos());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new MLServiceUnavailableException(
                    Reason.INTERRUPTED, "interrupted after: " + last.getMessage(), last.problem(), null, last);
        }
    }

    private static MLServiceUnavailableException circuitOpen() {
        return new MLServiceUnavailableException(
                Reason.CIRCUIT_OPEN, "the circuit breaker is open: too many of the last attempts failed", null, null, null);
    }
}
