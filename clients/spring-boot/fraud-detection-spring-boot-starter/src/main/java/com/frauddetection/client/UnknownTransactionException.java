package com.frauddetection.client;

/** Feedback on a transaction that the service does not remember and the feedback does not describe (404). */
public final class UnknownTransactionException extends MLServiceRejectedException {

    public UnknownTransactionException(int status, Problem problem) {
        super(status, problem);
    }
}
