package com.frauddetection.example.banking;

import com.frauddetection.example.banking.StoredTransaction.Status;
import java.time.Instant;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.Modifying;
import org.springframework.data.jpa.repository.Query;
import org.springframework.transaction.annotation.Transactional;

/** The bank's transactions. Each call is a database transaction of its own. */
public interface TransactionRepository extends JpaRepository<StoredTransaction, String> {

    /** Puts the decision down unless there is one already; the first one stays. */
    @Transactional
    @Modifying
    @Query(
            """
            update StoredTransaction t set t.status = :status, t.riskScore = :riskScore, t.redFlags = :redFlags,
                t.reasoning = :reasoning, t.modelVersion = :modelVersion, t.decidedAt = :decidedAt
            where t.transactionId = :transactionId
                and t.status = com.frauddetection.example.banking.StoredTransaction$Status.RECEIVED""")
    int decide(
            String transactionId,
            Status status,
            int riskScore,
            String redFlags,
            String reasoning,
            String modelVersion,
            Instant decidedAt);
}
