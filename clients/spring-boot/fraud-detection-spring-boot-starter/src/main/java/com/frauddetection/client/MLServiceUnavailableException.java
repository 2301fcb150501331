package com.frauddetection.client;

import java.time.Duration;

/** No answer could be had, for a reason that may pass. The same call may be made again: nothing is counted twice. */
public final class MLServiceUnavailableException extends MLServiceException {

    /** What went wrong last. */
    public enum Reason {
        /** The circuit breaker is open: the service was not asked. */
        CIRCUIT_OPEN,
        /** All connections of the pool were in use: the service was not asked. */
        POOL_EXHAUSTED,
        /** No connection: refused, no route, no such host, or not within the time to connect. */
        NOT_CONNECTED,
        /** The connection broke before the answer was complete. */
        CONNECTION_LOST,
        /** The answer did not come, or not to its end, within the time to read. */
        READ_TIMEOUT,
        /** The deadline of the whole call ended the last attempt. */
        DEADLINE,
        /** The service, or a balancer before it, is too busy or not ready: 429, 503. */
        OVERLOADED,
        /** The service did not decide within its own deadline: 408, 504. */
        SERVICE_TIMEOUT,
        /** A fault of the service or of a balancer before it: any other 5xx. */
        SERVICE_FAULT,
        /** Something answered, but not as the service does. */
        UNREADABLE_ANSWER,
        /** The calling thread was interrupted. */
        INTERRUPTED;

        /** Whether this says something about the service, rather than about the caller. */
        public boolean blamesService() {
            return this != CIRCUIT_OPEN && this != POOL_EXHAUSTED && this != INTERRUPTED;
        }
    }

    private final Reason reason;
    private final transient Duration retryAfter;

    public MLServiceUnavailableException(
            Reason reason, String message, Problem problem, Duration retryAfter, Throwable cause) {
        super(message, problem, cause);
        this.reason = reason;
        this.retryAfter = retryAfter;
    }

    public Reason reason() {
        return reason;
    }

    /** How long the service asks to be left alone; null where it does not say. */
    public Duration retryAfter() {
        return retryAfter;
    }
}
