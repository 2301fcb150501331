package com.frauddetection.example.banking;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.frauddetection.client.testing.Stub;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.client.TestRestTemplate;
import org.springframework.http.ResponseEntity;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** A fraud service that fails: the policy decides by amount, or the caller is asked to come again. */
@SpringBootTest(
        webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT,
        properties = {
            "ml.service.retry.max-attempts=1",
            "ml.service.breaker.enabled=false",
            "ml.service.fallback.by-amount[0].below=50",
            "ml.service.fallback.by-amount[0].policy=approve",
            "ml.service.fallback.by-amount[1].below=1000",
            "ml.service.fallback.by-amount[1].policy=review",
            "ml.service.fallback.policy=throw"
        })
class WithoutFraudServiceTest {

    private static final Stub FRAUD = new Stub(Stub.problem(503, "overloaded", "Retry-After: 7"));

    @Autowired
    private TestRestTemplate rest;

    @DynamicPropertySource
    static void settings(DynamicPropertyRegistry settings) {
        settings.add("ML_SERVICE_URL", FRAUD::url);
    }

    @AfterAll
    static void stop() {
        FRAUD.close();
    }

    private ResponseEntity<JsonNode> analyze(String id, String amount) {
        Map<String, String> transaction = Map.of(
                "transactionId", id, "amount", amount, "merchant", "M", "location", "L", "timestamp", "2026-04-23T10:15:30Z");
        return rest.postForEntity("/api/v1/fraud/analyze", transaction, JsonNode.class);
    }

    @Test
    void thePolicyDecidesByAmountAndTheAnswerSaysSo() {
        JsonNode small = analyze("small", "49.99").getBody();
        assertThat(small.path("status").asText()).isEqualTo("APPROVED");
        assertThat(small.path("decidedBy").asText()).isEqualTo("FALLBACK");
        assertThat(analyze("middle", "999").getBody().path("status").asText()).isEqualTo("IN_REVIEW");
    }

    @Test
    void whatNobodyDecidedMayComeAgainAndIsThenDecided() {
        String id = "large-" + UUID.randomUUID();
        ResponseEntity<JsonNode> refused = analyze(id, "5000");
        assertThat(refused.getStatusCode().value()).isEqualTo(503);
        assertThat(refused.getHeaders().getFirst("Retry-After")).isEqualTo("7");
        FRAUD.then(Stub.approve());
        assertThat(analyze(id, "5000").getBody().path("status").asText()).isEqualTo("APPROVED");
        FRAUD.then(Stub.problem(401, "unauthorized"));
        assertThat(analyze(id + "x", "10").getStatusCode().value()).isEqualTo(502);
        FRAUD.then(Stub.problem(503, "overloaded", "Retry-After: 7"));
    }
}
