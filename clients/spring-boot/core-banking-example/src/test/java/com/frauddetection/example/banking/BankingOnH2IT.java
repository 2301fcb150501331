package com.frauddetection.example.banking;

import static org.assertj.core.api.Assertions.assertThat;

import com.frauddetection.client.testing.FraudService;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** As it starts on a developer's machine: profile dev, database in memory. */
class BankingOnH2IT extends BankingContract {

    private static final FraudService FRAUD = FraudService.start();

    @DynamicPropertySource
    static void settings(DynamicPropertyRegistry settings) {
        settings.add("ML_SERVICE_URL", FRAUD::url);
    }

    @AfterAll
    static void stop() {
        FRAUD.close();
    }

    @Override
    FraudService fraud() {
        return FRAUD;
    }

    @Test
    void theDatabaseIsTheOneMeant(@Autowired DataSource database) throws SQLException {
        try (Connection connection = database.getConnection()) {
            assertThat(connection.getMetaData().getDatabaseProductName()).isEqualTo("H2");
        }
    }
}
