package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * What became of one feedback.
 *
 * @param transactionId the transaction's id
 * @param result what it changed: {@code recorded}, {@code corrected}, or {@code unchanged} (which a repetition by the
 *     client itself may bring about); null where it was not taken
 * @param error why it was not taken; null where it was
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_NULL)
public record FeedbackResult(
        @JsonProperty("transaction_id") String transactionId,
        @JsonProperty("result") String result,
        @JsonProperty("error") ItemError error) {

    /** Whether the service took it. */
    public boolean accepted() {
        return error == null;
    }
}
