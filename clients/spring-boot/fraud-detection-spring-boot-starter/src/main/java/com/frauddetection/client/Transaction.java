package com.frauddetection.client;

import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Objects;

/**
 * A card transaction, as {@code POST /predict} takes it. The service checks the rules in full and lists every broken one;
 * here only presence is checked.
 *
 * @param transactionId the idempotency key: 1 to 128 visible ASCII characters
 * @param amount 0 to 1e12, kept by the service to four places
 * @param merchant who is paid, 1 to 256 characters
 * @param location free text, {@code City, CC}, or {@code lat,long}; 1 to 256 characters
 * @param timestamp when it happened, at most 24 hours ahead
 * @param userId the customer, card or account whose history is used, up to 128 characters; may be null
 * @param merchantCategory what the merchant sells, up to 64 characters; may be null
 * @param channel how the transaction came about, up to 64 characters; may be null
 * @param currency three letters; may be null
 * @param latitude degrees north, only with {@code longitude}; may be null
 * @param longitude degrees east, only with {@code latitude}; may be null
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Transaction(
        @JsonProperty("transaction_id") String transactionId,
        @JsonProperty("amount") BigDecimal amount,
        @JsonProperty("merchant") String merchant,
        @JsonProperty("location") String location,
        // As text whatever the mapper: the service reads all of Jackson's forms, but this one says what it means.
        @JsonProperty("timestamp") @JsonFormat(shape = JsonFormat.Shape.STRING) Instant timestamp,
        @JsonProperty("user_id") String userId,
        @JsonProperty("merchant_category") String merchantCategory,
        @JsonProperty("channel") String channel,
        @JsonProperty("currency") String currency,
        @JsonProperty("latitude") Double latitude,
        @JsonProperty("longitude") Double longitude) {

    public Transaction {
        Objects.requireNonNull(transactionId, "transactionId");
        Objects.requireNonNull(amount, "amount");
        Objects.requireNonNull(merchant, "merchant");
        Objects.requireNonNull(location, "location");
        Objects.requireNonNull(timestamp, "timestamp");
    }

    /** A transaction with this id; amount, merchant, location and timestamp must follow. */
    public static Builder builder(String transactionId) {
        return new Builder(transactionId);
    }

    /** The id alone: the rest may be a card number, and texts like this end in logs. */
    @Override
    public String toString() {
        return "Transaction[" + transactionId + "]";
    }

    /** Collects the parts of a transaction by name. */
    public static final class Builder {
        private final String transactionId;
        private BigDecimal amount;
        private String merchant;
        private String location;
        private Instant timestamp;
        private String userId;
        private String merchantCategory;
        private String channel;
        private String currency;
        private Double latitude;
        private Double longitude;

        private Builder(String transactionId) {
            this.transactionId = transactionId;
        }

        public Builder amount(BigDecimal value) {
            amount = value;
            return this;
        }

        /** From text, such as {@code "129.90"}. */
        public Builder amount(String value) {
            return amount(new BigDecimal(value));
        }

        public Builder merchant(String value) {
            merchant = value;
            return this;
        }

        public Builder location(String value) {
            location = value;
            return this;
        }

        public Builder timestamp(Instant value) {
            timestamp = value;
            return this;
        }

        public Builder timestamp(OffsetDateTime value) {
            return timestamp(value.toInstant());
        }

        public Builder timestamp(ZonedDateTime value) {
            return timestamp(value.toInstant());
        }

        /** A local time means nothing without its zone: the service would read it in its own. */
        public Builder timestamp(LocalDateTime value, ZoneId zone) {
            return timestamp(value.atZone(zone));
        }

        public Builder userId(String value) {
            userId = value;
            return this;
        }

        public Builder merchantCategory(String value) {
            merchantCategory = value;
            return this;
        }

        public Builder channel(String value) {
            channel = value;
            return this;
        }

        public Builder currency(String value) {
            currency = value;
            return this;
        }

        /** Where it took place, in degrees north and east. */
        public Builder coordinates(double north, double east) {
            latitude = north;
            longitude = east;
            return this;
        }

        public Transaction build() {
            return new Transaction(
                    transactionId,
                    amount,
                    merchant,
                    location,
                    timestamp,
                    userId,
                    merchantCategory,
                    channel,
                    currency,
                    latitude,
                    longitude);
        }
    }
}
