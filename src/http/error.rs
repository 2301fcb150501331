//! What went wrong, as callers see it: the only map from faults to statuses.
//!
//! A detail says what the caller can do and never holds a rejected value, a path or a cause of ours; the cause of an
//! internal fault travels beside the answer to the log. `docs/errors.md` documents every row, and a test compares.

use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};

use crate::http::wire::{FieldFault, ItemError, Problem, WireFault};
use crate::scoring::{AssessError, FeedbackError};

/// Every way in which a request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The body is not JSON.
    MalformedJson {
        /// Counted from 1.
        line: usize,
        /// How many bytes of the line were read.
        column: usize,
    },
    /// API keys are configured and the request carries none that fits.
    Unauthorized,
    /// The key lacks this scope.
    Forbidden(&'static str),
    /// No such route.
    NotFound,
    /// The route knows other methods; the header `Allow` lists them.
    MethodNotAllowed,
    /// The body is not `application/json`, or it is encoded.
    UnsupportedMediaType(&'static str),
    /// The body broke off, or its transfer coding is broken.
    BodyBroken,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The same transaction id with other content.
    TransactionIdReused,
    /// The body is longer than this many bytes.
    BodyTooLarge(usize),
    /// A transaction, or a parameter beside it, breaks these rules.
    InvalidTransaction(Vec<FieldFault>),
    /// A batch, or a parameter beside it, breaks these rules.
    InvalidBatch(Vec<FieldFault>),
    /// A label breaks these rules.
    InvalidFeedback(Vec<FieldFault>),
    /// Nobody remembers the transaction that a label is about, and the label does not name its merchant.
    UnknownTransaction,
    /// The store of histories does not answer, with its cause for the log only.
    HistoryUnavailable(String),
    /// Refused at once: this resource is full.
    Overloaded(&'static str),
    /// Still starting.
    NotReady,
    /// Not scored within the deadline.
    DeadlineExceeded,
    /// A fault of ours, with its cause for the log only.
    Internal(String),
}

/// How long a refused caller should wait, in seconds: a queue drains and a process starts within one.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl ApiError {
    /// Status, stable code and title: the one table.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedJson { .. } | Self::BodyBroken => {
                (StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "An API key is needed"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "The API key lacks a scope"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such route"),
            Self::UnknownTransaction => {
                (StatusCode::NOT_FOUND, "unknown_transaction", "The transaction is not remembered")
            }
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The route has no such method")
            }
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be plain JSON")
            }
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout", "The body took too long"),
            Self::TransactionIdReused => {
                (StatusCode::CONFLICT, "transaction_id_reused", "The transaction id was used with other content")
            }
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large"),
            Self::InvalidTransaction(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_transaction", "The transaction breaks a rule")
            }
            Self::InvalidBatch(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_batch", "The batch breaks a rule"),
            Self::InvalidFeedback(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_feedback", "The feedback breaks a rule")
            }
            Self::HistoryUnavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "history_unavailable", "The store of histories does not answer")
            }
            Self::Overloaded(_) => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "The service is overloaded"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The service is starting"),
            Self::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "The deadline has passed"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "A fault of the service"),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().0
    }

    /// The stable code, for programs, metrics and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// The cause of an internal fault, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) | Self::HistoryUnavailable(cause) => Some(cause),
            _ => None,
        }
    }

    /// A sentence on this occurrence.
    fn detail(&self) -> String {
        match self {
            Self::MalformedJson { line, column } => {
                format!("The body stops being JSON at line {line}, column {column}.")
            }
            Self::Unauthorized => "Send a known key as Authorization: Bearer KEY, or as X-Api-Key.".into(),
            Self::Forbidden(scope) => format!("The key is known but lacks the scope {scope}."),
            Self::NotFound => "The routes are listed in openapi.json.".into(),
            Self::MethodNotAllowed => "The Allow header lists the methods of this route.".into(),
            Self::UnsupportedMediaType(reason) => (*reason).into(),
            Self::BodyBroken => "The body broke off before its end.".into(),
            Self::BodyTimeout => "The whole body must arrive within the time limit. The connection is closed.".into(),
            Self::TransactionIdReused => {
                "A decision on this transaction_id exists for other content. Send a new id for a new transaction."
                    .into()
            }
            Self::BodyTooLarge(limit) => format!("This route takes at most {limit} bytes."),
            Self::UnknownTransaction => {
                "Nobody remembers this transaction_id any more. Send merchant, and user_id where it had one, with it."
                    .into()
            }
            Self::HistoryUnavailable(_) => {
                "The labels could not be recorded. Repeating them all is safe, after the time in Retry-After.".into()
            }
            Self::InvalidTransaction(errors) | Self::InvalidBatch(errors) | Self::InvalidFeedback(errors) => {
                let broken = if errors.len() == 1 { "rule is" } else { "rules are" };
                format!("{} {broken} broken; see errors.", errors.len())
            }
            Self::Overloaded(resource) => {
                format!("The {resource} is full. Nothing was done; try again after the time in Retry-After.")
            }
            Self::NotReady => "No model is loaded yet. Try again after the time in Retry-After.".into(),
            Self::DeadlineExceeded => "No decision was made in time. Repeating the request is safe.".into(),
            Self::Internal(_) => "The cause is in the service's log, under this request_id. Repeating is safe.".into(),
        }
    }

    fn errors(&self) -> &[FieldFault] {
        match self {
            Self::InvalidTransaction(errors) | Self::InvalidBatch(errors) | Self::InvalidFeedback(errors) => errors,
            _ => &[],
        }
    }

    /// The error in the place of one item of a batch.
    #[must_use]
    pub fn item(&self) -> ItemError {
        ItemError { code: self.code(), detail: self.detail(), errors: self.errors().to_vec() }
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self, request_id: &str) -> Problem {
        let (status, code, title) = self.row();
        Problem {
            r#type: format!("urn:problem-type:fraud-detection:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
            code,
            request_id: request_id.to_owned(),
            errors: self.errors().to_vec(),
        }
    }

    /// What the headers say beside the body.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Overloaded(_) | Self::NotReady | Self::HistoryUnavailable(_) => {
                Some((RETRY_AFTER, RETRY_AFTER_SECONDS))
            }
            Self::Unauthorized => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"fraud-detection\"")))
            }
            // What is left of the body may never come, or not end soon.
            Self::BodyBroken | Self::BodyTimeout | Self::BodyTooLarge(_) => {
                Some((CONNECTION, HeaderValue::from_static("close")))
            }
            _ => None,
        }
    }

    /// Makes `response` the whole answer, told under this request id. Headers that it already has (`Allow`) stay.
    pub fn tell(&self, response: &mut Response, request_id: &str) {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        *response.body_mut() = body.into();
    }

    /// The error of a body that was not read; `invalid` says what it was to be.
    #[must_use]
    pub fn of_wire(fault: WireFault, invalid: fn(Vec<FieldFault>) -> Self) -> Self {
        match fault {
            WireFault::MalformedJson { line, column } => Self::MalformedJson { line, column },
            WireFault::Invalid(faults) => invalid(faults),
        }
    }
}

impl From<AssessError> for ApiError {
    fn from(error: AssessError) -> Self {
        match error {
            AssessError::Overloaded => Self::Overloaded("scoring queue"),
            AssessError::NotReady => Self::NotReady,
            AssessError::DeadlineExceeded => Self::DeadlineExceeded,
            AssessError::TransactionIdReused => Self::TransactionIdReused,
            AssessError::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<FeedbackError> for ApiError {
    fn from(error: FeedbackError) -> Self {
        match error {
            FeedbackError::UnknownTransaction => Self::UnknownTransaction,
            FeedbackError::HistoryUnavailable(cause) => Self::HistoryUnavailable(cause),
            FeedbackError::DeadlineExceeded => Self::DeadlineExceeded,
        }
    }
}

impl IntoResponse for ApiError {
    /// The status alone; the error rides along, and the outermost layer, which knows the request id, gives the answer
    /// its body and the log its cause.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each, in the order of the documentation.
    fn every_error() -> Vec<ApiError> {
        let faults = vec![FieldFault { field: "amount", problem: "is required" }];
        let all = vec![
            ApiError::MalformedJson { line: 1, column: 7 },
            ApiError::Unauthorized,
            ApiError::Forbidden("score"),
            ApiError::NotFound,
            ApiError::UnknownTransaction,
            ApiError::MethodNotAllowed,
            ApiError::BodyTimeout,
            ApiError::TransactionIdReused,
            ApiError::BodyTooLarge(16_384),
            ApiError::UnsupportedMediaType("Content-Type must be application/json."),
            ApiError::InvalidTransaction(faults.clone()),
            ApiError::InvalidBatch(faults.clone()),
            ApiError::InvalidFeedback(faults),
            ApiError::Internal("the cause".to_owned()),
            ApiError::Overloaded("queue"),
            ApiError::NotReady,
            ApiError::HistoryUnavailable("the cause".to_owned()),
            ApiError::DeadlineExceeded,
        ];
        // A new variant fails to compile here until the list above, which the tests walk, has it.
        let place = |error: &ApiError| match error {
            // One row for both.
            ApiError::MalformedJson { .. } | ApiError::BodyBroken => 0,
            ApiError::Unauthorized => 1,
            ApiError::Forbidden(_) => 2,
            ApiError::NotFound => 3,
            ApiError::UnknownTransaction => 4,
            ApiError::MethodNotAllowed => 5,
            ApiError::BodyTimeout => 6,
            ApiError::TransactionIdReused => 7,
            ApiError::BodyTooLarge(_) => 8,
            ApiError::UnsupportedMediaType(_) => 9,
            ApiError::InvalidTransaction(_) => 10,
            ApiError::InvalidBatch(_) => 11,
            ApiError::InvalidFeedback(_) => 12,
            ApiError::Internal(_) => 13,
            ApiError::Overloaded(_) => 14,
            ApiError::NotReady => 15,
            ApiError::HistoryUnavailable(_) => 16,
            ApiError::DeadlineExceeded => 17,
        };
        assert_eq!(all.iter().map(place).collect::<Vec<_>>(), (0..all.len()).collect::<Vec<_>>());
        all
    }

    #[test]
    fn the_documented_table_is_the_code() {
        let documented: Vec<String> = include_str!("../../docs/errors.md")
            .lines()
            .filter(|line| line.contains("| `"))
            .map(|line| line.split('|').take(4).map(str::trim).collect::<Vec<_>>().join("|"))
            .collect();
        let code: Vec<String> = every_error()
            .iter()
            .map(|error| {
                let (status, code, title) = error.row();
                format!("|{}|`{code}`|{title}", status.as_u16())
            })
            .collect();
        assert_eq!(documented, code);
    }

    #[test]
    fn causes_stay_out_of_answers() {
        let error = ApiError::Internal("secret cause".to_owned());
        assert_eq!(error.cause(), Some("secret cause"));
        assert!(!serde_json::to_string(&error.problem("r")).unwrap().contains("secret"));
        assert!(!serde_json::to_string(&error.item()).unwrap().contains("secret"));
    }

    #[test]
    fn headers_say_what_to_do() {
        let header = |error: ApiError, name: HeaderName| {
            let mut response = Response::default();
            error.tell(&mut response, "r");
            response.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(header(ApiError::Overloaded("queue"), RETRY_AFTER).as_deref(), Some("1"));
        assert_eq!(header(ApiError::NotReady, RETRY_AFTER).as_deref(), Some("1"));
        assert!(header(ApiError::Unauthorized, WWW_AUTHENTICATE).is_some());
        assert_eq!(header(ApiError::BodyTimeout, CONNECTION).as_deref(), Some("close"));
        assert_eq!(header(ApiError::DeadlineExceeded, RETRY_AFTER), None);
        assert_eq!(header(ApiError::NotFound, CONTENT_TYPE).as_deref(), Some("application/problem+json"));
    }
}
