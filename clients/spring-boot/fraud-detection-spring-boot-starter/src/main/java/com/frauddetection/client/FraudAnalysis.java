package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import java.util.List;
import java.util.Objects;

/**
 * The decision on a transaction: the service's, or the fallback policy's where the service gave none.
 *
 * @param transactionId the transaction's own id
 * @param isFraud true exactly when {@code decision} is {@link Decision#DECLINE}
 * @param riskScore 0 to 100: 50 and above is reviewed, 80 and above declined; of a fallback, the lowest score with its
 *     decision
 * @param fraudProbability the model's own output, 0 to 1; null of a fallback
 * @param decision what to do
 * @param redFlags stable codes, most important first; codes may be added
 * @param reasoning one sentence for a fraud analyst
 * @param modelVersion the version of the model that scored; {@value #FALLBACK} of a fallback
 * @param history how much of the user's history was known
 * @param replayed true when this is the remembered answer to an earlier request
 * @param fallback true when the service gave no decision and the fallback policy decided
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record FraudAnalysis(
        @JsonProperty(value = "transaction_id", required = true) String transactionId,
        @JsonProperty(value = "is_fraud", required = true) boolean isFraud,
        @JsonProperty(value = "risk_score", required = true) int riskScore,
        @JsonProperty(value = "fraud_probability", required = true) Double fraudProbability,
        @JsonProperty(value = "decision", required = true) Decision decision,
        @JsonProperty(value = "red_flags", required = true) List<String> redFlags,
        @JsonProperty(value = "reasoning", required = true) String reasoning,
        @JsonProperty(value = "model_version", required = true) String modelVersion,
        @JsonProperty(value = "history", required = true) HistoryStatus history,
        // Absent is false, also for mappers that take no null for a primitive, as the client's own.
        @JsonProperty("replayed") @JsonSetter(nulls = Nulls.AS_EMPTY) boolean replayed,
        @JsonProperty("fallback") @JsonSetter(nulls = Nulls.AS_EMPTY) boolean fallback) {

    /** Stands where a model's version would, and is the red flag of a fallback that does not approve. */
    public static final String FALLBACK = "FALLBACK";

    public FraudAnalysis {
        Objects.requireNonNull(transactionId, "transactionId");
        Objects.requireNonNull(decision, "decision");
        redFlags = List.copyOf(redFlags);
        Objects.requireNonNull(reasoning, "reasoning");
        Objects.requireNonNull(modelVersion, "modelVersion");
        Objects.requireNonNull(history, "history");
        if (isFraud != (decision == Decision.DECLINE)) {
            throw new IllegalArgumentException("isFraud contradicts the decision");
        }
    }

    /** What is decided on a transaction that the service could not be asked about. */
    public static FraudAnalysis fallback(String transactionId, Decision decision, String reasoning) {
        return new FraudAnalysis(
                transactionId,
                decision == Decision.DECLINE,
                decision.lowestRiskScore(),
                null,
                decision,
                decision == Decision.APPROVE ? List.of() : List.of(FALLBACK),
                reasoning,
                FALLBACK,
                HistoryStatus.UNAVAILABLE,
                false,
                true);
    }

    /** The same, known to be the remembered answer to an earlier request. */
    public FraudAnalysis asReplayed() {
        return new FraudAnalysis(
                transactionId,
                isFraud,
                riskScore,
                fraudProbability,
                decision,
                redFlags,
                reasoning,
                modelVersion,
                history,
                true,
                fallback);
    }
}
