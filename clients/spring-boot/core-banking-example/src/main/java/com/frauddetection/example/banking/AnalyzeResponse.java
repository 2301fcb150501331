package com.frauddetection.example.banking;

import com.frauddetection.example.banking.StoredTransaction.Status;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;

/**
 * The bank's own record and the fraud decision, in one.
 *
 * @param decidedBy the model's version, or {@code FALLBACK} where the fraud service could not be asked
 */
public record AnalyzeResponse(
        String transactionId,
        Status status,
        BigDecimal amount,
        String merchant,
        int riskScore,
        List<String> redFlags,
        String reasoning,
        String decidedBy,
        Instant receivedAt,
        Instant decidedAt) {

    static AnalyzeResponse of(StoredTransaction stored) {
        return new AnalyzeResponse(
                stored.getTransactionId(),
                stored.getStatus(),
                stored.getAmount(),
                stored.getMerchant(),
                stored.getRiskScore(),
                stored.getRedFlags(),
                stored.getReasoning(),
                stored.getModelVersion(),
                stored.getReceivedAt(),
                stored.getDecidedAt());
    }
}
