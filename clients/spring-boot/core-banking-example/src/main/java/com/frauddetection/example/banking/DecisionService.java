package com.frauddetection.example.banking;

import com.frauddetection.client.FraudAnalysis;
import com.frauddetection.client.MLServiceClient;
import com.frauddetection.client.Transaction;
import com.frauddetection.example.banking.StoredTransaction.Status;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.stereotype.Service;

/**
 * Stores, asks, stores. No database transaction is open while the fraud service is asked: a slow answer must not hold a
 * connection of the database. What that leaves undone by a crash, the next request with the same id finishes.
 */
@Service
class DecisionService {

    private final TransactionRepository transactions;
    private final MLServiceClient fraud;
    private final Clock clock = Clock.systemUTC();

    DecisionService(TransactionRepository transactions, MLServiceClient fraud) {
        this.transactions = transactions;
        this.fraud = fraud;
    }

    /** @throws TransactionReusedException another transaction has this id */
    StoredTransaction decide(Transaction transaction) {
        StoredTransaction stored = stored(transaction);
        if (!stored.hasContentOf(transaction)) {
            throw new TransactionReusedException();
        }
        if (stored.decided()) {
            return stored;
        }
        FraudAnalysis analysis = fraud.analyzeFraud(transaction);
        transactions.decide(
                transaction.transactionId(),
                Status.of(analysis.decision()),
                analysis.riskScore(),
                String.join(",", analysis.redFlags()),
                analysis.reasoning(),
                analysis.modelVersion(),
                now());
        return transactions.findById(transaction.transactionId()).orElseThrow();
    }

    private StoredTransaction stored(Transaction transaction) {
        return transactions.findById(transaction.transactionId()).orElseGet(() -> {
            try {
                return transactions.saveAndFlush(new StoredTransaction(transaction, now()));
            } catch (DataIntegrityViolationException alreadyThere) {
                // Another request with this id was faster.
                return transactions.findById(transaction.transactionId()).orElseThrow(() -> alreadyThere);
            }
        });
    }

    /** As precise as every database keeps it. */
    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.MILLIS);
    }

    /** The bank has another transaction of this id. */
    static final class TransactionReusedException extends RuntimeException {}
}
