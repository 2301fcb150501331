package com.frauddetection.client.http;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import com.frauddetection.client.InvalidTransactionException;
import com.frauddetection.client.MLServiceException;
import com.frauddetection.client.MLServiceRejectedException;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.MLServiceUnavailableException.Reason;
import com.frauddetection.client.Problem;
import com.frauddetection.client.TransactionIdReusedException;
import com.frauddetection.client.UnauthorizedException;
import com.frauddetection.client.UnknownTransactionException;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import org.springframework.http.HttpHeaders;

/** JSON both ways, and what a status means. The mapper is the client's own: nobody else's is read or changed. */
final class Answers {

    static final ObjectMapper JSON = JsonMapper.builder()
            .addModule(new JavaTimeModule())
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.READ_UNKNOWN_ENUM_VALUES_USING_DEFAULT_VALUE)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private Answers() {}

    static byte[] write(Object value) {
        try {
            return JSON.writeValueAsBytes(value);
        } catch (JacksonException e) {
            throw new IllegalArgumentException("cannot be written as JSON", e);
        }
    }

    /** @throws MLServiceUnavailableException the body is not what the service answers with */
    static <T> T read(byte[] body, Class<T> type) {
        try {
            T value = JSON.readValue(body, type);
            if (value != null) {
                return value;
            }
        } catch (IOException e) {
            throw unreadable("the answer is no " + type.getSimpleName(), e);
        }
        throw unreadable("the answer is null", null);
    }

    static MLServiceUnavailableException unreadable(String message, Throwable cause) {
        return new MLServiceUnavailableException(Reason.UNREADABLE_ANSWER, message, null, null, cause);
    }

    /** The exception that an answer other than 2xx means. */
    static MLServiceException failure(Answer answer, Instant now) {
        int status = answer.status();
        Problem problem = problem(answer);
        Reason passing = passing(status);
        if (passing != null) {
            String message = "the service answers " + status
                    + (problem == null ? "" : " " + problem.code() + " (request " + problem.requestId() + ")");
            Duration retryAfter = retryAfter(answer.headers().getFirst(HttpHeaders.RETRY_AFTER), now);
            return new MLServiceUnavailableException(passing, message, problem, retryAfter, null);
        }
        if (status == 401 || status == 403) {
            return new UnauthorizedException(status, problem);
        }
        if (problem == null) {
            // A redirect, or an error page of something in between: the request may be fine.
            return status >= 400
                    ? new MLServiceRejectedException(status, null)
                    : unreadable("the service answers " + status, null);
        }
        return switch (problem.code()) {
            case "invalid_transaction", "invalid_batch", "invalid_feedback" ->
                new InvalidTransactionException(status, problem);
            case "transaction_id_reused" -> new TransactionIdReusedException(status, problem);
            case "unknown_transaction" -> new UnknownTransactionException(status, problem);
            default -> new MLServiceRejectedException(status, problem);
        };
    }

    /** Why a request with this answer may succeed later; null where it cannot. */
    private static Reason passing(int status) {
        return switch (status) {
            case 429, 503 -> Reason.OVERLOADED;
            case 408, 504 -> Reason.SERVICE_TIMEOUT;
            default -> status >= 500 ? Reason.SERVICE_FAULT : null;
        };
    }

    private static Problem problem(Answer answer) {
        try {
            return JSON.readValue(answer.body(), Problem.class);
        } catch (IOException e) {
            // An error page of something in between: the status has to do.
            return null;
        }
    }

    /** Seconds, or a date (RFC 9110); null where it is neither. */
    static Duration retryAfter(String value, Instant now) {
        if (value == null) {
            return null;
        }
        try {
            if (value.strip().chars().allMatch(Character::isDigit)) {
                return Duration.ofSeconds(Long.parseLong(value.strip()));
            }
            Instant at = ZonedDateTime.parse(value.strip(), DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            return at.isAfter(now) ? Duration.between(now, at) : Duration.ZERO;
        } catch (NumberFormatException | DateTimeException e) {
            return null;
        }
    }
}
