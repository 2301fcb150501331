package com.frauddetection.client;

/** The API key is missing, unknown, or lacks the scope (401, 403). */
public final class UnauthorizedException extends MLServiceRejectedException {

    public UnauthorizedException(int status, Problem problem) {
        super(status, problem);
    }
}
