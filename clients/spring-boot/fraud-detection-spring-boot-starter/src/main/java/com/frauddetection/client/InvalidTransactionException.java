package com.frauddetection.client;

/** The transaction, batch or feedback breaks a rule (422); {@link Problem#errors()} lists every broken one. */
public final class InvalidTransactionException extends MLServiceRejectedException {

    public InvalidTransactionException(int status, Problem problem) {
        super(status, problem);
    }
}
