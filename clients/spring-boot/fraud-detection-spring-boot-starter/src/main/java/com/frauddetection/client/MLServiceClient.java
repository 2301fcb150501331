package com.frauddetection.client;

import java.util.List;

/**
 * The fraud-detection service.
 *
 * <p>Every call may be repeated: a transaction is decided and counted once, however often it arrives, as long as its
 * {@code transactionId} and its content stay the same. The client itself repeats what failed on the way, within the
 * deadline of its settings. Implementations are safe for use by many threads.
 */
public interface MLServiceClient {

    /** The most transactions that one batch may hold. */
    int MAX_BATCH = 1000;

    /**
     * Decides on a transaction.
     *
     * <p>Where no decision can be had, the fallback policy of the settings decides instead, and the result says so
     * ({@link FraudAnalysis#fallback()}); under the policy {@code throw} the exception reaches the caller.
     *
     * @throws MLServiceUnavailableException no decision could be had, and the policy is to throw
     * @throws MLServiceRejectedException the service refuses the request itself, whatever the policy
     */
    FraudAnalysis analyzeFraud(Transaction transaction);

    /**
     * Decides on 1 to {@value #MAX_BATCH} transactions, in this order, with one model. Results stand in the order of the
     * transactions; one that fails does not fail the others.
     *
     * @throws IllegalArgumentException none, or too many
     * @throws MLServiceUnavailableException the batch could not be decided, and the policy for one of it is to throw
     * @throws MLServiceRejectedException the service refuses the request as a whole
     */
    BatchAnalysis batchAnalyze(List<Transaction> transactions);

    /**
     * Tells what a transaction turned out to be. A later word on the same transaction corrects an earlier one.
     *
     * @throws UnknownTransactionException the service does not remember the transaction, and the feedback does not
     *     describe it
     * @throws MLServiceUnavailableException it could not be delivered; send it again later
     * @throws MLServiceRejectedException the service refuses it
     */
    FeedbackResult sendFeedback(Feedback feedback);

    /**
     * The same for many at once: a result for each, in this order.
     *
     * @throws IllegalArgumentException none, or more than {@value #MAX_BATCH}
     * @throws MLServiceUnavailableException they could not be delivered; send them again later
     * @throws MLServiceRejectedException the service refuses the request as a whole
     */
    List<FeedbackResult> sendFeedback(List<Feedback> feedback);

    /**
     * How the service is, asked once and now: without repeating, and whatever the circuit breaker says.
     *
     * @return its answer, also when that is "unhealthy"
     * @throws MLServiceUnavailableException it does not answer
     */
    Health getHealth();
}
