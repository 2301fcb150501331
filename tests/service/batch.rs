//! Batches: whole or not at all, each item for itself.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::service::{Parts, Service, shared};
use crate::stores::Gated;
use crate::transactions::{of_user, plain, unique, with};

#[test]
fn both_forms_score_as_single_predictions_do() {
    let transactions: Vec<Value> = (0..20).map(|_| plain(&unique())).collect();
    let singly: Vec<Value> =
        transactions.iter().map(|one| shared().post("/predict?dry_run=true", one.to_string()).json()).collect();
    for body in [json!(transactions), json!({"transactions": transactions, "source": "nightly"})] {
        let answer = shared().post("/batch?dry_run=true", body.to_string());
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["results"], json!(singly));
        assert_eq!(answer.json()["summary"]["count"], 20);
    }
}

#[test]
fn history_runs_in_the_order_sent() {
    let (batched, singly) = (unique(), unique());
    let of = |user: &str, amount: u32| with(of_user(&unique(), user), "amount", json!(amount));
    let amounts = [10, 20, 5000, 10, 20];
    let batch: Vec<Value> = amounts.iter().map(|amount| of(&batched, *amount)).collect();
    let scores = |results: Vec<Value>| -> Vec<Value> {
        results.into_iter().map(|result| result["fraud_probability"].clone()).collect()
    };
    let answer = shared().post("/batch", json!(batch).to_string()).json();
    let one_by_one: Vec<Value> =
        amounts.iter().map(|amount| shared().post("/predict", of(&singly, *amount).to_string()).json()).collect();
    assert_eq!(scores(answer["results"].as_array().unwrap().clone()), scores(one_by_one));
}

#[test]
fn a_batch_of_faults_is_still_a_batch() {
    let answer = shared().post("/batch", r#"[{}, 5, null, {"transaction_id":"known"}]"#);
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["summary"], json!({"count": 4, "fraud": 0, "errors": 4}));
    for (index, id) in [Value::Null, Value::Null, Value::Null, json!("known")].iter().enumerate() {
        let result = &answer["results"][index];
        assert_eq!((&result["index"], &result["transaction_id"]), (&json!(index), id));
        assert_eq!(result["error"]["code"], "invalid_transaction");
        assert!(!result["error"]["errors"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_thousand_fit_and_one_more_does_not() {
    let batch = |count: usize| json!((0..count).map(|_| plain(&unique())).collect::<Vec<_>>()).to_string();
    let answer = shared().post("/batch", batch(1000));
    assert_eq!((answer.status, &answer.json()["summary"]["errors"]), (200, &json!(0)));
    let answer = shared().post("/batch", batch(1001));
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid_batch"));
}

#[test]
fn a_batch_is_admitted_whole_or_refused_and_then_leaves_no_trace() {
    let store = Arc::new(Gated::closed());
    let settings = &[("FRAUD_SCORING__QUEUE_ROWS", "4"), ("FRAUD_SCORING__MAX_BATCH", "4")];
    let service = Service::of(Parts { settings, history: store.clone(), ..Parts::default() });
    let batch = |name: &str, rows: usize| {
        json!((0..rows).map(|row| of_user(&format!("{name}-{row}"), "user")).collect::<Vec<_>>()).to_string()
    };
    std::thread::scope(|scope| {
        let admitted = scope.spawn(|| service.post("/batch", batch("first", 3)));
        store.wait_for_a_call();
        let refused = service.post("/batch", batch("second", 2));
        assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
        // Batches do not take the room of single predictions.
        assert_eq!(service.post("/predict", plain("single").to_string()).status, 200);
        store.open();
        assert_eq!(admitted.join().unwrap().json()["summary"]["errors"], 0);
    });
    let retried = service.post("/batch", batch("second", 2));
    assert_eq!(retried.status, 200);
    assert!(retried.json()["results"].as_array().unwrap().iter().all(|result| result["replayed"].is_null()));
}
