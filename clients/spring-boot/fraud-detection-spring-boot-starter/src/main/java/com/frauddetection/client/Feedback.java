package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.time.Instant;
import java.util.Objects;

/**
 * What a transaction turned out to be, often weeks later. The service forgets decisions after a day or so: with
 * {@link #of(Transaction, boolean)} and {@link #decidedAs(FraudAnalysis)} it need not remember this one.
 *
 * @param transactionId the transaction's id
 * @param isFraud whether it was a fraud
 * @param labelledAt when that became known; null for now
 * @param userId as in the transaction; may be null
 * @param merchant as in the transaction; may be null
 * @param timestamp as in the transaction; may be null
 * @param decision what had been decided; may be null
 * @param modelVersion by which model; may be null
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Feedback(
        @JsonProperty("transaction_id") String transactionId,
        @JsonProperty("is_fraud") boolean isFraud,
        @JsonProperty("labelled_at") @JsonFormat(shape = JsonFormat.Shape.STRING) Instant labelledAt,
        @JsonProperty("user_id") String userId,
        @JsonProperty("merchant") String merchant,
        @JsonProperty("timestamp") @JsonFormat(shape = JsonFormat.Shape.STRING) Instant timestamp,
        @JsonProperty("decision") Decision decision,
        @JsonProperty("model_version") String modelVersion) {

    public Feedback {
        Objects.requireNonNull(transactionId, "transactionId");
    }

    /** On a transaction that the service still remembers. */
    public static Feedback of(String transactionId, boolean isFraud) {
        return new Feedback(transactionId, isFraud, null, null, null, null, null, null);
    }

    /** On a transaction of any age. */
    public static Feedback of(Transaction transaction, boolean isFraud) {
        return new Feedback(
                transaction.transactionId(),
                isFraud,
                null,
                transaction.userId(),
                transaction.merchant(),
                transaction.timestamp(),
                null,
                null);
    }

    /** The same, known since then. */
    public Feedback labelledAt(Instant instant) {
        return new Feedback(transactionId, isFraud, instant, userId, merchant, timestamp, decision, modelVersion);
    }

    /** The same, with what the service had decided. A fallback is no decision of the service and adds nothing. */
    public Feedback decidedAs(FraudAnalysis analysis) {
        if (analysis.fallback()) {
            return this;
        }
        return new Feedback(
                transactionId, isFraud, labelledAt, userId, merchant, timestamp, analysis.decision(), analysis.modelVersion());
    }

    /** The id alone, as for {@link Transaction#toString()}. */
    @Override
    public String toString() {
        return "Feedback[" + transactionId + "]";
    }
}
