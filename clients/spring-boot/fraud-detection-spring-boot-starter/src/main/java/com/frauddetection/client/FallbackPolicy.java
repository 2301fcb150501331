package com.frauddetection.client;

/** What to do with a transaction that the service could not be asked about. */
public enum FallbackPolicy {
    APPROVE,
    REVIEW,
    DECLINE,
    /** Leave it to the caller: throw {@link MLServiceUnavailableException}. */
    THROW
}
