package com.frauddetection.client.http;

import java.time.Duration;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.core5.util.Timeout;

/**
 * The time that one attempt has. Socket timeouts bound each silence, so an answer that trickles in would never end; here
 * a timer cancels the request at the deadline, wherever it is.
 */
final class Attempt implements AutoCloseable {

    private final ScheduledExecutorService timers;
    private final Deadline deadline;
    private final Duration pool;
    private final Duration read;
    private HttpUriRequestBase request;
    private ScheduledFuture<?> timer;
    private volatile boolean cutOff;

    Attempt(ScheduledExecutorService timers, Deadline deadline, Duration pool, Duration read) {
        this.timers = timers;
        this.deadline = deadline;
        this.pool = pool;
        this.read = read;
    }

    /** Bounds this request; from here on the timer runs. */
    void bind(HttpUriRequestBase bounded) {
        request = bounded;
        request.setConfig(RequestConfig.custom()
                .setConnectionRequestTimeout(Timeout.of(deadline.limit(pool)))
                .setResponseTimeout(Timeout.of(deadline.limit(read)))
                .build());
        cancelIn(deadline.remaining());
    }

    /** The answer has begun: its body has the time to read, and no more than the deadline. */
    void bodyBegins() {
        timer.cancel(false);
        cancelIn(deadline.limit(read));
    }

    /** Whether the timer ended it. */
    boolean cutOff() {
        return cutOff;
    }

    /** Ends it now: whoever sends or waits on it fails. */
    void cancel() {
        request.cancel();
    }

    @Override
    public void close() {
        if (timer != null) {
            timer.cancel(false);
        }
    }

    private void cancelIn(Duration time) {
        timer = timers.schedule(
                () -> {
                    cutOff = true;
                    request.cancel();
                },
                time.toNanos(),
                TimeUnit.NANOSECONDS);
    }
}
