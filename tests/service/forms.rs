//! Every form in which a transaction may arrive: all of them are the same transaction, which shows in its replay.

use serde_json::{Value, json};

use crate::service::shared;
use crate::transactions::{plain, unique, with};

/// Asserts that `bodies`, in which `ID` stands for the id, are one transaction.
fn are_one(bodies: &[String]) {
    let id = unique();
    let mut first: Option<Value> = None;
    for body in bodies {
        let answer = shared().post("/predict", body.replace("ID", &id));
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(answer.is_replayed(), first.is_some(), "{body}");
        let decision = answer.json();
        assert_eq!(first.get_or_insert_with(|| decision.clone()), &decision, "{body}");
    }
}

fn written(amount: &str, timestamp: &str) -> String {
    format!(
        r#"{{"transaction_id":"ID","amount":{amount},"merchant":"M","location":"Berlin, DE","timestamp":{timestamp}}}"#
    )
}

#[test]
fn amounts() {
    are_one(
        &["129.90", "129.9", r#""129.90""#, "1.299E+2", r#""1.299E+2""#, "129.900000"]
            .map(|amount| written(amount, "1776939330")),
    );
}

#[test]
fn timestamps() {
    are_one(
        &[
            r#""2026-04-23T10:15:30.120Z""#,
            r#""2026-04-23T12:15:30.12+02:00""#,
            r#""2026-04-23T10:15:30.120""#,
            "1776939330.120",
            "1776939330.120000000",
            "1776939330120",
            "[2026,4,23,10,15,30,120000000]",
            "[2026,4,23,10,15,30,120]",
        ]
        .map(|timestamp| written("1", timestamp)),
    );
    are_one(
        &[r#""2026-04-23T10:15Z""#, r#""2026-04-23T10:15""#, "[2026,4,23,10,15]", "1776939300"]
            .map(|timestamp| written("1", timestamp)),
    );
}

#[test]
fn wrapped_padded_and_with_what_is_not_there() {
    let plain = plain("ID");
    let nothing = ["user_id", "merchant_category", "channel", "currency"];
    let with_nulls = nothing.iter().fold(plain.clone(), |body, field| with(body, field, Value::Null));
    let with_empty = nothing.iter().fold(plain.clone(), |body, field| with(body, field, json!("")));
    are_one(&[
        plain.to_string(),
        json!({"transaction": plain}).to_string(),
        json!({"source": "core", "transaction": plain, "trace": [1, 2]}).to_string(),
        with(plain.clone(), "unknown", json!({"deeply": [{"nested": null}]})).to_string(),
        format!("\r\n\t {} \n", serde_json::to_string_pretty(&plain).unwrap()),
        with_nulls.to_string(),
        with_empty.to_string(),
        with(with(plain.clone(), "latitude", Value::Null), "longitude", Value::Null).to_string(),
    ]);
}

#[test]
fn currencies_are_letters_whatever_their_case() {
    are_one(&["EUR", "eur"].map(|currency| with(plain("ID"), "currency", json!(currency)).to_string()));
}

#[test]
fn content_types_and_chunks() {
    let id = unique();
    let body = plain(&id).to_string();
    for content_type in ["application/json", "application/json;charset=UTF-8", "APPLICATION/JSON; charset=\"utf-8\""] {
        let header = format!("Content-Type: {content_type}");
        let answer = shared().client().request("POST", "/predict", &[&header], body.as_bytes());
        assert_eq!(answer.status, 200, "{content_type}");
    }
    let (begin, end) = body.split_at(20);
    let chunked = format!("{:x}\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", begin.len(), end.len());
    let answer = shared().client().post("/predict", &["Transfer-Encoding: chunked"], chunked);
    assert_eq!((answer.status, answer.is_replayed()), (200, true));
}
