package com.frauddetection.client.autoconfigure;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.frauddetection.client.FallbackPolicy;
import com.frauddetection.client.MLServiceClient;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.testing.Stub;
import com.frauddetection.client.testing.TestClient;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.net.URI;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.jackson.JacksonAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

/** What the starter makes out of settings, and what it leaves alone. */
class AutoConfigurationTest {

    private final ApplicationContextRunner runner = new ApplicationContextRunner()
            .withConfiguration(AutoConfigurations.of(MLServiceAutoConfiguration.class, JacksonAutoConfiguration.class))
            .withPropertyValues("ml.service.url=http://127.0.0.1:8000");

    @Test
    void theAddressAloneIsEnough() {
        runner.run(context -> {
            assertThat(context).hasSingleBean(MLServiceClient.class);
            MLServiceProperties settings = context.getBean(MLServiceProperties.class);
            assertThat(settings.url()).isEqualTo(URI.create("http://127.0.0.1:8000"));
            assertThat(settings.timeout().connect()).isEqualTo(Duration.ofSeconds(5));
            assertThat(settings.fallback().policy()).isEqualTo(FallbackPolicy.THROW);
            assertThat(settings.apiKey()).isNull();
        });
    }

    @Test
    void settingsAreReadInEveryCase() {
        runner.withPropertyValues(
                        "ml.service.api-key= k ",
                        "ml.service.fallback.policy=Decline",
                        "ml.service.fallback.by-amount[0].below=10.5",
                        "ml.service.fallback.by-amount[0].policy=APPROVE")
                .run(context -> {
                    MLServiceProperties settings = context.getBean(MLServiceProperties.class);
                    assertThat(settings.apiKey()).isEqualTo("k");
                    assertThat(settings.fallback().policyFor(new BigDecimal("10.49"))).isEqualTo(FallbackPolicy.APPROVE);
                    assertThat(settings.fallback().policyFor(new BigDecimal("10.50"))).isEqualTo(FallbackPolicy.DECLINE);
                    assertThat(settings.toString()).doesNotContain("k,").doesNotContain("apiKey");
                });
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "url=|ml.service.url must be set",
                "url=localhost:8000|ml.service.url must be http",
                "url=ftp://a|ml.service.url must be http",
                "url=http://u:p@a|ml.service.url must be http",
                "url=http://a?x=1|ml.service.url must be http",
                "api-key=two words|ml.service.api-key must be",
                "timeout.connect=0s|ml.service.timeout.connect must be at least",
                "timeout.read=9s|must not exceed ml.service.timeout.deadline",
                "timeout.batch-read=1m|must not exceed ml.service.timeout.batch-deadline",
                "pool.max-connections=0|ml.service.pool.max-connections must be",
                "retry.max-attempts=0|ml.service.retry.max-attempts must be",
                "breaker.minimum-calls=51|ml.service.breaker.minimum-calls must be",
                "breaker.failure-rate=0|ml.service.breaker.failure-rate must be",
                "fallback.policy=shrug|fallback.policy",
                "fallback.by-amount[0].below=5|must have below and policy",
            })
    void aSettingThatMakesNoSenseEndsTheStartAndIsNamed(String setting, String complaint) {
        runner.withPropertyValues("ml.service." + setting).run(context -> {
            assertThat(context).hasFailed();
            assertThat(context.getStartupFailure()).hasStackTraceContaining(complaint);
        });
    }

    @Test
    void amountsMustAscend() {
        runner.withPropertyValues(
                        "ml.service.fallback.by-amount[0].below=5",
                        "ml.service.fallback.by-amount[0].policy=approve",
                        "ml.service.fallback.by-amount[1].below=5.0",
                        "ml.service.fallback.by-amount[1].policy=review")
                .run(context -> assertThat(context.getStartupFailure()).hasStackTraceContaining("must ascend"));
    }

    @Test
    void anApplicationsOwnClientWins() {
        MLServiceClient own = (MLServiceClient) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {MLServiceClient.class}, (proxy, method, arguments) -> null);
        new ApplicationContextRunner()
                .withConfiguration(AutoConfigurations.of(MLServiceAutoConfiguration.class))
                .withBean("own", MLServiceClient.class, () -> own)
                .run(context -> assertThat(context).hasSingleBean(MLServiceClient.class).hasBean("own"));
    }

    @Test
    void theApplicationsMapperStaysAsItWas() {
        record Bean(String someName, boolean isGood) {}
        runner.run(context -> {
            assertThat(context).hasSingleBean(ObjectMapper.class);
            ObjectMapper mapper = context.getBean(ObjectMapper.class);
            assertThat(mapper.getPropertyNamingStrategy()).isNull();
            assertThat(mapper.writeValueAsString(new Bean("a", true))).contains("someName").doesNotContain("some_name");
        });
    }

    @Test
    void metersAndBreakerShowInTheApplicationsOwnRegistries() {
        try (Stub stub = new Stub(Stub.approve())) {
            runner.withPropertyValues("ml.service.url=" + stub.url())
                    .withBean(MeterRegistry.class, SimpleMeterRegistry::new)
                    .withBean(CircuitBreakerRegistry.class, CircuitBreakerRegistry::ofDefaults)
                    .run(context -> {
                        context.getBean(MLServiceClient.class).analyzeFraud(TestClient.transaction().build());
                        MeterRegistry meters = context.getBean(MeterRegistry.class);
                        assertThat(meters.get("ml.service.call")
                                        .tags("operation", "analyze", "outcome", "success")
                                        .timer()
                                        .count())
                                .isEqualTo(1);
                        assertThat(meters.get("httpcomponents.httpclient.pool.total.max").gauge().value()).isEqualTo(64);
                        CircuitBreakerRegistry breakers = context.getBean(CircuitBreakerRegistry.class);
                        assertThat(breakers.find(MLServiceAutoConfiguration.BREAKER)).hasValueSatisfying(breaker -> {
                            assertThat(breaker.getMetrics().getNumberOfSuccessfulCalls()).isEqualTo(1);
                            assertThat(breaker.getCircuitBreakerConfig().getSlidingWindowSize()).isEqualTo(50);
                        });
                    });
        }
    }
}
