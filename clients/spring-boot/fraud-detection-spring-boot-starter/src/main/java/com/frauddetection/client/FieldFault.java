package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * One broken rule.
 *
 * @param field the field as it is named in JSON; {@code body} for the whole body
 * @param problem what the field must be; never the rejected value
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record FieldFault(
        @JsonProperty(value = "field", required = true) String field,
        @JsonProperty(value = "problem", required = true) String problem) {}
