package com.frauddetection.example.banking;

import com.frauddetection.client.FieldFault;
import com.frauddetection.client.InvalidTransactionException;
import com.frauddetection.client.MLServiceRejectedException;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.TransactionIdReusedException;
import com.frauddetection.example.banking.DecisionService.TransactionReusedException;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.MethodArgumentNotValidException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.context.request.WebRequest;
import org.springframework.web.servlet.mvc.method.annotation.ResponseEntityExceptionHandler;

/** What fails becomes a problem (RFC 9457) that names the field, never the value. */
@RestControllerAdvice
class ErrorAnswers extends ResponseEntityExceptionHandler {

    private static final Logger LOG = LoggerFactory.getLogger(ErrorAnswers.class);

    @Override
    protected ResponseEntity<Object> handleMethodArgumentNotValid(
            MethodArgumentNotValidException invalid, HttpHeaders headers, HttpStatusCode status, WebRequest request) {
        List<FieldFault> faults = invalid.getFieldErrors().stream()
                .map(error -> new FieldFault(error.getField(), error.getDefaultMessage()))
                .toList();
        return ResponseEntity.badRequest().body(problem(HttpStatus.BAD_REQUEST, "The request breaks a rule.", faults));
    }

    /** Only under the fallback policy "throw": the transaction is stored as received, and may be sent again. */
    @ExceptionHandler
    ResponseEntity<ProblemDetail> unavailable(MLServiceUnavailableException failure) {
        LOG.warn("no decision: {}", failure.getMessage());
        long seconds = failure.retryAfter() == null ? 1 : Math.max(1, failure.retryAfter().toSeconds());
        return ResponseEntity.status(HttpStatus.SERVICE_UNAVAILABLE)
                .header(HttpHeaders.RETRY_AFTER, String.valueOf(seconds))
                .body(problem(HttpStatus.SERVICE_UNAVAILABLE, "No decision can be had now. Send it again.", List.of()));
    }

    @ExceptionHandler
    ProblemDetail invalid(InvalidTransactionException refusal) {
        return problem(HttpStatus.UNPROCESSABLE_ENTITY, "The transaction breaks a rule.", refusal.problem().errors());
    }

    @ExceptionHandler({TransactionReusedException.class, TransactionIdReusedException.class})
    ProblemDetail reused() {
        return problem(HttpStatus.CONFLICT, "Another transaction has this id.", List.of());
    }

    /** A wrong key, a wrong address: ours to mend, not the caller's. */
    @ExceptionHandler
    ProblemDetail refused(MLServiceRejectedException refusal) {
        LOG.error("fraud-detection refuses us: {}", refusal.getMessage());
        return problem(HttpStatus.BAD_GATEWAY, "The fraud service refuses the request.", List.of());
    }

    private static ProblemDetail problem(HttpStatus status, String detail, List<FieldFault> faults) {
        ProblemDetail problem = ProblemDetail.forStatusAndDetail(status, detail);
        if (!faults.isEmpty()) {
            problem.setProperty("errors", faults);
        }
        return problem;
    }
}
