package com.frauddetection.example.banking;

import com.frauddetection.client.Decision;
import com.frauddetection.client.Transaction;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.EnumType;
import jakarta.persistence.Enumerated;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import jakarta.persistence.Version;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Objects;
import org.hibernate.annotations.JdbcTypeCode;
import org.hibernate.type.SqlTypes;

/** A transaction as the bank keeps it: received first, decided later. The table is in schema.sql. */
@Entity
@Table(name = "bank_transaction")
public class StoredTransaction {

    /** What became of it. */
    public enum Status {
        /** Stored, and not decided yet. */
        RECEIVED,
        APPROVED,
        IN_REVIEW,
        DECLINED;

        static Status of(Decision decision) {
            return switch (decision) {
                case APPROVE -> APPROVED;
                case REVIEW -> IN_REVIEW;
                case DECLINE -> DECLINED;
            };
        }
    }

    @Id
    private String transactionId;

    /** Null until it is stored; by it JPA knows a new one. */
    @Version
    private Integer version;

    @Column(precision = 19, scale = 4)
    private BigDecimal amount;

    private String merchant;
    private String location;
    private Instant occurredAt;
    private String customerId;
    private String merchantCategory;
    private String channel;
    private String currency;
    private Double latitude;
    private Double longitude;

    @Enumerated(EnumType.STRING)
    @JdbcTypeCode(SqlTypes.VARCHAR)
    private Status status;

    private Integer riskScore;
    private String redFlags;
    private String reasoning;
    private String modelVersion;
    private Instant receivedAt;
    private Instant decidedAt;

    protected StoredTransaction() {}

    StoredTransaction(Transaction transaction, Instant receivedAt) {
        transactionId = transaction.transactionId();
        amount = transaction.amount();
        merchant = transaction.merchant();
        location = transaction.location();
        occurredAt = transaction.timestamp().truncatedTo(ChronoUnit.MILLIS);
        customerId = transaction.userId();
        merchantCategory = transaction.merchantCategory();
        channel = transaction.channel();
        currency = transaction.currency();
        latitude = transaction.latitude();
        longitude = transaction.longitude();
        status = Status.RECEIVED;
        this.receivedAt = receivedAt;
    }

    /** Whether this is the stored form of the same transaction. */
    boolean hasContentOf(Transaction other) {
        return amount.compareTo(other.amount()) == 0
                && merchant.equals(other.merchant())
                && location.equals(other.location())
                && occurredAt.equals(other.timestamp().truncatedTo(ChronoUnit.MILLIS))
                && Objects.equals(customerId, other.userId())
                && Objects.equals(merchantCategory, other.merchantCategory())
                && Objects.equals(channel, other.channel())
                && Objects.equals(currency, other.currency())
                && Objects.equals(latitude, other.latitude())
                && Objects.equals(longitude, other.longitude());
    }

    boolean decided() {
        return status != Status.RECEIVED;
    }

    public String getTransactionId() {
        return transactionId;
    }

    public BigDecimal getAmount() {
        return amount;
    }

    public String getMerchant() {
        return merchant;
    }

    public Status getStatus() {
        return status;
    }

    public Integer getRiskScore() {
        return riskScore;
    }

    public List<String> getRedFlags() {
        return redFlags == null || redFlags.isEmpty() ? List.of() : List.of(redFlags.split(","));
    }

    public String getReasoning() {
        return reasoning;
    }

    public String getModelVersion() {
        return modelVersion;
    }

    public Instant getReceivedAt() {
        return receivedAt;
    }

    public Instant getDecidedAt() {
        return decidedAt;
    }
}
