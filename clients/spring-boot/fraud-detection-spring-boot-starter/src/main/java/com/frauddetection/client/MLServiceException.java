package com.frauddetection.client;

/** The service could not be asked, or refused. */
public abstract sealed class MLServiceException extends RuntimeException
        permits MLServiceUnavailableException, MLServiceRejectedException {

    private final transient Problem problem;

    MLServiceException(String message, Problem problem, Throwable cause) {
        super(message, cause);
        this.problem = problem;
    }

    /** The service's own word on it; null where it gave none. */
    public Problem problem() {
        return problem;
    }
}
