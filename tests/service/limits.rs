//! Bytes, connections and time: what is refused, and that nothing else suffers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::keys::with_keys;
use crate::service::{Parts, Service, shared};
use crate::transactions::{plain, unique, with};

/// Begins a request whose body never ends, and waits until the service asks for that body: its bytes are budgeted then.
fn hold(service: &Service, path: &str, length: usize) -> crate::client::Client {
    let mut client = service.client();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 100);
    client
}

#[test]
fn bodies_in_flight_have_a_budget() {
    let service = Service::start(&[
        ("FRAUD_HTTP__PREDICT_BODY_LIMIT", "16KiB"),
        ("FRAUD_HTTP__BATCH_BODY_LIMIT", "32KiB"),
        ("FRAUD_HTTP__BYTES_IN_FLIGHT", "32KiB"),
    ]);
    let mut holder = hold(&service, "/batch", 32 * 1024);
    let body = plain("budget").to_string();
    let refused = service.post("/predict", &body);
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(service.get("/health").status, 200);
    // Once the holder is answered, its bytes are free again.
    holder.send(vec![b' '; 32 * 1024]);
    assert_eq!(holder.answer().status, 400);
    assert_eq!(service.post("/predict", &body).status, 200);
}

#[test]
fn bodies_are_measured_by_their_length_and_by_their_bytes() {
    let fill = |limit: usize| with(plain(&unique()), "unknown", json!("x".repeat(limit))).to_string();
    let overhead = fill(0).len();
    let fits = fill(16 * 1024 - overhead - 8);
    assert_eq!(shared().post("/predict", &fits).status, 200);
    let chunked = |body: &str| {
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        shared().client().post("/predict", &["Transfer-Encoding: chunked"], chunks)
    };
    assert_eq!(chunked(&fill(16 * 1024 - overhead - 8)).status, 200);
    let too_long = fill(16 * 1024);
    for answer in [shared().post("/predict", &too_long), chunked(&too_long)] {
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    // Told before any of it is sent.
    let mut client = shared().client();
    client.send(
        "POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
    );
    assert_eq!(client.answer().status, 413);
}

#[test]
fn a_refusal_is_read_although_its_body_was_not() {
    let keyed = with_keys(&[]);
    let starting = Service::of(Parts { model: false, ..Parts::default() });
    let long = vec![b'x'; 3 * 1024 * 1024];
    for (service, method, path, header, status) in [
        (shared(), "POST", "/predict", "Content-Type: application/json", 413),
        (shared(), "POST", "/predict", "Content-Type: text/plain", 415),
        (shared(), "POST", "/nowhere", "Content-Type: application/json", 404),
        (shared(), "POST", "/health", "Content-Type: application/json", 405),
        (&keyed, "POST", "/batch", "Content-Type: application/json", 401),
        (&starting, "POST", "/batch", "Content-Type: application/json", 503),
    ] {
        let answer = service.client().request(method, path, &[header], &long);
        assert_eq!(answer.status, status, "{path} {header}");
        assert!(!answer.code().is_empty());
    }
}

#[test]
fn an_idle_connection_is_closed_after_keep_alive() {
    let service = Service::start(&[("FRAUD_HTTP__KEEP_ALIVE", "1s")]);
    let mut client = service.client();
    assert_eq!(client.get("/ready", &[]).status, 200);
    let idle_since = Instant::now();
    assert!(client.is_closed());
    assert!(idle_since.elapsed() > Duration::from_millis(900));
    // A head that never ends is no reason to wait longer.
    let mut slow = service.client();
    slow.send("POST /predict HTTP/1.1\r\nHost: t\r\nX-Slow");
    assert!(slow.is_closed());
}

#[test]
fn connections_above_the_cap_are_for_probes() {
    let service = Service::start(&[("FRAUD_HTTP__MAX_CONNECTIONS", "2"), ("FRAUD_HTTP__PROBE_CONNECTIONS", "2")]);
    // The place of an earlier connection is free a moment after its end.
    let hold = |_| loop {
        let mut client = service.client();
        if client.get("/ready", &[]).header("connection").is_none() {
            break client;
        }
    };
    let mut holders = [0, 1].map(hold);
    for _ in 0..3 {
        for path in ["/health", "/ready", "/metrics"] {
            let answer = service.get(path);
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{path}");
        }
        let refused = service.post("/predict", plain(&unique()).to_string());
        assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
        assert_eq!(refused.header("connection"), Some("close"));
    }
    for holder in &mut holders {
        assert_eq!(holder.post("/predict", &[], plain(&unique()).to_string()).status, 200);
    }
}

#[test]
fn a_connection_serves_many_requests_and_pipelined_ones_too() {
    let mut client = shared().client();
    for _ in 0..50 {
        assert_eq!(client.post("/predict", &[], plain(&unique()).to_string()).status, 200);
    }
    client.send("GET /ready HTTP/1.1\r\nHost: t\r\n\r\n".repeat(5));
    // Read as one stream: answers follow each other.
    let mut found = 0;
    while found < 5 {
        let answer = client.answer();
        found += 1 + String::from_utf8_lossy(&answer.body).matches("HTTP/1.1 200").count();
    }
}
