package com.frauddetection.example.banking;

import static org.assertj.core.api.Assertions.assertThat;

import com.frauddetection.client.FallbackPolicy;
import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.autoconfigure.MLServiceAutoConfiguration;
import java.math.BigDecimal;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.ConfigDataApplicationContextInitializer;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

/** The settings of each profile, as the application would read them. */
class ProfilesTest {

    private static ApplicationContextRunner profile(String name) {
        return new ApplicationContextRunner()
                .withInitializer(new ConfigDataApplicationContextInitializer())
                .withConfiguration(AutoConfigurations.of(MLServiceAutoConfiguration.class))
                .withPropertyValues("spring.profiles.active=" + name);
    }

    @Test
    void devNeedsNothing() {
        new ApplicationContextRunner()
                .withInitializer(new ConfigDataApplicationContextInitializer())
                .withConfiguration(AutoConfigurations.of(MLServiceAutoConfiguration.class))
                .run(context -> {
                    assertThat(context.getEnvironment().getProperty("spring.datasource.url")).startsWith("jdbc:h2:mem");
                    assertThat(context.getBean(MLServiceProperties.class).fallback().policy())
                            .isEqualTo(FallbackPolicy.REVIEW);
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"staging", "prod"})
    void whatIsServedToOthersNeedsAddressAndKeyAndTakesPostgres(String name) {
        profile(name).run(context -> assertThat(context).hasFailed());
        profile(name)
                .withPropertyValues("ML_SERVICE_URL=https://fraud.bank", "ML_SERVICE_API_KEY=k")
                .run(context -> {
                    assertThat(context).hasNotFailed();
                    MLServiceProperties settings = context.getBean(MLServiceProperties.class);
                    assertThat(settings.apiKey()).isEqualTo("k");
                    assertThat(context.getEnvironment().getProperty("spring.datasource.url"))
                            .startsWith("jdbc:postgresql:");
                });
    }

    @Test
    void prodDecidesByAmountWithinThreeSeconds() {
        profile("prod")
                .withPropertyValues("ML_SERVICE_URL=https://fraud.bank", "ML_SERVICE_API_KEY=k")
                .run(context -> {
                    MLServiceProperties settings = context.getBean(MLServiceProperties.class);
                    assertThat(settings.timeout().deadline()).isEqualTo(Duration.ofSeconds(3));
                    assertThat(settings.fallback().policyFor(BigDecimal.TEN)).isEqualTo(FallbackPolicy.APPROVE);
                    assertThat(settings.fallback().policyFor(new BigDecimal(50))).isEqualTo(FallbackPolicy.REVIEW);
                    assertThat(settings.fallback().policyFor(new BigDecimal(1000))).isEqualTo(FallbackPolicy.DECLINE);
                });
    }
}
