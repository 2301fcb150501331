package com.frauddetection.client;

import static com.frauddetection.client.testing.TestClient.transaction;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.frauddetection.client.testing.FraudService;
import com.frauddetection.client.testing.TestClient;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Feedback to the real service. */
@Timeout(120)
class FeedbackIT {

    private static FraudService service;
    private static TestClient test;
    private static MLServiceClient client;

    @BeforeAll
    static void start() {
        service = FraudService.start();
        test = new TestClient(service.url());
        client = test.client();
    }

    @AfterAll
    static void stop() {
        test.close();
        service.close();
    }

    @Test
    void whatIsRememberedNeedsItsIdAlone() {
        Transaction transaction = transaction().userId("card-1").build();
        client.analyzeFraud(transaction);
        String id = transaction.transactionId();
        assertThat(client.sendFeedback(Feedback.of(id, true)).result()).isEqualTo("recorded");
        assertThat(client.sendFeedback(Feedback.of(id, true)).result()).isEqualTo("unchanged");
        assertThat(client.sendFeedback(Feedback.of(id, false)).result()).isEqualTo("corrected");
    }

    @Test
    void whatNobodyRemembersIsUnknownUnlessItIsDescribed() {
        Transaction old = transaction().userId("card-2").build();
        UnknownTransactionException unknown = catchThrowableOfType(
                UnknownTransactionException.class, () -> client.sendFeedback(Feedback.of(old.transactionId(), true)));
        assertThat(unknown.problem().code()).isEqualTo("unknown_transaction");

        // Decided by another service, weeks ago: every field goes there.
        FraudAnalysis then = client.analyzeFraud(transaction().build());
        Feedback described = Feedback.of(old, true).labelledAt(Instant.parse("2026-05-07T09:00:00Z")).decidedAs(then);
        FeedbackResult result = client.sendFeedback(described);
        assertThat(result.accepted()).isTrue();
        assertThat(result.transactionId()).isEqualTo(old.transactionId());
        assertThat(result.result()).isEqualTo("recorded");
    }

    @Test
    void aListComesBackInItsOrder() {
        Transaction known = transaction().build();
        client.analyzeFraud(known);
        Feedback unknown = Feedback.of("never-heard-of", true);
        Feedback broken = Feedback.of("", true);
        List<FeedbackResult> results =
                client.sendFeedback(List.of(Feedback.of(known.transactionId(), false), unknown, broken));
        assertThat(results).extracting(FeedbackResult::transactionId)
                .containsExactly(known.transactionId(), "never-heard-of", "");
        assertThat(results).extracting(FeedbackResult::accepted).containsExactly(true, false, false);
        assertThat(results.get(1).error().code()).isEqualTo("unknown_transaction");
        assertThat(results.get(2).error().errors()).extracting(FieldFault::field).containsExactly("transaction_id");
    }

    @Test
    void aBrokenRuleIsNamed() {
        InvalidTransactionException refused = catchThrowableOfType(
                InvalidTransactionException.class, () -> client.sendFeedback(Feedback.of("with space", true)));
        assertThat(refused.problem().code()).isEqualTo("invalid_feedback");
        assertThat(refused.problem().errors()).extracting(FieldFault::field).containsExactly("transaction_id");
    }
}
