package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What to do with a transaction. A value that is not known here makes an answer unreadable: nobody may guess. */
public enum Decision {
    @JsonProperty("approve")
    APPROVE(0),
    @JsonProperty("review")
    REVIEW(50),
    @JsonProperty("decline")
    DECLINE(80);

    private final int lowestRiskScore;

    Decision(int lowestRiskScore) {
        this.lowestRiskScore = lowestRiskScore;
    }

    /** The lowest risk score with this decision; the scale is the same for every model. */
    public int lowestRiskScore() {
        return lowestRiskScore;
    }
}
