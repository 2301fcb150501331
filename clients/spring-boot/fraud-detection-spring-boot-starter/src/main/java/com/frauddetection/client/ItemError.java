package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Set;

/**
 * Why one item of many was not done.
 *
 * @param code a stable code, as in {@link Problem}
 * @param detail a sentence on this occurrence
 * @param errors every broken rule; empty where the fault is another
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_EMPTY)
public record ItemError(
        @JsonProperty(value = "code", required = true) String code,
        @JsonProperty(value = "detail", required = true) String detail,
        @JsonProperty("errors") List<FieldFault> errors) {

    private static final Set<String> PASSING = Set.of("overloaded", "not_ready", "deadline_exceeded", "internal");

    public ItemError {
        errors = errors == null ? List.of() : List.copyOf(errors);
    }

    /** Whether the fault is the service's, and the item as it is may succeed later. */
    public boolean passing() {
        return PASSING.contains(code);
    }
}
