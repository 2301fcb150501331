package com.frauddetection.client;

/**
 * The service refuses the request itself: sent again as it is, it would be refused again. Never answered by the fallback
 * policy, since the fault is on the caller's side and has to be seen.
 */
public sealed class MLServiceRejectedException extends MLServiceException
        permits InvalidTransactionException,
                TransactionIdReusedException,
                UnauthorizedException,
                UnknownTransactionException {

    private final int status;

    public MLServiceRejectedException(int status, Problem problem) {
        super(
                problem == null
                        ? "refused with status " + status
                        : "refused with " + status + " " + problem.code() + ": " + problem.detail() + explained(problem)
                                + " (request " + problem.requestId() + ")",
                problem,
                null);
        this.status = status;
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    private static String explained(Problem problem) {
        return problem.errors().isEmpty() ? "" : " " + problem.errors();
    }
}
