//! What callers say afterwards: recorded once, corrected, counted against the decisions, and known to later ones.

use std::sync::Arc;

use fraud_detection::history::{HistoryStore, MemoryStore};
use serde_json::{Value, json};

use crate::service::{Parts, Service};
use crate::transactions::{of_user, plain};

fn label(id: &str, is_fraud: bool) -> Value {
    json!({"transaction_id": id, "is_fraud": is_fraud})
}

/// How many decisions of v1.0 were true positive, false positive, true negative and false negative, by `/metrics`.
fn confusion(service: &Service) -> [i64; 4] {
    let page = service.get("/metrics");
    ["true_positive", "false_positive", "true_negative", "false_negative"].map(|name| {
        let series = format!("fraud_detection_{name}{{model_version=\"v1.0\"}} ");
        let value = page.text().lines().find_map(|line| line.strip_prefix(&series));
        value.map_or(0, |value| value.parse::<f64>().unwrap() as i64)
    })
}

#[test]
fn a_label_counts_once_and_a_later_one_corrects_it() {
    let service = Service::start(&[]);
    let decided = service.post("/predict", of_user("labelled", "user").to_string()).json();
    assert_eq!((&decided["decision"], &decided["model_version"]), (&json!("approve"), &json!("v1.0")));
    for (is_fraud, result, counts) in [
        (true, "recorded", [0, 0, 0, 1]),
        (true, "unchanged", [0, 0, 0, 1]),
        (false, "corrected", [0, 0, 1, 0]),
        (false, "unchanged", [0, 0, 1, 0]),
        (true, "corrected", [0, 0, 0, 1]),
    ] {
        let answer = service.post("/feedback", label("labelled", is_fraud).to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let expected = json!({"transaction_id": "labelled", "is_fraud": is_fraud, "result": result});
        assert_eq!(answer.json(), expected);
        assert_eq!(confusion(&service), counts, "after {result}");
    }
}

#[test]
fn an_array_is_answered_item_by_item_in_the_order_sent() {
    let service = Service::start(&[]);
    service.post("/predict", plain("known").to_string());
    let sent = json!([
        label("known", false),
        label("unknown", true),
        {"transaction_id": "named", "is_fraud": true, "merchant": "M", "user_id": "u", "decision": "decline",
         "model_version": "v1.0", "timestamp": "2026-04-01T00:00:00Z", "labelled_at": "2026-04-23T00:00:00Z"},
        {"transaction_id": "broken", "is_fraud": "yes"},
        label("known", true),
        7,
    ]);
    let answer = service.post("/feedback", sent.to_string());
    assert_eq!(answer.status, 202);
    let results = answer.json();
    assert_eq!(results["summary"], json!({"count": 6, "errors": 3}));
    let told: Vec<&str> = (0..6)
        .map(|index| &results["results"][index])
        .map(|result| result["result"].as_str().or(result["error"]["code"].as_str()).unwrap())
        .collect();
    let invalid = "invalid_feedback";
    assert_eq!(told, ["recorded", "unknown_transaction", "recorded", invalid, "corrected", invalid]);
    assert_eq!(results["results"][3]["error"]["errors"][0]["field"], "is_fraud");
    assert_eq!(
        (&results["results"][3]["index"], &results["results"][3]["transaction_id"]),
        (&json!(3), &json!("broken"))
    );
    assert_eq!(results["results"][5]["transaction_id"], Value::Null);
    // The first was taken back by the fifth; the third is a decline that was right.
    assert_eq!(confusion(&service), [1, 0, 0, 1]);
}

#[test]
fn what_is_not_remembered_must_name_its_merchant() {
    let store = Arc::new(MemoryStore::new(1 << 20));
    let service = Service::of(Parts { history: store.clone(), ..Parts::default() });
    let unknown = service.post("/feedback", label("old", true).to_string());
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_transaction"));
    assert_eq!((store.stats().users, store.stats().merchants), (0, 0));

    let named = json!({"transaction_id": "old", "is_fraud": true, "merchant": "M", "user_id": "u"});
    assert_eq!(service.post("/feedback", named.to_string()).json()["result"], "recorded");
    assert_eq!((store.stats().users, store.stats().merchants), (1, 1), "histories know of it");
    assert_eq!(confusion(&service), [0; 4], "nobody knows what was decided");
    // The label itself is remembered: it can be corrected without saying it all again.
    assert_eq!(service.post("/feedback", label("old", false).to_string()).json()["result"], "corrected");
}

#[test]
fn a_label_leaves_a_line_without_merchant_or_user() {
    let service = Service::start(&[]);
    let named = json!({"transaction_id": "told", "is_fraud": true, "merchant": "Corner shop",
                       "user_id": "4111111111111111", "decision": "review", "model_version": "v0.9"});
    service.post("/feedback", json!([named, label("nobody", true)]).to_string());
    let line = service.log_line(|line| line["transaction_id"] == "told");
    assert_eq!((&line["is_fraud"], &line["decision"]), (&json!(true), &json!("review")));
    assert_eq!((&line["model_version"], &line["http_path"]), (&json!("v0.9"), &json!("/feedback")));
    assert_eq!(line["user"].as_str().map(str::len), Some(32));
    for secret in ["4111111111111111", "Corner shop"] {
        assert!(!line.to_string().contains(secret), "{line}");
    }
    assert_eq!(service.log_line(|_| true)["code"], "unknown_transaction");
    assert_eq!(service.log_line(|_| true)["rows"], 2);
}
