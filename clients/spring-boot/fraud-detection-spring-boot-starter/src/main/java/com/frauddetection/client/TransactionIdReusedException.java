package com.frauddetection.client;

/** A transaction of this id was decided before, with other content (409). */
public final class TransactionIdReusedException extends MLServiceRejectedException {

    public TransactionIdReusedException(int status, Problem problem) {
        super(status, problem);
    }
}
