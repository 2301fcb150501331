package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * A batch in numbers.
 *
 * @param count transactions in the batch
 * @param fraud how many of them were declined
 * @param errors how many of them failed
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record BatchSummary(
        @JsonProperty(value = "count", required = true) int count,
        @JsonProperty(value = "fraud", required = true) int fraud,
        @JsonProperty(value = "errors", required = true) int errors) {

    /** These results, counted. */
    public static BatchSummary of(List<BatchResult> results) {
        long decided = results.stream().filter(BatchResult::decided).count();
        long fraud = results.stream().filter(BatchResult::decided).filter(result -> result.analysis().isFraud()).count();
        return new BatchSummary(results.size(), (int) fraud, (int) (results.size() - decided));
    }
}
