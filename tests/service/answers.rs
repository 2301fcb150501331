//! Every answer that is no error, whole.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use crate::client::Answer;
use crate::service::{Parts, Service, shared};
use crate::stores::Gated;
use crate::transactions::{of_user, plain, unique, with};

/// The answer with the values of these members masked: they are the model's, and change with every version of it.
fn masked(answer: &Answer, members: &[&str]) -> String {
    let mut told = answer.told();
    for member in members {
        let start = format!("\"{member}\":");
        let mut from = 0;
        while let Some(found) = told[from..].find(&start) {
            let value = from + found + start.len();
            let length = match told[value..].chars().next() {
                Some('"') => told[value + 1..].find('"').unwrap() + 2,
                Some('[') => told[value..].find(']').unwrap() + 1,
                _ => told[value..].find([',', '}']).unwrap(),
            };
            told.replace_range(value..value + length, "…");
            from = value;
        }
    }
    told
}

const OF_THE_MODEL: [&str; 8] =
    ["is_fraud", "fraud", "risk_score", "fraud_probability", "decision", "red_flags", "reasoning", "model_version"];

#[test]
fn predict_answers_with_every_member_of_the_contract() {
    let answer = shared().post("/predict", of_user("answers-1", "answers-user").to_string());
    assert_snapshot!(masked(&answer, &OF_THE_MODEL));
    let decision = answer.json();
    assert_eq!(decision["is_fraud"], decision["fraud"]);
    assert_eq!(decision["is_fraud"], json!(decision["decision"] == "decline"));
    let risk_score = decision["risk_score"].as_u64().unwrap();
    let expected = match risk_score {
        0..50 => "approve",
        50..80 => "review",
        _ => "decline",
    };
    assert_eq!(decision["decision"], expected);
    let probability = decision["fraud_probability"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&probability));
    assert!((probability * 1e6 - (probability * 1e6).round()).abs() < 1e-6, "more than six decimals: {probability}");
}

#[test]
fn explain_gives_an_approval_its_red_flags() {
    let id = unique();
    let plainly = shared().post("/predict?dry_run=true", plain(&id).to_string()).json();
    let explained = shared().post("/predict?dry_run=true&explain=true", plain(&id).to_string()).json();
    assert_eq!(plainly["risk_score"], explained["risk_score"]);
    if plainly["decision"] == "approve" {
        assert_eq!(plainly["red_flags"], json!([]));
    }
    assert!(explained["red_flags"].is_array() && !explained["reasoning"].as_str().unwrap().is_empty());
}

#[test]
fn a_history_that_does_not_answer_is_told_and_does_not_stop_scoring() {
    let parts =
        Parts { history: Arc::new(Gated::closed()), history_timeout: Duration::from_millis(20), ..Parts::default() };
    let service = Service::of(parts);
    let answer = service.post("/predict", of_user("unavailable", "user").to_string());
    assert_eq!((answer.status, &answer.json()["history"]), (200, &json!("unavailable")));
    assert_eq!(service.post("/predict", plain("no-user").to_string()).json()["history"], "none");
    let batch =
        service.post("/batch", json!([of_user("batched", "user"), plain("batched-no-user")]).to_string()).json();
    assert_eq!(batch["results"][0]["history"], "unavailable");
    assert_eq!(batch["results"][1]["history"], "none");
}

#[test]
fn batch_answers_in_the_order_sent() {
    let service = Service::start(&[]);
    service.post("/predict", plain("batch-known").to_string());
    let batch = json!({"transactions": [
        plain("batch-1"),
        with(plain("batch-2"), "amount", json!("much")),
        plain("batch-known"),
        {"transaction_id": "two words"},
        with(plain("batch-1"), "amount", json!(1)),
    ]});
    assert_snapshot!(masked(&service.post("/batch", batch.to_string()), &OF_THE_MODEL));
}

#[test]
fn probes_and_the_model_answer() {
    let service = shared();
    assert_snapshot!("health", masked(&service.get("/health"), &["model_version", "uptime_seconds", "version"]));
    assert_snapshot!("ready", service.get("/ready").told());
    let model = service.get("/model");
    let numbers = [
        "version",
        "sha256",
        "loaded_at",
        "trained_at",
        "features",
        "rows",
        "frauds",
        "auc",
        "average_precision",
        "recall_at_half_percent_alerts",
        "recall_at_one_percent_alerts",
    ];
    assert_snapshot!("model", masked(&model, &numbers));
    let version = model.json()["version"].clone();
    assert_eq!(service.get("/health").json()["model_version"], version);
    assert_eq!(service.post("/predict", plain(&unique()).to_string()).json()["model_version"], version);
}

#[test]
fn the_metrics_page_counts_what_was_asked() {
    let service = Service::start(&[]);
    service.post("/predict", plain("metrics-1").to_string());
    service.post("/predict", plain("metrics-1").to_string());
    service.post("/predict", "{");
    let page = service.get("/metrics");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let page = page.text().to_owned();
    let value = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}:\n{page}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("fraud_detection_replayed_total"), 1.0);
    assert!(page.ends_with("# EOF\n"));
}
