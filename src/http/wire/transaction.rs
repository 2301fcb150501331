//! Bytes to a transaction.
//!
//! One pass over the JSON proves its grammar and finds where each known field lies; then each field is read as its
//! type and every rule is checked. The list of faults is only made when there is one. Strings are borrowed from the
//! body until the transaction owns them. No rejected value ever leaves this file.

use std::borrow::Cow;
use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{FieldFault, GIVEN_TWICE, WireFault, read, string};
use crate::domain::{Draft, Timestamp, Transaction, TransactionId, WrittenTimestamp};

/// Why one item of a batch or of feedback was not read; the others are not touched by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItemFault {
    /// The item's id, where that field by itself keeps its rule.
    pub transaction_id: Option<TransactionId>,
    /// Every broken rule, in the order of the contract's fields.
    pub faults: Vec<FieldFault>,
}

/// Reads one transaction: an object, or the same object as the only known member `transaction` of another. Local
/// timestamps are read in `zone`; `latest` bounds the timestamp, `None` leaves it unbounded.
///
/// # Errors
/// Where the JSON is malformed, else every broken rule.
pub fn parse_transaction(body: &[u8], zone: &TimeZone, latest: Option<Timestamp>) -> Result<Transaction, WireFault> {
    let members: Members<'_> = read(body, MUST_BE_AN_OBJECT)?;
    members.check(zone, latest).map_err(|item| WireFault::Invalid(item.faults))
}

/// What is wrong with any other JSON.
pub(super) const MUST_BE_AN_OBJECT: &str = "must be a JSON object";

/// The known fields, in the order of the contract.
const FIELDS: [&str; 11] = [
    "transaction_id",
    "amount",
    "merchant",
    "location",
    "timestamp",
    "user_id",
    "merchant_category",
    "channel",
    "currency",
    "latitude",
    "longitude",
];

/// The known members of an object, unread: the raw text of each value, without `null`s.
#[derive(Default)]
pub(super) struct Members<'a> {
    values: [Option<&'a str>; FIELDS.len()],
    /// Which fields were given at all, and which more than once; bit = index in [`FIELDS`].
    given: u16,
    repeated: u16,
    /// The values of `transaction`.
    wrapped: Option<&'a str>,
    wrapped_repeated: bool,
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
        // Keys are taken raw: a name that is JSON but no Unicode text is one more unknown field.
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let key = string(key.get()).unwrap_or_default();
            if let Some(index) = FIELDS.iter().position(|field| *field == key) {
                let value = map.next_value::<&'de RawValue>()?.get();
                let bit = 1 << index;
                members.repeated |= members.given & bit;
                members.given |= bit;
                members.values[index] = Some(value).filter(|value| *value != "null");
            } else if key == "transaction" {
                let value = map.next_value::<&'de RawValue>()?.get();
                members.wrapped_repeated |= members.wrapped.replace(value).is_some();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}

impl<'a> Members<'a> {
    /// Reads and checks every field; the wrapped object's where no field stands outside it.
    pub(super) fn check(self, zone: &TimeZone, latest: Option<Timestamp>) -> Result<Transaction, BatchItemFault> {
        let Some(wrapped) = self.wrapped.filter(|wrapped| self.given == 0 && *wrapped != "null") else {
            return self.check_own(zone, latest);
        };
        let fault = |problem| BatchItemFault {
            transaction_id: None,
            faults: vec![FieldFault { field: "transaction", problem }],
        };
        if self.wrapped_repeated {
            return Err(fault(GIVEN_TWICE));
        }
        // One wrapper, not a tower of them: what is inside is read as a plain object.
        serde_json::from_str::<Self>(wrapped).map_err(|_| fault(MUST_BE_AN_OBJECT))?.check_own(zone, latest)
    }

    fn check_own(self, zone: &TimeZone, latest: Option<Timestamp>) -> Result<Transaction, BatchItemFault> {
        let mut wrong = Vec::new();
        let draft = self.draft(&mut wrong);
        match draft.check(zone, latest) {
            Ok(transaction) if wrong.is_empty() && self.repeated == 0 => Ok(transaction),
            checked => {
                let repeated = FIELDS.into_iter().enumerate().filter(|(index, _)| self.repeated & (1 << index) != 0);
                for (_, field) in repeated {
                    wrong.retain(|fault: &FieldFault| fault.field != field);
                    wrong.push(FieldFault { field, problem: GIVEN_TWICE });
                }
                // A field of the wrong type was left out of the draft: what the check says of it is not the point.
                let broken = checked.err().unwrap_or_default().into_iter().map(FieldFault::from);
                let broken: Vec<_> =
                    broken.filter(|fault| wrong.iter().all(|other| other.field != fault.field)).collect();
                wrong.extend(broken);
                wrong.sort_by_key(|fault| FIELDS.iter().position(|field| *field == fault.field));
                let transaction_id =
                    draft.transaction_id.filter(|_| wrong.iter().all(|fault| fault.field != "transaction_id"));
                let transaction_id = transaction_id.and_then(|id| TransactionId::parse(&id).ok());
                Err(BatchItemFault { transaction_id, faults: wrong })
            }
        }
    }

    /// Every field as its type; those of the wrong type go to `wrong`.
    fn draft(&self, wrong: &mut Vec<FieldFault>) -> Draft<'a> {
        let [id, amount, merchant, location, timestamp, user_id, category, channel, currency, latitude, longitude] =
            self.values;
        let mut text = |field, value: Option<&'a str>| {
            value.and_then(|raw| string(raw).map_err(|problem| wrong.push(FieldFault { field, problem })).ok())
        };
        let draft = Draft {
            transaction_id: text("transaction_id", id),
            merchant: text("merchant", merchant),
            location: text("location", location),
            user_id: text("user_id", user_id),
            merchant_category: text("merchant_category", category),
            channel: text("channel", channel),
            currency: text("currency", currency),
            amount: amount.map(text_of_number),
            timestamp: timestamp.map(written_timestamp),
            latitude: None,
            longitude: None,
        };
        let mut degrees = |field, value: Option<&'a str>| {
            value.map(|raw| {
                raw.parse().unwrap_or_else(|_| {
                    wrong.push(FieldFault { field, problem: "must be a number" });
                    // In range: the other coordinate is still checked, and not told to be alone.
                    0.0
                })
            })
        };
        Draft { latitude: degrees("latitude", latitude), longitude: degrees("longitude", longitude), ..draft }
    }
}

/// The text of a number, or of the string that holds one. Any other JSON stays as it is written: it holds a
/// character that no number has, and is refused by what it should have been.
fn text_of_number(raw: &str) -> Cow<'_, str> {
    string(raw).unwrap_or(Cow::Borrowed(raw))
}

/// The written form by its first character; other JSON becomes a text that is no date.
pub(super) fn written_timestamp(raw: &str) -> WrittenTimestamp<'_> {
    match raw.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => WrittenTimestamp::Number(raw),
        Some(b'[') => WrittenTimestamp::Parts(serde_json::from_str(raw).unwrap_or_default()),
        Some(b'"') => WrittenTimestamp::Text(string(raw).unwrap_or_default()),
        _ => WrittenTimestamp::Text(Cow::Borrowed("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"transaction_id":"tx-1","amount":129.90,"merchant":"Corner shop","location":"Berlin, DE",
        "timestamp":"2026-04-23T10:15:30Z","user_id":"u-1"}"#;

    fn parse(body: &str) -> Result<Transaction, WireFault> {
        parse_transaction(body.as_bytes(), &TimeZone::UTC, None)
    }

    /// The plain body with one more member, or with another value in place of a member's own.
    fn with(field: &str, value: &str) -> String {
        let mut members: Vec<String> = [
            ("transaction_id", r#""tx-1""#),
            ("amount", "129.90"),
            ("merchant", r#""Corner shop""#),
            ("location", r#""Berlin, DE""#),
            ("timestamp", r#""2026-04-23T10:15:30Z""#),
            ("user_id", r#""u-1""#),
        ]
        .into_iter()
        .filter(|(name, _)| *name != field)
        .map(|(name, value)| format!(r#""{name}":{value}"#))
        .collect();
        members.push(format!(r#""{field}":{value}"#));
        format!("{{{}}}", members.join(","))
    }

    fn faults(body: &str) -> Vec<(&'static str, &'static str)> {
        match parse(body) {
            Err(WireFault::Invalid(faults)) => faults.into_iter().map(|fault| (fault.field, fault.problem)).collect(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn every_accepted_form_is_the_same_transaction() {
        let plain = parse(PLAIN).unwrap();
        assert_eq!(plain.amount.units(), 1_299_000);
        for body in [
            with("amount", r#""129.90""#),
            with("amount", "1.299E+2"),
            with("amount", r#""1.299E+2""#),
            with("timestamp", "1776939330"),
            with("timestamp", "1776939330.000"),
            with("timestamp", "1776939330000"),
            with("timestamp", "[2026,4,23,10,15,30]"),
            with("timestamp", "[2026, 4, 23, 10, 15, 30, 0]"),
            with("timestamp", r#""2026-04-23T10:15:30""#),
            with("timestamp", r#""2026-04-23T12:15:30.000+02:00""#),
            with("merchant", r#""Corner\u0020shop""#),
            with("unknown", r#"{"deep":[1,{"a":null}],"lone":"\ud800"}"#),
            with("\\ud800", "1"),
            with("latitude", "null"),
            with("user\\u005fid", r#""u-1""#).replace(r#""user_id":"u-1","#, ""),
            with("channel", r#""""#),
            with("transaction", r#"{"transaction_id":"other"}"#),
            format!(r#"{{"transaction":{PLAIN}}}"#),
            format!(r#" {{"source":"core", "transaction" : {PLAIN} , "version": 3}} "#),
        ] {
            assert_eq!(parse(&body).as_ref(), Ok(&plain), "{body}");
        }
    }

    #[test]
    fn what_is_not_json_says_where() {
        for (body, line, column) in [
            (&b""[..], 1, 0),
            (b" \n ", 2, 1),
            (b"{", 1, 1),
            (b"{\"amount\":01}", 1, 12),
            (b"{\"amount\":NaN}", 1, 11),
            (b"{}\n{}", 2, 1),
            (b"[1,2", 1, 4),
            (b"{\"a\":\"\x01\"}", 1, 6),
            (b"{\"a\":\"\\x\"}", 1, 8),
            (b"{\n\"a\":\"\xff\"}", 2, 6),
            (b"\xef\xbb\xbf{}", 1, 1),
            (b"\"abc", 1, 4),
        ] {
            let found = parse_transaction(body, &TimeZone::UTC, None);
            assert_eq!(found, Err(WireFault::MalformedJson { line, column }), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn wrong_types_and_broken_rules_are_told_together_in_the_order_of_the_contract() {
        let body = r#"{"longitude":"13.4","latitude":91,"currency":5,"channel":["pos"],"user_id":"a\u0007",
            "timestamp":{"at":1},"merchant":"","amount":true,"transaction_id":"tx 1","amount":1}"#;
        assert_eq!(
            faults(body),
            [
                ("transaction_id", "must be 1 to 128 ASCII characters without spaces or control characters"),
                ("amount", GIVEN_TWICE),
                ("merchant", "must be 1 to 256 characters"),
                ("location", "is required"),
                (
                    "timestamp",
                    "must be an ISO 8601 date-time such as 2026-04-23T10:15:30Z, a local date-time, an epoch number, \
                     or an array of 5 to 7 whole numbers"
                ),
                ("user_id", "must not hold control characters"),
                ("channel", "must be a string"),
                ("currency", "must be a string"),
                ("latitude", "must be between -90 and 90 degrees"),
                ("longitude", "must be a number"),
            ]
        );
    }

    #[test]
    fn each_wrong_value_is_one_fault_of_its_field() {
        let number = "must be a decimal number such as 129.90, as a JSON number or a string";
        for (field, value, problem) in [
            ("amount", "true", number),
            ("amount", "{}", number),
            ("amount", "[1]", number),
            ("amount", r#""1,5""#, number),
            ("amount", r#""\ud800""#, number),
            ("amount", "null", "is required"),
            ("amount", "-1", "must be at least 0 and at most 1000000000000"),
            ("merchant", "7", "must be a string"),
            ("merchant", r#""\udc00""#, "must be valid Unicode text"),
            ("transaction_id", "{}", "must be a string"),
            ("latitude", "1e999", "must be between -90 and 90 degrees"),
            ("latitude", "1", "-"),
            ("transaction_id", r#""a","transaction_id":"a""#, GIVEN_TWICE),
            ("channel", r#"null,"channel":"pos""#, GIVEN_TWICE),
        ] {
            let body = with(field, value);
            match problem {
                "-" => assert_eq!(faults(&body), [("longitude", "is required when latitude is given")]),
                _ => {
                    let body = if field == "latitude" { body.replacen('{', r#"{"longitude":1,"#, 1) } else { body };
                    assert_eq!(faults(&body), [(field, problem)], "{body}");
                }
            }
        }
        for timestamp in ["true", "null", "{}", "[2026,4]", "[2026,4,23,10,15.5]", r#""\ud800""#, r#"["2026"]"#] {
            assert_eq!(faults(&with("timestamp", timestamp)).len(), 1, "{timestamp}");
        }
    }

    #[test]
    fn the_shape_around_the_fields_is_told_too() {
        for (body, expected) in [
            ("[]", ("body", MUST_BE_AN_OBJECT)),
            ("5", ("body", MUST_BE_AN_OBJECT)),
            ("null", ("body", MUST_BE_AN_OBJECT)),
            (r#"{"transaction":[]}"#, ("transaction", MUST_BE_AN_OBJECT)),
            (r#"{"transaction":{},"transaction":{}}"#, ("transaction", GIVEN_TWICE)),
        ] {
            assert_eq!(faults(body), [expected], "{body}");
        }
        let required = ["transaction_id", "amount", "merchant", "location", "timestamp"];
        for body in ["{}", r#"{"transaction":null}"#, r#"{"transaction":{"transaction":{}}}"#] {
            let fields: Vec<_> = faults(body).into_iter().map(|(field, _)| field).collect();
            assert_eq!(fields, required, "{body}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(8000), "]".repeat(8000));
        assert!(parse(&with("unknown", &deep)).is_ok());
        assert_eq!(faults(&with("amount", &deep)).len(), 1);
        assert_eq!(faults(&with("timestamp", &deep)).len(), 1);
        assert_eq!(faults(&with("merchant", &deep)).len(), 1);
    }
}
