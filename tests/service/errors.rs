//! Every row of the error table, produced over a socket, and the three places that tell of it: the answer, the published
//! contract, and `docs/errors.md`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::keys::with_keys;
use crate::service::{Parts, Service, shared};
use crate::stores::{Down, Gated, PanicsOnce};
use crate::transactions::{of_user, plain, with};

/// At least one answer for each row: the operation that gave it, and its code, after a dot what is special about it.
fn every_error() -> Vec<(&'static str, &'static str, Answer)> {
    let service = shared();
    let post = |path: &'static str, body: &str| service.post(path, body);
    let keyed = with_keys(&[]);
    let starting = Service::of(Parts { model: false, ..Parts::default() });
    let valid = plain("errors-1").to_string();
    let mut all = vec![
        ("/predict", "malformed_json", post("/predict", "{\"amount\": 01}")),
        ("/batch", "malformed_json.empty", post("/batch", "")),
        ("/predict", "unauthorized", keyed.post("/predict", &valid)),
        ("/batch", "forbidden", keyed.client().post("/batch", &["X-Api-Key: ops-key"], &valid)),
        ("", "not_found", service.get("/nowhere")),
        ("", "method_not_allowed", service.get("/predict")),
        ("/predict", "body_timeout", body_timeout()),
        ("/predict", "body_too_large", post("/predict", &format!("\"{}\"", "x".repeat(16 * 1024)))),
        ("/batch", "body_too_large.batch", post("/batch", &format!("\"{}\"", "x".repeat(2 * 1024 * 1024)))),
        ("/predict", "unsupported_media_type", service.client().request("POST", "/predict", &[], valid.as_bytes())),
        (
            "/batch",
            "unsupported_media_type.encoding",
            service.client().post("/batch", &["Content-Encoding: gzip"], &valid),
        ),
        ("/predict", "invalid_transaction", post("/predict", r#"{"amount":-1,"channel":7,"latitude":91}"#)),
        ("/predict", "invalid_transaction.parameter", post("/predict?dry_run=yes", &valid)),
        ("/batch", "invalid_batch", post("/batch", "{}")),
        ("/batch", "invalid_batch.parameter", post("/batch?explain=1", "[]")),
        ("/predict", "internal", internal()),
        ("/predict", "overloaded", overloaded()),
        ("/predict", "not_ready", starting.post("/predict", &valid)),
        ("/batch", "not_ready.batch", starting.post("/batch", &valid)),
        ("/model", "not_ready.model", starting.get("/model")),
        ("/predict", "deadline_exceeded", deadline_exceeded()),
        ("/feedback", "malformed_json.feedback", post("/feedback", "[{}")),
        ("/feedback", "forbidden.feedback", keyed.client().post("/feedback", &["X-Api-Key: score-key"], "")),
        ("/feedback", "invalid_feedback", post("/feedback", r#"{"is_fraud":1,"decision":"no","timestamp":[]}"#)),
        ("/feedback", "invalid_feedback.array", post("/feedback", "[]")),
        ("/feedback", "unknown_transaction", post("/feedback", r#"{"transaction_id":"nobody","is_fraud":true}"#)),
        ("/feedback", "not_ready.feedback", starting.post("/feedback", "[]")),
        ("/feedback", "history_unavailable", history_unavailable()),
    ];
    post("/predict", &valid);
    let reused = with(plain("errors-1"), "amount", json!(1)).to_string();
    all.push(("/predict", "transaction_id_reused", post("/predict", &reused)));
    all
}

fn history_unavailable() -> Answer {
    let service = Service::of(Parts { history: Arc::new(Down), ..Parts::default() });
    let answer = service.post("/feedback", r#"{"transaction_id":"late","is_fraud":true,"merchant":"M"}"#);
    assert!(!answer.text().contains("secret"));
    answer
}

fn body_timeout() -> Answer {
    let service = Service::start(&[("FRAUD_HTTP__BODY_TIMEOUT", "50ms")]);
    let mut client = service.client();
    client.send("POST /predict HTTP/1.1\r\nHost: t\r\nX-Request-Id: test-request\r\n");
    client.send("Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    let answer = client.answer();
    assert!(client.is_closed());
    answer
}

fn internal() -> Answer {
    let service = Service::of(Parts { history: Arc::new(PanicsOnce::new()), ..Parts::default() });
    let answer = service.post("/predict", of_user("internal", "user").to_string());
    assert!(!answer.text().contains("secret"));
    answer
}

fn overloaded() -> Answer {
    let store = Arc::new(Gated::closed());
    let settings = &[("FRAUD_SCORING__QUEUE_ROWS", "1"), ("FRAUD_SCORING__MAX_BATCH", "1")];
    let service = Service::of(Parts { settings, history: store.clone(), ..Parts::default() });
    std::thread::scope(|scope| {
        let admitted = scope.spawn(|| service.post("/predict", of_user("admitted", "user").to_string()));
        store.wait_for_a_call();
        let refused = service.post("/predict", plain("refused").to_string());
        store.open();
        assert_eq!(admitted.join().unwrap().status, 200);
        // The refusal left no trace.
        assert!(!service.post("/predict", plain("refused").to_string()).is_replayed());
        refused
    })
}

fn deadline_exceeded() -> Answer {
    let store = Arc::new(Gated::closed());
    let settings = &[("FRAUD_HTTP__DEADLINE", "50ms"), ("FRAUD_HISTORY__TIMEOUT", "10ms")];
    let service = Service::of(Parts { settings, history: store, ..Parts::default() });
    service.post("/predict", of_user("late", "user").to_string())
}

#[test]
fn every_row_is_answered_as_it_is_documented() {
    let contract: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let documented = documented_rows();
    let mut produced = BTreeSet::new();
    for (operation, name, answer) in every_error() {
        let code = name.split('.').next().unwrap();
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{operation}: {}", answer.text());
        assert_eq!(problem["status"], answer.status);
        assert_eq!(problem["type"], format!("urn:problem-type:fraud-detection:{code}"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(Some(problem["request_id"].as_str().unwrap()), answer.header("x-request-id"));
        assert_eq!(answer.header("retry-after").is_some(), answer.status == 503);
        assert!(documented.contains(&(answer.status, code.to_owned())), "{code} is not in docs/errors.md");
        if !operation.is_empty() {
            let method = if operation == "/model" { "get" } else { "post" };
            let responses = &contract["paths"][operation][method]["responses"][answer.status.to_string()];
            let examples = &responses["content"]["application/problem+json"]["examples"];
            assert_eq!(examples[code]["value"]["title"], problem["title"], "{operation} {code} in openapi.json");
        }
        produced.insert((answer.status, code.to_owned()));
        assert_snapshot!(name, answer.told());
    }
    assert_eq!(produced, documented);
}

/// Status and code of every row of `docs/errors.md`.
fn documented_rows() -> BTreeSet<(u16, String)> {
    let rows = include_str!("../../docs/errors.md").lines().filter(|line| line.contains("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].parse().unwrap(), cells[2].trim_matches('`').to_owned())
    })
    .collect()
}

#[test]
fn the_contract_promises_no_error_that_is_not_documented() {
    let contract: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let documented = documented_rows();
    let mut promised = 0;
    for operation in contract["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let examples = response["content"]["application/problem+json"]["examples"].as_object();
            for code in examples.into_iter().flat_map(|examples| examples.keys()) {
                assert!(documented.contains(&(status.parse().unwrap(), code.clone())), "{status} {code}");
                promised += 1;
            }
        }
    }
    assert!(promised > documented.len());
}

#[test]
fn a_rejected_value_is_never_echoed() {
    let secret = "4111-1111-1111-1111";
    let long = secret.repeat(20);
    for body in [
        with(plain(&format!("{secret} x")), "amount", json!(secret)).to_string(),
        with(with(plain("x"), "user_id", json!(long)), "currency", json!(secret)).to_string(),
        with(with(plain("x"), "timestamp", json!(secret)), "merchant", json!({ secret: secret })).to_string(),
        format!("{{\"{secret}\""),
        json!({"transaction": secret}).to_string(),
    ] {
        for path in ["/predict", "/batch", &format!("/{secret}"), &format!("/predict?dry_run={secret}")] {
            let answer = shared().post(path, &body);
            assert!((400..500).contains(&answer.status), "{path} {body}");
            assert!(!answer.told().contains(secret), "{}", answer.told());
        }
    }
}

#[test]
fn the_request_id_is_the_callers_or_a_new_one() {
    let ask = |headers: &[&str]| shared().client().get("/ready", headers).header("x-request-id").unwrap().to_owned();
    assert_eq!(ask(&["X-Correlation-Id: second", "X-Request-Id: first"]), "first");
    assert_eq!(ask(&["X-Correlation-Id: second"]), "second");
    assert_eq!(ask(&["X-Request-Id: not fit", "X-Correlation-Id: second"]), "second");
    let (one, other) = (ask(&["X-Nothing: 1"]), ask(&["X-Request-Id: {}"]));
    assert!(one.len() == 32 && other.len() == 32 && one != other);
}

#[test]
fn other_methods_are_told_which_there_are() {
    for (method, path, status, allow) in [
        ("OPTIONS", "/predict", 204, "POST"),
        ("OPTIONS", "/health", 204, "GET,HEAD"),
        ("DELETE", "/batch", 405, "POST"),
        ("GET", "/batch", 405, "POST"),
        ("POST", "/model", 405, "GET,HEAD"),
        ("PUT", "/health", 405, "GET,HEAD"),
    ] {
        let answer = shared().client().request(method, path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (status, Some(allow)), "{method} {path}");
    }
    for path in ["/health", "/ready", "/metrics", "/model", "/openapi.json", "/docs/"] {
        let answer = shared().client().request("HEAD", path, &[], b"");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
    assert_eq!(shared().client().request("HEAD", "/nowhere", &[], b"").status, 404);
}

#[test]
fn a_deadline_is_a_promise_on_batches_too() {
    let store = Arc::new(Gated::closed());
    let settings = &[
        ("FRAUD_HTTP__DEADLINE", "50ms"),
        ("FRAUD_HTTP__BATCH_DEADLINE", "100ms"),
        ("FRAUD_HISTORY__TIMEOUT", "10ms"),
    ];
    let history_timeout = Duration::from_secs(60);
    let service = Service::of(Parts { settings, history: store, history_timeout, ..Parts::default() });
    let batch = json!([of_user("late-1", "user"), of_user("late-2", "user")]);
    let answer = service.post("/batch", batch.to_string());
    assert_eq!((answer.status, answer.code().as_str()), (504, "deadline_exceeded"));
}
