package com.frauddetection.client;

/**
 * What became of one transaction of a batch: either an analysis or an error, the other is null.
 *
 * @param index its place in the batch, from 0
 * @param transactionId its id
 * @param analysis the decision on it
 * @param error why there is none
 */
public record BatchResult(int index, String transactionId, FraudAnalysis analysis, ItemError error) {

    public BatchResult {
        if ((analysis == null) == (error == null)) {
            throw new IllegalArgumentException("a result is an analysis or an error");
        }
    }

    /** Whether there is an analysis. */
    public boolean decided() {
        return analysis != null;
    }
}
