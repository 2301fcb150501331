package com.frauddetection.client.autoconfigure;

import com.frauddetection.client.MLServiceClient;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.http.HttpMLServiceClient;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.micrometer.tagged.TaggedCircuitBreakerMetrics;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;

/**
 * Makes an {@link MLServiceClient} out of {@code ml.service.*}, unless the application has its own. Metrics and traces go
 * where the application's go, if it has any; no other bean of it is touched, its ObjectMapper least of all.
 */
@AutoConfiguration(
        afterName = {
            "org.springframework.boot.actuate.autoconfigure.metrics.CompositeMeterRegistryAutoConfiguration",
            "org.springframework.boot.actuate.autoconfigure.observation.ObservationAutoConfiguration",
            "io.github.resilience4j.springboot3.circuitbreaker.autoconfigure.CircuitBreakerAutoConfiguration"
        })
@ConditionalOnMissingBean(MLServiceClient.class)
@EnableConfigurationProperties(MLServiceProperties.class)
public class MLServiceAutoConfiguration {

    /** The circuit breaker's name, in metrics and in an application's own registry. */
    public static final String BREAKER = "ml-service";

    @Bean
    HttpMLServiceClient mlServiceClient(
            MLServiceProperties properties,
            ObjectProvider<MeterRegistry> meters,
            ObjectProvider<ObservationRegistry> observations,
            ObjectProvider<CircuitBreakerRegistry> breakers) {
        MeterRegistry registry = meters.getIfUnique(CompositeMeterRegistry::new);
        return new HttpMLServiceClient(
                properties,
                breaker(properties.breaker(), breakers.getIfUnique(), registry),
                registry,
                observations.getIfUnique(() -> ObservationRegistry.NOOP));
    }

    private static CircuitBreaker breaker(
            MLServiceProperties.Breaker settings, CircuitBreakerRegistry shared, MeterRegistry meters) {
        if (!settings.enabled()) {
            return null;
        }
        CircuitBreakerConfig config = CircuitBreakerConfig.custom()
                .slidingWindowType(SlidingWindowType.COUNT_BASED)
                .slidingWindowSize(settings.window())
                .minimumNumberOfCalls(settings.minimumCalls())
                .failureRateThreshold(settings.failureRate())
                .waitDurationInOpenState(settings.openFor())
                .permittedNumberOfCallsInHalfOpenState(settings.halfOpenCalls())
                .build();
        if (shared != null) {
            // The application's own Resilience4j shows it, in its metrics too.
            return shared.circuitBreaker(BREAKER, config);
        }
        CircuitBreakerRegistry own = CircuitBreakerRegistry.ofDefaults();
        CircuitBreaker breaker = own.circuitBreaker(BREAKER, config);
        TaggedCircuitBreakerMetrics.ofCircuitBreakerRegistry(own).bindTo(meters);
        return breaker;
    }
}
