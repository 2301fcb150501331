package com.frauddetection.client;

import java.util.List;

/**
 * What became of a batch.
 *
 * @param results one for each transaction, in the order of the transactions
 * @param summary the results counted
 * @param modelVersion the model that scored the batch; {@value FraudAnalysis#FALLBACK} where none did
 */
public record BatchAnalysis(List<BatchResult> results, BatchSummary summary, String modelVersion) {

    public BatchAnalysis {
        results = List.copyOf(results);
    }
}
