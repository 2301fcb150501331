//! Bytes to a batch: its shape as a whole, then each item for itself.

use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{FieldFault, GIVEN_TWICE, WireFault, read, string};
use super::transaction::{BatchItemFault, MUST_BE_AN_OBJECT, Members};
use crate::domain::{Timestamp, Transaction};

/// The most transactions a batch may hold, and the most labels an array of feedback.
pub const MAX_BATCH: usize = 1000;

const MUST_BE_THOUSAND: &str = "must be an array of 1 to 1000 transactions";

/// Reads a batch: `{"transactions":[…]}` or a bare array of 1 to [`MAX_BATCH`] items, each as
/// [`parse_transaction`](super::parse_transaction) reads one. Items stand in the order sent.
///
/// # Errors
/// Where the JSON is malformed, else what is wrong with the whole; an item's faults are in its own place.
pub fn parse_batch(
    body: &[u8],
    zone: &TimeZone,
    latest: Option<Timestamp>,
) -> Result<Vec<Result<Transaction, BatchItemFault>>, WireFault> {
    let invalid = |field, problem| WireFault::Invalid(vec![FieldFault { field, problem }]);
    let (field, items) = match read::<BatchBody<'_>>(body, "must be an array, or an object with transactions")? {
        BatchBody::Bare(items) => ("body", items),
        BatchBody::Wrapped { repeated: true, .. } => return Err(invalid("transactions", GIVEN_TWICE)),
        BatchBody::Wrapped { transactions, .. } => {
            let transactions = transactions.ok_or_else(|| invalid("transactions", "is required"))?;
            let items = serde_json::from_str(transactions.get());
            ("transactions", items.map_err(|_| invalid("transactions", MUST_BE_THOUSAND))?)
        }
    };
    if items.found.is_empty() || items.too_many {
        return Err(invalid(field, MUST_BE_THOUSAND));
    }
    Ok(items.found.iter().map(|item| read_item(item, zone, latest)).collect())
}

fn read_item(item: &RawValue, zone: &TimeZone, latest: Option<Timestamp>) -> Result<Transaction, BatchItemFault> {
    // The grammar was proven with the batch's.
    let members: Members<'_> = serde_json::from_str(item.get()).map_err(|_| BatchItemFault {
        transaction_id: None,
        faults: vec![FieldFault { field: "body", problem: MUST_BE_AN_OBJECT }],
    })?;
    members.check(zone, latest)
}

/// A batch's body, its items unread.
enum BatchBody<'a> {
    Bare(Items<'a>),
    Wrapped { transactions: Option<&'a RawValue>, repeated: bool },
}

/// The first [`MAX_BATCH`] items; more are only counted as too many, so that a body of commas costs no memory.
pub(super) struct Items<'a> {
    pub(super) found: Vec<&'a RawValue>,
    pub(super) too_many: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for BatchBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BatchVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = BatchBody<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ItemsVisitor.visit_seq(seq).map(BatchBody::Bare)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut transactions, mut given, mut repeated) = (None, false, false);
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            if string(key.get()).is_ok_and(|key| key == "transactions") {
                let value = map.next_value::<&'de RawValue>()?;
                repeated |= given;
                given = true;
                transactions = Some(value).filter(|value| value.get() != "null");
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(BatchBody::Wrapped { transactions, repeated })
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while found.len() < MAX_BATCH {
            match seq.next_element()? {
                Some(item) => found.push(item),
                None => return Ok(Items { found, too_many: false }),
            }
        }
        let mut too_many = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            too_many = true;
        }
        Ok(Items { found, too_many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TransactionId;
    use crate::http::wire::parse_transaction;

    const PLAIN: &str = r#"{"transaction_id":"tx-1","amount":129.90,"merchant":"Corner shop","location":"Berlin, DE",
        "timestamp":"2026-04-23T10:15:30Z"}"#;

    #[test]
    fn a_batch_is_an_array_or_an_object_and_each_item_stands_for_itself() {
        let items = format!(
            r#"[{PLAIN}, {{"transaction_id":"tx-2","amount":"x"}}, 5, {{"transaction":{PLAIN}}}, {{"\udc00":1}}]"#
        );
        for body in [items.clone(), format!(r#"{{"source":1,"transactions":{items}}}"#)] {
            let batch = parse_batch(body.as_bytes(), &TimeZone::UTC, None).unwrap();
            assert_eq!(batch.len(), 5);
            assert_eq!(batch[0].as_ref().ok(), parse_transaction(PLAIN.as_bytes(), &TimeZone::UTC, None).ok().as_ref());
            let faulty = batch[1].as_ref().unwrap_err();
            assert_eq!(faulty.transaction_id.as_ref().map(TransactionId::as_str), Some("tx-2"));
            assert_eq!(
                faulty.faults.iter().map(|fault| fault.field).collect::<Vec<_>>(),
                ["amount", "merchant", "location", "timestamp"]
            );
            assert_eq!(batch[2].as_ref().unwrap_err().faults[0].field, "body");
            assert_eq!(batch[3], batch[0]);
            assert_eq!(batch[4].as_ref().unwrap_err().faults.len(), 5);
        }
    }

    #[test]
    fn a_batch_that_is_none_is_refused_as_a_whole() {
        let ones = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        for (body, field) in [
            ("[]".to_owned(), "body"),
            (ones(1001), "body"),
            (format!(r#"{{"transactions":{}}}"#, ones(1001)), "transactions"),
            (r#"{"transactions":[]}"#.to_owned(), "transactions"),
            (r#"{"transactions":{}}"#.to_owned(), "transactions"),
            (r#"{"transactions":null}"#.to_owned(), "transactions"),
            (r#"{"transactions":[1],"transactions":[1]}"#.to_owned(), "transactions"),
            ("{}".to_owned(), "transactions"),
            ("true".to_owned(), "body"),
        ] {
            match parse_batch(body.as_bytes(), &TimeZone::UTC, None) {
                Err(WireFault::Invalid(faults)) => {
                    assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), [field]);
                }
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(parse_batch(ones(1000).as_bytes(), &TimeZone::UTC, None).unwrap().len(), 1000);
    }

    #[test]
    fn what_is_not_json_is_no_batch_of_faults() {
        for body in ["", "[", "[1,]", r#"[{"a":}]"#, r#"{"transactions":[1]"#, "[1] 2", r#"["\x"]"#] {
            let found = parse_batch(body.as_bytes(), &TimeZone::UTC, None);
            assert!(matches!(found, Err(WireFault::MalformedJson { .. })), "{body}: {found:?}");
        }
    }
}
