//! Whatever is sent: an answer comes, it is no 500, and the service goes on.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::client::Answer;
use crate::service::shared;
use crate::transactions::plain;

/// Sends a body and, on the same connection where it stays open, a probe.
fn survives(path: &str, body: &[u8]) -> Result<Answer, TestCaseError> {
    let mut client = shared().client();
    let answer = client.post(path, &[], body);
    prop_assert!([200, 202, 400, 404, 409, 413, 422].contains(&answer.status), "{}", answer.told());
    if answer.status >= 400 {
        prop_assert!(!answer.code().is_empty());
    }
    if answer.header("connection") != Some("close") {
        prop_assert_eq!(client.get("/ready", &[]).status, 200);
    }
    Ok(answer)
}

/// A valid body in which some bytes were changed, cut, doubled or put elsewhere.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let tokens = prop::sample::select(vec![
        "null",
        "true",
        "-1",
        "1e999",
        "\"\"",
        "[]",
        "{}",
        "\\u0000",
        "\\ud800",
        "\"",
        "{",
        "[",
        ",",
        ":",
        "\u{0}",
        "é",
        "1776939330",
        "[2026,4,23,10,15]",
        "transaction",
        "transactions",
        "\"is_fraud\":true,",
        "9".repeat(400).leak(),
    ]);
    let change = (any::<prop::sample::Index>(), 0_usize..12, tokens);
    (any::<bool>(), vec(change, 1..6)).prop_map(|(wrapped, changes)| {
        let mut body = plain("mutated").to_string().into_bytes();
        if wrapped {
            body = [b"{\"transactions\":[".as_slice(), &body, b"]}"].concat();
        }
        for (place, cut, token) in changes {
            let from = place.index(body.len() + 1);
            let to = (from + cut).min(body.len());
            body.splice(from..to, token.bytes());
        }
        body
    })
}

proptest! {
    #[test]
    fn random_bytes_are_refused(body in vec(any::<u8>(), 0..300)) {
        for path in ["/predict", "/batch", "/feedback"] {
            let answer = survives(path, &body)?;
            prop_assert!(answer.status >= 400);
        }
    }

    #[test]
    fn mutated_json_is_answered(body in mutated()) {
        for path in ["/predict?dry_run=true", "/batch?dry_run=true", "/feedback"] {
            survives(path, &body)?;
        }
    }

    #[test]
    fn bytes_that_are_no_http_end_in_an_answer_or_a_close(bytes in vec(any::<u8>(), 1..300), tail in any::<bool>()) {
        let mut client = shared().client();
        client.send_if_read(&bytes);
        if tail {
            client.send_if_read(b"\r\n\r\n");
        }
        client.close_sending();
        if let Some(answer) = client.try_answer("POST") {
            prop_assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
        prop_assert_eq!(shared().get("/ready").status, 200);
    }

    #[test]
    fn any_query_and_any_header_is_answered(query in "[A-Za-z0-9=&%._~!$'()*+,;:@/?-]{0,40}", value in "[!-~]{0,60}") {
        let header = format!("X-Request-Id: {value}");
        let body = plain("any-query").to_string();
        let answer = shared().client().post(&format!("/predict?{query}"), &[&header], body);
        prop_assert!([200, 422].contains(&answer.status), "{}", answer.told());
    }
}
