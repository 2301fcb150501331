package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Map;

/**
 * Whether the service can score.
 *
 * @param status {@code healthy} or {@code unhealthy}
 * @param service the service's name
 * @param version the service's version
 * @param modelVersion the live model's version; null while none is loaded
 * @param uptimeSeconds whole seconds since the process started
 * @param checks each part's own state: {@code ok}, or a word that says what is wrong with it
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record Health(
        @JsonProperty(value = "status", required = true) String status,
        @JsonProperty(value = "service", required = true) String service,
        @JsonProperty(value = "version", required = true) String version,
        @JsonProperty(value = "model_version", required = true) String modelVersion,
        @JsonProperty(value = "uptime_seconds", required = true) long uptimeSeconds,
        @JsonProperty(value = "checks", required = true) Map<String, String> checks) {

    public Health {
        checks = Map.copyOf(checks);
    }

    public boolean healthy() {
        return "healthy".equals(status);
    }
}
