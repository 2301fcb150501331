//! The same id again: the same answer, one count; with other content a conflict; failures are not remembered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::service::{Parts, Service, shared};
use crate::stores::{Gated, PanicsOnce};
use crate::transactions::{of_user, plain, unique, with};

#[test]
fn the_same_content_is_answered_again_and_other_content_refused() {
    let id = unique();
    let first = shared().post("/predict", plain(&id).to_string());
    let again = shared().post("/predict", plain(&id).to_string());
    assert!(!first.is_replayed() && again.is_replayed());
    assert_eq!(first.body, again.body);
    for (field, value) in [
        ("amount", json!(129.91)),
        ("merchant", json!("Other shop")),
        ("location", json!("Paris, FR")),
        ("timestamp", json!("2026-04-23T10:15:31Z")),
        ("user_id", json!("u")),
        ("channel", json!("pos")),
    ] {
        let other = shared().post("/predict", with(plain(&id), field, value).to_string());
        assert_eq!((other.status, other.code().as_str()), (409, "transaction_id_reused"), "{field}");
    }
}

#[test]
fn a_dry_run_is_neither_remembered_nor_answered_from_memory_nor_recorded() {
    let (id, user) = (unique(), unique());
    for _ in 0..2 {
        let dry = shared().post("/predict?dry_run=true", of_user(&id, &user).to_string());
        assert_eq!((dry.status, dry.is_replayed()), (200, false));
    }
    // Other content is no conflict: nothing was remembered.
    let real = shared().post("/predict", with(of_user(&id, &user), "amount", json!(5)).to_string());
    assert_eq!((real.status, real.is_replayed()), (200, false));
    let dry = shared().post("/predict?dry_run=true", of_user(&id, &user).to_string());
    assert_eq!((dry.status, dry.is_replayed()), (200, false));
}

#[test]
fn of_two_at_the_same_moment_the_second_waits_for_the_first() {
    let store = Arc::new(Gated::closed());
    let service = Service::of(Parts { history: store.clone(), ..Parts::default() });
    let body = of_user("twice", "user").to_string();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post("/predict", &body));
        store.wait_for_a_call();
        let rest: Vec<_> = (0..8).map(|_| scope.spawn(|| service.post("/predict", &body))).collect();
        // A ninth is in flight only once its connection is served: until then the gate stays shut.
        assert_eq!(service.get("/ready").status, 200);
        store.open();
        std::iter::once(first).chain(rest).map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert!(!answers[0].is_replayed() && answers[1..].iter().all(|answer| answer.is_replayed()));
    assert_eq!(store.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failure_is_not_remembered() {
    let service = Service::of(Parts { history: Arc::new(PanicsOnce::new()), ..Parts::default() });
    let body = of_user("fails-first", "user").to_string();
    assert_eq!(service.post("/predict", &body).status, 500);
    let retried = service.post("/predict", &body);
    assert_eq!((retried.status, retried.is_replayed()), (200, false));
    assert!(service.post("/predict", &body).is_replayed());
}

#[test]
fn a_caller_who_hangs_up_leaves_the_id_free() {
    let store = Arc::new(Gated::closed());
    let service = Service::of(Parts { history: store.clone(), ..Parts::default() });
    let body = of_user("hung-up", "user").to_string();
    let mut gone = service.client();
    gone.send(format!(
        "POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    store.wait_for_a_call();
    drop(gone);
    service.log_line(|line| line["http_status"] == 499 && line["code"] == "client_closed_request");
    store.open();
    let answer = service.post("/predict", &body);
    assert_eq!((answer.status, answer.is_replayed()), (200, false));
}

#[test]
fn replays_inside_and_across_batches_say_so() {
    let (first, second) = (unique(), unique());
    let batch = json!([plain(&first), plain(&second), plain(&first)]).to_string();
    let replayed = |answer: Value| -> Vec<bool> {
        answer["results"].as_array().unwrap().iter().map(|result| result["replayed"] == true).collect()
    };
    assert_eq!(replayed(shared().post("/batch", &batch).json()), [false, false, true]);
    assert_eq!(replayed(shared().post("/batch", &batch).json()), [true, true, true]);
    assert_eq!(replayed(shared().post("/batch?dry_run=true", &batch).json()), [false, false, false]);
    assert!(shared().post("/predict", plain(&second).to_string()).is_replayed());
}
