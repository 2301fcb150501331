package com.frauddetection.client.testing;

import com.frauddetection.client.MLServiceClient;
import com.frauddetection.client.Transaction;
import com.frauddetection.client.autoconfigure.MLServiceAutoConfiguration;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.net.URI;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.core.env.MapPropertySource;

/** A client as the starter makes it out of settings, with its metrics. */
public final class TestClient implements AutoCloseable {

    private final AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();

    /** @param settings names below {@code ml.service.} and their values, in turn */
    public TestClient(URI url, String... settings) {
        Map<String, Object> properties = new HashMap<>(Map.of("ml.service.url", url.toString()));
        for (int i = 0; i < settings.length; i += 2) {
            properties.put("ml.service." + settings[i], settings[i + 1]);
        }
        context.getEnvironment().getPropertySources().addFirst(new MapPropertySource("test", properties));
        context.registerBean(MeterRegistry.class, SimpleMeterRegistry::new);
        context.register(MLServiceAutoConfiguration.class);
        context.refresh();
    }

    public MLServiceClient client() {
        return context.getBean(MLServiceClient.class);
    }

    public MeterRegistry meters() {
        return context.getBean(MeterRegistry.class);
    }

    /** How many calls ended so: {@code success}, {@code fallback}, {@code rejected}, {@code unavailable}. */
    public long calls(String outcome) {
        return timed("ml.service.call", outcome);
    }

    /** How many attempts ended so: {@code success}, {@code rejected}, or a reason. */
    public long attempts(String outcome) {
        return timed("ml.service.attempt", outcome);
    }

    /** Whether the circuit breaker is in this state, as its metric says. */
    public boolean breakerIs(String state) {
        Gauge gauge = meters().get("resilience4j.circuitbreaker.state").tags("name", "ml-service", "state", state).gauge();
        return gauge.value() == 1.0;
    }

    private long timed(String name, String outcome) {
        return meters().find(name).tag("outcome", outcome).timers().stream().mapToLong(Timer::count).sum();
    }

    /** A transaction with nothing remarkable and an id of its own. */
    public static Transaction.Builder transaction() {
        return Transaction.builder("java-" + UUID.randomUUID())
                .amount("12.50")
                .merchant("Corner shop")
                .location("Berlin, DE")
                .timestamp(Instant.parse("2026-04-23T10:15:30.120Z"));
    }

    @Override
    public void close() {
        context.close();
    }
}
