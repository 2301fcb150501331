//! Bytes to feedback: one object, or an array of them.

use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::{Items, MAX_BATCH};
use super::json::{FieldFault, GIVEN_TWICE, WireFault, read, string};
use super::transaction::{BatchItemFault, MUST_BE_AN_OBJECT, written_timestamp};
use crate::domain::{Feedback, FeedbackDraft, Timestamp, TransactionId};

const MUST_BE_THOUSAND: &str = "must be an array of 1 to 1000 labels";
const _: () = assert!(MAX_BATCH == 1000, "the sentence above says so");

/// What a body held.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedbackItems {
    /// An object.
    One(Feedback),
    /// An array; an item's faults are in its own place.
    Many(Vec<Result<Feedback, BatchItemFault>>),
}

/// How instants are read.
#[derive(Debug, Clone, Copy)]
pub struct Instants<'a> {
    /// The zone of local ones.
    pub zone: &'a TimeZone,
    /// The clock.
    pub now: Timestamp,
    /// The latest that is accepted; `None` leaves them unbounded.
    pub latest: Option<Timestamp>,
}

/// Reads feedback: an object, or an array of 1 to [`MAX_BATCH`] of them, in the order sent.
///
/// # Errors
/// Where the JSON is malformed, else what is wrong with the whole.
pub fn parse_feedback(body: &[u8], instants: Instants<'_>) -> Result<FeedbackItems, WireFault> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        let members: Members<'_> = read(body, "must be a JSON object, or an array of them")?;
        let feedback = members.check(instants).map_err(|item| WireFault::Invalid(item.faults))?;
        return Ok(FeedbackItems::One(feedback));
    }
    let items: Items<'_> = read(body, MUST_BE_THOUSAND)?;
    if items.found.is_empty() || items.too_many {
        return Err(WireFault::Invalid(vec![FieldFault { field: "body", problem: MUST_BE_THOUSAND }]));
    }
    Ok(FeedbackItems::Many(items.found.iter().map(|item| read_item(item, instants)).collect()))
}

fn read_item(item: &RawValue, instants: Instants<'_>) -> Result<Feedback, BatchItemFault> {
    // The grammar was proven with the array's.
    let members: Members<'_> = serde_json::from_str(item.get()).map_err(|_| BatchItemFault {
        transaction_id: None,
        faults: vec![FieldFault { field: "body", problem: MUST_BE_AN_OBJECT }],
    })?;
    members.check(instants)
}

/// The known fields, in the order of the contract.
const FIELDS: [&str; 8] =
    ["transaction_id", "is_fraud", "labelled_at", "user_id", "merchant", "timestamp", "decision", "model_version"];

/// The known members of an object, unread: the raw text of each value, without `null`s.
#[derive(Default)]
struct Members<'a> {
    values: [Option<&'a str>; FIELDS.len()],
    given: [bool; FIELDS.len()],
    repeated: [bool; FIELDS.len()],
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let key = string(key.get()).unwrap_or_default();
            let Some(index) = FIELDS.iter().position(|field| *field == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?.get();
            members.repeated[index] |= members.given[index];
            members.given[index] = true;
            members.values[index] = Some(value).filter(|value| *value != "null");
        }
        Ok(members)
    }
}

impl<'a> Members<'a> {
    fn check(self, instants: Instants<'_>) -> Result<Feedback, BatchItemFault> {
        let mut wrong = Vec::new();
        let draft = self.draft(&mut wrong);
        for (field, _) in FIELDS.into_iter().zip(self.repeated).filter(|(_, repeated)| *repeated) {
            wrong.retain(|fault: &FieldFault| fault.field != field);
            wrong.push(FieldFault { field, problem: GIVEN_TWICE });
        }
        match draft.check(instants.zone, instants.now, instants.latest) {
            Ok(feedback) if wrong.is_empty() => Ok(feedback),
            checked => {
                // What the check says of a field that could not be read is not the point.
                for fault in checked.err().unwrap_or_default().into_iter().map(FieldFault::from) {
                    if wrong.iter().all(|other| other.field != fault.field) {
                        wrong.push(fault);
                    }
                }
                wrong.sort_by_key(|fault| FIELDS.iter().position(|field| *field == fault.field));
                let readable = wrong.iter().all(|fault| fault.field != "transaction_id");
                let transaction_id = draft.transaction_id.filter(|_| readable);
                let transaction_id = transaction_id.and_then(|id| TransactionId::parse(&id).ok());
                Err(BatchItemFault { transaction_id, faults: wrong })
            }
        }
    }

    /// Every field as its type; those of the wrong type go to `wrong`.
    fn draft(&self, wrong: &mut Vec<FieldFault>) -> FeedbackDraft<'a> {
        let [id, is_fraud, labelled_at, user_id, merchant, timestamp, decision, model_version] = self.values;
        let is_fraud = is_fraud.and_then(|raw| match raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                wrong.push(FieldFault { field: "is_fraud", problem: "must be true or false" });
                None
            }
        });
        let mut text = |field, value: Option<&'a str>| {
            value.and_then(|raw| string(raw).map_err(|problem| wrong.push(FieldFault { field, problem })).ok())
        };
        FeedbackDraft {
            transaction_id: text("transaction_id", id),
            is_fraud,
            labelled_at: labelled_at.map(written_timestamp),
            user_id: text("user_id", user_id),
            merchant: text("merchant", merchant),
            timestamp: timestamp.map(written_timestamp),
            decision: text("decision", decision),
            model_version: text("model_version", model_version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Decision;

    fn parse(body: &str) -> Result<FeedbackItems, WireFault> {
        let instant = |ms| Timestamp::from_millis(ms).unwrap();
        let (now, latest) = (instant(1_776_939_330_000), Some(instant(1_776_939_330_000 + 86_400_000)));
        parse_feedback(body.as_bytes(), Instants { zone: &TimeZone::UTC, now, latest })
    }

    fn faults(body: &str) -> Vec<&'static str> {
        match parse(body) {
            Err(WireFault::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn an_object_is_one_and_an_array_is_many() {
        let full = r#"{"transaction_id":"tx-1","is_fraud":true,"labelled_at":"2026-04-22T10:15:30Z","user_id":"u",
            "merchant":"M","timestamp":1776000000,"decision":"decline","model_version":"v1.0","note":{"a":[1]}}"#;
        let Ok(FeedbackItems::One(feedback)) = parse(full) else { panic!() };
        assert_eq!((feedback.is_fraud, feedback.decision), (true, Some(Decision::Decline)));
        assert_eq!(feedback.labelled_at.millis(), 1_776_852_930_000);
        assert_eq!((feedback.merchant.as_deref(), feedback.model_version.as_deref()), (Some("M"), Some("v1.0")));

        let many = format!(r#" [{full},{{"transaction_id":"tx-2","user_id":null}},5,{{"is_fraud":false}}]"#);
        let Ok(FeedbackItems::Many(items)) = parse(&many) else { panic!() };
        assert_eq!(items[0].as_ref().ok(), Some(&feedback));
        let told: Vec<(Option<&str>, Vec<&str>)> = items[1..]
            .iter()
            .map(|item| item.as_ref().unwrap_err())
            .map(|item| {
                let id = item.transaction_id.as_ref().map(TransactionId::as_str);
                (id, item.faults.iter().map(|fault| fault.field).collect())
            })
            .collect();
        assert_eq!(told, [(Some("tx-2"), vec!["is_fraud"]), (None, vec!["body"]), (None, vec!["transaction_id"])]);
    }

    #[test]
    fn what_breaks_a_rule_is_told_by_field() {
        for (body, fields) in [
            ("5", vec!["body"]),
            ("[]", vec!["body"]),
            (r#"{"transaction_id":"a","is_fraud":1}"#, vec!["is_fraud"]),
            (r#"{"transaction_id":"a","is_fraud":true,"is_fraud":true}"#, vec!["is_fraud"]),
            (r#"{"transaction_id":7,"is_fraud":"true","merchant":8}"#, vec!["transaction_id", "is_fraud", "merchant"]),
            (
                r#"{"transaction_id":"a","is_fraud":true,"labelled_at":{},"decision":"no"}"#,
                vec!["labelled_at", "decision"],
            ),
        ] {
            assert_eq!(faults(body), fields, "{body}");
        }
        let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(faults(&many(1001)), ["body"]);
        assert!(matches!(parse(&many(1000)), Ok(FeedbackItems::Many(items)) if items.len() == 1000));
        for body in ["", "[", r#"{"is_fraud":}"#, "[1] 2"] {
            assert!(matches!(parse(body), Err(WireFault::MalformedJson { .. })), "{body}");
        }
    }
}
