package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * Why the service refused a request (RFC 9457, {@code application/problem+json}).
 *
 * @param type {@code urn:problem-type:fraud-detection:} and the code
 * @param title what the code means
 * @param status the HTTP status
 * @param detail a sentence on this occurrence; it never repeats a rejected value
 * @param code a stable code for programs; codes may be added
 * @param requestId the service's log knows the request by it
 * @param errors every broken rule; empty where the fault is another
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_EMPTY)
public record Problem(
        @JsonProperty(value = "type", required = true) String type,
        @JsonProperty(value = "title", required = true) String title,
        @JsonProperty(value = "status", required = true) int status,
        @JsonProperty(value = "detail", required = true) String detail,
        @JsonProperty(value = "code", required = true) String code,
        @JsonProperty(value = "request_id", required = true) String requestId,
        @JsonProperty("errors") List<FieldFault> errors) {

    public Problem {
        errors = errors == null ? List.of() : List.copyOf(errors);
    }
}
