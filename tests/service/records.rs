//! What a request leaves in the log.

use serde_json::json;

use crate::keys::with_keys;
use crate::service::Service;
use crate::transactions::{of_user, plain, unique, with};

#[test]
fn a_decision_leaves_one_line_without_merchant_place_amount_or_user() {
    let service = Service::start(&[]);
    let traced = ["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "X-Request-Id: core-1"];
    let body = with(of_user("logged", "4111111111111111"), "amount", json!(4711.25));
    let answer = service.client().post("/predict", &traced, body.to_string()).json();
    let line = service.log_line(|line| line["transaction_id"] == "logged");
    for member in ["decision", "is_fraud", "risk_score", "red_flags", "model_version", "history"] {
        assert_eq!(line[member], answer[member], "{member}");
    }
    assert_eq!((&line["request_id"], &line["http_status"]), (&json!("core-1"), &json!(200)));
    assert_eq!((&line["http_path"], &line["http_method"]), (&json!("/predict"), &json!("POST")));
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(line["latency_ms"].as_f64().unwrap() > 0.0);
    for secret in ["4111111111111111", "4711", "Corner shop", "Berlin"] {
        assert!(!line.to_string().contains(secret), "{line}");
    }
}

#[test]
fn a_batch_leaves_a_line_for_each_item_and_one_for_itself() {
    let service = Service::start(&[]);
    service.post("/batch", json!([plain("b-1"), {"transaction_id": "b-2"}, plain("b-1")]).to_string());
    assert_eq!(service.log_line(|line| line["http_path"] == "/batch")["transaction_id"], "b-1");
    let failed = service.log_line(|_| true);
    assert_eq!((&failed["transaction_id"], &failed["code"]), (&json!("b-2"), &json!("invalid_transaction")));
    assert_eq!(service.log_line(|_| true)["replayed"], true);
    assert_eq!(service.log_line(|_| true)["rows"], 3);
}

#[test]
fn an_error_leaves_a_line_with_its_code_and_the_callers_name() {
    let service = with_keys(&[]);
    service.client().post("/predict", &["X-Api-Key: ops-key"], plain("x").to_string());
    let line = service.log_line(|line| line["http_path"] == "/predict");
    assert_eq!(
        (&line["code"], &line["caller"], &line["http_status"]),
        (&json!("forbidden"), &json!("watch"), &json!(403))
    );
    service.get("/no/such/4111111111111111");
    let line = service.log_line(|_| true);
    assert_eq!((&line["code"], &line["http_path"]), (&json!("not_found"), &json!("other")));
}

#[test]
fn a_stalled_stdout_delays_requests_to_their_deadline_and_loses_no_line() {
    let service = Service::start(&[
        ("FRAUD_LOG__BUFFER_LINES", "1024"),
        ("FRAUD_HTTP__MAX_CONNECTIONS", "20"),
        ("FRAUD_HTTP__DEADLINE", "2s"),
        ("FRAUD_HISTORY__TIMEOUT", "1s"),
    ]);
    let stalled = service.stdout.lock().unwrap();
    let mut decided = Vec::new();
    let refused = loop {
        let id = unique();
        let answer = service.post("/predict", plain(&id).to_string());
        match answer.status {
            200 => decided.push(id),
            _ => break answer,
        }
        assert!(decided.len() < 10_000, "nothing was ever refused");
    };
    assert_eq!(refused.code(), "deadline_exceeded");
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    drop(stalled);
    for id in decided {
        service.log_line(|line| line["transaction_id"] == id.as_str());
    }
    assert_eq!(service.post("/predict", plain(&unique()).to_string()).status, 200);
}
