package com.frauddetection.client.http;

import com.frauddetection.client.BatchAnalysis;
import com.frauddetection.client.BatchResult;
import com.frauddetection.client.BatchSummary;
import com.frauddetection.client.Decision;
import com.frauddetection.client.FallbackPolicy;
import com.frauddetection.client.FraudAnalysis;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.Transaction;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides by the policy of the settings where the service gave no decision; logs and counts each. */
final class Fallbacks {

    private static final Logger LOG = LoggerFactory.getLogger(Fallbacks.class);

    private final MLServiceProperties.Fallback settings;
    private final MeterRegistry meters;

    Fallbacks(MLServiceProperties.Fallback settings, MeterRegistry meters) {
        this.settings = settings;
        this.meters = meters;
    }

    /** @throws MLServiceUnavailableException the failure, where the policy is to throw */
    FraudAnalysis decide(Transaction transaction, MLServiceUnavailableException failure) {
        FallbackPolicy policy = settings.policyFor(transaction.amount());
        if (policy == FallbackPolicy.THROW) {
            throw failure;
        }
        return decide(transaction, policy, failure.reason().name());
    }

    /** @throws MLServiceUnavailableException the failure, where the policy for any of them is to throw */
    BatchAnalysis decide(List<Transaction> transactions, MLServiceUnavailableException failure) {
        if (transactions.stream().anyMatch(each -> settings.policyFor(each.amount()) == FallbackPolicy.THROW)) {
            throw failure;
        }
        List<BatchResult> results = new ArrayList<>(transactions.size());
        for (Transaction transaction : transactions) {
            FraudAnalysis analysis = decide(transaction, failure);
            results.add(new BatchResult(results.size(), transaction.transactionId(), analysis, null));
        }
        return new BatchAnalysis(results, BatchSummary.of(results), FraudAnalysis.FALLBACK);
    }

    /**
     * The batch, with a fallback for each item that failed for a reason that passes; where the policy is to throw, the
     * error stays in its place.
     */
    BatchAnalysis fill(List<Transaction> transactions, BatchAnalysis batch) {
        if (batch.results().stream().noneMatch(Fallbacks::mayFallBack)) {
            return batch;
        }
        List<BatchResult> results = new ArrayList<>(batch.results());
        results.replaceAll(result -> {
            Transaction transaction = transactions.get(result.index());
            FallbackPolicy policy = settings.policyFor(transaction.amount());
            if (!mayFallBack(result) || policy == FallbackPolicy.THROW) {
                return result;
            }
            FraudAnalysis analysis = decide(transaction, policy, result.error().code());
            return new BatchResult(result.index(), result.transactionId(), analysis, null);
        });
        return new BatchAnalysis(results, BatchSummary.of(results), batch.modelVersion());
    }

    private static boolean mayFallBack(BatchResult result) {
        return !result.decided() && result.error().passing();
    }

    private FraudAnalysis decide(Transaction transaction, FallbackPolicy policy, String why) {
        String reason = why.toLowerCase(Locale.ROOT);
        Decision decision = Decision.valueOf(policy.name());
        String word = decision.name().toLowerCase(Locale.ROOT);
        LOG.warn("{}: no decision of the service ({}), fallback policy: {}", transaction.transactionId(), reason, word);
        meters.counter("ml.service.fallback", "decision", word, "reason", reason).increment();
        String reasoning = "Not scored (" + reason.replace('_', ' ') + "): " + word + " by the fallback policy.";
        return FraudAnalysis.fallback(transaction.transactionId(), decision, reasoning);
    }
}
