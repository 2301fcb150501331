package com.frauddetection.example.banking;

import static org.assertj.core.api.Assertions.assertThat;

import com.frauddetection.client.testing.FraudService;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.test.context.ActiveProfiles;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** With the profile that staging and prod bring along, on a real PostgreSQL. */
@ActiveProfiles({"dev", "postgres"})
class BankingOnPostgresIT extends BankingContract {

    private static final FraudService FRAUD = FraudService.start();
    private static final EmbeddedPostgres POSTGRES = postgres();

    private static EmbeddedPostgres postgres() {
        try {
            return EmbeddedPostgres.builder().start();
        } catch (IOException e) {
            FRAUD.close();
            throw new UncheckedIOException(e);
        }
    }

    @DynamicPropertySource
    static void settings(DynamicPropertyRegistry settings) {
        settings.add("ML_SERVICE_URL", FRAUD::url);
        settings.add("DATABASE_URL", () -> POSTGRES.getJdbcUrl("postgres", "postgres"));
        settings.add("DATABASE_USER", () -> "postgres");
    }

    @AfterAll
    static void stop() throws IOException {
        FRAUD.close();
        POSTGRES.close();
    }

    @Override
    FraudService fraud() {
        return FRAUD;
    }

    @Test
    void theDatabaseIsTheOneMeant(@Autowired DataSource database) throws SQLException {
        try (Connection connection = database.getConnection()) {
            assertThat(connection.getMetaData().getDatabaseProductName()).isEqualTo("PostgreSQL");
        }
    }
}
