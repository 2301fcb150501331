//! What later turned out to be true of a transaction, and the check that makes it out of unchecked fields.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::domain::transaction::{optional, required, text};
use crate::domain::{Decision, Fault, Timestamp, TransactionId, WrittenTimestamp};

/// A label, and what it is about as far as the caller says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Feedback {
    /// The transaction's id.
    pub transaction_id: TransactionId,
    /// Whether it was a fraud.
    pub is_fraud: bool,
    /// When that became known.
    pub labelled_at: Timestamp,
    /// The transaction's user.
    pub user_id: Option<Box<str>>,
    /// The transaction's merchant.
    pub merchant: Option<Box<str>>,
    /// What was decided.
    pub decision: Option<Decision>,
    /// The version of the model that decided.
    pub model_version: Option<Box<str>>,
}

/// The fields of a feedback as they were sent, of the right type but not yet checked. `None` is an absent field or a
/// `null`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeedbackDraft<'a> {
    /// See [`Feedback::transaction_id`].
    pub transaction_id: Option<Cow<'a, str>>,
    /// See [`Feedback::is_fraud`].
    pub is_fraud: Option<bool>,
    /// See [`Feedback::labelled_at`].
    pub labelled_at: Option<WrittenTimestamp<'a>>,
    /// See [`Feedback::user_id`].
    pub user_id: Option<Cow<'a, str>>,
    /// See [`Feedback::merchant`].
    pub merchant: Option<Cow<'a, str>>,
    /// When the transaction happened: nothing is known of it before.
    pub timestamp: Option<WrittenTimestamp<'a>>,
    /// `approve`, `review` or `decline`.
    pub decision: Option<Cow<'a, str>>,
    /// See [`Feedback::model_version`].
    pub model_version: Option<Cow<'a, str>>,
}

impl FeedbackDraft<'_> {
    /// Checks every rule; local timestamps are read in `zone`, `otherwise` is when it became known unless the fields say
    /// so, and `latest` bounds every instant.
    ///
    /// # Errors
    /// Every fault, in the order of the contract's fields.
    pub fn check(
        &self,
        zone: &TimeZone,
        otherwise: Timestamp,
        latest: Option<Timestamp>,
    ) -> Result<Feedback, Vec<Fault>> {
        let mut faults = Vec::new();
        let instant = |written: &WrittenTimestamp<'_>| {
            let instant = Timestamp::parse(written.form(), zone)?;
            if latest.is_some_and(|latest| instant > latest) {
                return Err("must be at most 24 hours ahead of the server's clock");
            }
            Ok(instant)
        };
        let transaction_id =
            required(&mut faults, "transaction_id", self.transaction_id.as_deref(), TransactionId::parse);
        let is_fraud = required(&mut faults, "is_fraud", self.is_fraud.as_ref(), |is_fraud| Ok(*is_fraud));
        let labelled_at = self.labelled_at.as_ref();
        let labelled_at =
            labelled_at.map_or(Some(otherwise), |at| required(&mut faults, "labelled_at", Some(at), instant));
        let user_id = optional(&mut faults, "user_id", self.user_id.as_deref(), text::<128>);
        let merchant = optional(&mut faults, "merchant", self.merchant.as_deref(), text::<256>);
        let timestamp = self.timestamp.as_ref();
        let timestamp = timestamp.and_then(|at| required(&mut faults, "timestamp", Some(at), instant));
        if timestamp.zip(labelled_at).is_some_and(|(happened, labelled)| happened > labelled) {
            faults.push(Fault { field: "timestamp", problem: "must not be later than labelled_at" });
        }
        let decision = optional(&mut faults, "decision", self.decision.as_deref(), |word| {
            let known = Decision::ALL.into_iter().find(|decision| decision.as_str() == word);
            known.ok_or("must be approve, review or decline")
        });
        let model_version = optional(&mut faults, "model_version", self.model_version.as_deref(), text::<64>);
        match (transaction_id, is_fraud, labelled_at) {
            (Some(transaction_id), Some(is_fraud), Some(labelled_at)) if faults.is_empty() => {
                Ok(Feedback { transaction_id, is_fraud, labelled_at, user_id, merchant, decision, model_version })
            }
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_776_939_330_000;

    fn check(draft: &FeedbackDraft<'_>) -> Result<Feedback, Vec<&'static str>> {
        let instant = |ms| Timestamp::from_millis(ms).unwrap();
        let checked = draft.check(&TimeZone::UTC, instant(NOW_MS), Some(instant(NOW_MS + 86_400_000)));
        checked.map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
    }

    fn draft() -> FeedbackDraft<'static> {
        FeedbackDraft { transaction_id: Some("tx-1".into()), is_fraud: Some(true), ..FeedbackDraft::default() }
    }

    #[test]
    fn what_is_not_said_is_known_now() {
        let empty = Some(Cow::Borrowed(""));
        let feedback = check(&FeedbackDraft { user_id: empty.clone(), decision: empty, ..draft() }).unwrap();
        assert_eq!((feedback.labelled_at.millis(), feedback.user_id, feedback.decision), (NOW_MS, None, None));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let text = |text: &'static str| Some(WrittenTimestamp::Text(text.into()));
        let all = FeedbackDraft {
            labelled_at: text("2026-04-25T00:00:00Z"),
            user_id: Some("a\u{7}".into()),
            merchant: Some("x".repeat(257).into()),
            timestamp: text("soon"),
            decision: Some("declined".into()),
            model_version: Some("v".repeat(65).into()),
            ..FeedbackDraft::default()
        };
        let fields = [
            "transaction_id",
            "is_fraud",
            "labelled_at",
            "user_id",
            "merchant",
            "timestamp",
            "decision",
            "model_version",
        ];
        assert_eq!(check(&all).unwrap_err(), fields);
        for (labelled_at, faults) in [("2026-04-20T00:00:00Z", vec![]), ("2026-04-19T23:59:59Z", vec!["timestamp"])] {
            let draft =
                FeedbackDraft { labelled_at: text(labelled_at), timestamp: text("2026-04-20T00:00:00Z"), ..draft() };
            assert_eq!(check(&draft).err().unwrap_or_default(), faults, "{labelled_at}");
        }
    }
}
