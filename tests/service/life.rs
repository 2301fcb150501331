//! What callers see of the service's life: starting, ready, draining.

use crate::service::{Parts, Service};
use crate::transactions::plain;

#[test]
fn while_starting_everything_answers_and_nothing_scores() {
    let service = Service::of(Parts { model: false, ..Parts::default() });
    let (ready, health) = (service.get("/ready"), service.get("/health"));
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("starting")));
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(
        (health.json()["model_version"].is_null(), health.json()["checks"]["model"].as_str()),
        (true, Some("loading"))
    );
    let predict = service.post("/predict", plain("early").to_string());
    assert_eq!((predict.code().as_str(), predict.header("retry-after")), ("not_ready", Some("1")));
    assert_eq!(service.get("/openapi.json").status, 200);
}

#[test]
fn while_draining_it_scores_and_asks_connections_to_close() {
    let service = Service::start(&[("FRAUD_SHUTDOWN__DRAIN_DELAY", "60s")]);
    let mut kept = service.client();
    let before = kept.post("/predict", &[], plain("before").to_string());
    assert_eq!((before.status, before.header("connection")), (200, None));
    service.lifecycle.drain();
    let ready = service.get("/ready");
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("draining")));
    assert_eq!(service.get("/health").status, 200);
    let after = kept.post("/predict", &[], plain("after").to_string());
    assert_eq!((after.status, after.header("connection")), (200, Some("close")));
    assert!(kept.is_closed());
}
