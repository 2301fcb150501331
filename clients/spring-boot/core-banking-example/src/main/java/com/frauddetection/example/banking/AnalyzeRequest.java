package com.frauddetection.example.banking;

import com.frauddetection.client.Transaction;
import jakarta.validation.constraints.AssertTrue;
import jakarta.validation.constraints.DecimalMax;
import jakarta.validation.constraints.DecimalMin;
import jakarta.validation.constraints.Digits;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;
import java.math.BigDecimal;
import java.time.OffsetDateTime;

/** A transaction as the bank's own channels send it, in the bank's own JSON (camelCase). */
public record AnalyzeRequest(
        @NotNull @Pattern(regexp = "[!-~]{1,128}", message = "must be 1 to 128 visible ASCII characters")
                String transactionId,
        @NotNull @DecimalMin("0") @DecimalMax("1000000000000") @Digits(integer = 13, fraction = 4) BigDecimal amount,
        @NotBlank @Size(max = 256) String merchant,
        @NotBlank @Size(max = 256) String location,
        @NotNull OffsetDateTime timestamp,
        @Size(max = 128) String customerId,
        @Size(max = 64) String merchantCategory,
        @Size(max = 64) String channel,
        @Pattern(regexp = "[A-Za-z]{3}", message = "must be three letters") String currency,
        @DecimalMin("-90") @DecimalMax("90") Double latitude,
        @DecimalMin("-180") @DecimalMax("180") Double longitude) {

    @AssertTrue(message = "latitude and longitude come together")
    boolean isPlaceWhole() {
        return (latitude == null) == (longitude == null);
    }

    Transaction toTransaction() {
        return new Transaction(
                transactionId,
                amount,
                merchant,
                location,
                timestamp.toInstant(),
                customerId,
                merchantCategory,
                channel,
                currency,
                latitude,
                longitude);
    }
}
