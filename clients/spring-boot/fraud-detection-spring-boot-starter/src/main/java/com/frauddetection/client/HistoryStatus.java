package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonEnumDefaultValue;
import com.fasterxml.jackson.annotation.JsonProperty;

/** How much of the user's history was known to a decision. */
public enum HistoryStatus {
    @JsonProperty("full")
    FULL,
    /** The transaction named no user. */
    @JsonProperty("none")
    NONE,
    /** The store of histories did not answer in time. */
    @JsonProperty("unavailable")
    UNAVAILABLE,
    /** A word of a later service. */
    @JsonEnumDefaultValue
    @JsonProperty("unknown")
    UNKNOWN
}
