//! The line of a request or of a decision: its fields, their order, and nothing else.

use serde::{Serialize, Serializer};

use super::clock::Stamp;
use super::event::Outcome;
use crate::domain::{RedFlag, TransactionId, UserKey};
use crate::scoring::{Assessment, Learned};

/// Every field that the line of a request or of a decision can have, in the order in which they stand.
pub const FIELDS: [&str; 26] = [
    "timestamp",
    "level",
    "message",
    "service",
    "version",
    "environment",
    "request_id",
    "trace_id",
    "caller",
    "transaction_id",
    "user",
    "decision",
    "is_fraud",
    "risk_score",
    "red_flags",
    "model_version",
    "history",
    "replayed",
    "dry_run",
    "rows",
    "code",
    "cause",
    "latency_ms",
    "http_method",
    "http_path",
    "http_status",
];

pub(super) const INFO: &str = "INFO";
pub(super) const WARN: &str = "WARN";
pub(super) const ERROR: &str = "ERROR";

/// A line, its fields in the order of [`FIELDS`].
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line<'a> {
    pub(super) timestamp: Stamp,
    pub(super) level: &'static str,
    pub(super) message: &'static str,
    pub(super) service: &'static str,
    pub(super) version: &'static str,
    pub(super) environment: &'static str,
    pub(super) request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hexadecimal")]
    pub(super) user: Option<UserKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_fraud: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) risk_score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) red_flags: Option<&'a [RedFlag]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) replayed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<&'a str>,
    pub(super) latency_ms: f64,
    pub(super) http_method: &'static str,
    pub(super) http_path: &'static str,
    pub(super) http_status: u16,
}

impl<'a> Line<'a> {
    /// The line of one of the request's transactions.
    pub(super) fn of(&self, outcome: &'a Outcome) -> Self {
        let line = Self { rows: None, ..self.clone() };
        match outcome {
            Outcome::Failed(transaction_id, failure) => Self {
                level: if failure.cause.is_some() { ERROR } else { WARN },
                message: "transaction failed",
                transaction_id: transaction_id.as_ref().map(TransactionId::as_str),
                code: Some(failure.code),
                cause: failure.cause.as_deref(),
                ..line
            },
            Outcome::Learned(Learned { transaction_id, is_fraud, counts, user, .. }) => Self {
                message: "label taken in",
                transaction_id: Some(transaction_id.as_str()),
                user: *user,
                decision: counts.as_ref().map(|verdict| verdict.decision.as_str()),
                is_fraud: Some(*is_fraud),
                model_version: counts.as_ref().map(|verdict| &*verdict.model_version),
                ..line
            },
            Outcome::Decided(Assessment { decided, replayed, .. }) => Self {
                message: "transaction decided",
                transaction_id: Some(decided.transaction_id.as_str()),
                user: decided.user,
                decision: Some(decided.decision.as_str()),
                is_fraud: Some(decided.decision.is_fraud()),
                risk_score: Some(decided.risk_score.shown()),
                red_flags: Some(&decided.red_flags),
                model_version: Some(&decided.model_version),
                history: Some(decided.history.as_str()),
                replayed: *replayed,
                ..line
            },
        }
    }
}

/// As [`UserKey`]'s `Display`, which is too slow for every line.
fn hexadecimal<S: Serializer>(user: &Option<UserKey>, serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let Some(UserKey(bytes)) = user else { return serializer.serialize_none() };
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    serializer.serialize_str(std::str::from_utf8(&text).expect("digits are ASCII"))
}

#[cfg(test)]
mod tests {
    use super::FIELDS;

    /// `docs/observability.md` has a row for each field: name, meaning.
    #[test]
    fn the_documentation_lists_every_field_in_order() {
        let documentation = include_str!("../../docs/observability.md");
        let documented: Vec<&str> = documentation
            .lines()
            .skip_while(|line| !line.starts_with("| field "))
            .skip(2)
            .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(field, _)| field)
            .collect();
        assert_eq!(documented, FIELDS);
    }
}
