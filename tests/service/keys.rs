//! API keys and their scopes.

use sha2::{Digest, Sha256};

use crate::service::Service;
use crate::transactions::{plain, unique};

/// A service that knows the keys `score-key`, `feedback-key` and `ops-key`, each with the scope of its name.
pub(crate) fn with_keys(settings: &[(&str, &str)]) -> Service {
    let hash =
        |key: &str| -> String { Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect() };
    let keys = format!(
        "core:score:{},desk:feedback:{},watch:ops:{}",
        hash("score-key"),
        hash("feedback-key"),
        hash("ops-key")
    );
    let mut all = vec![("FRAUD_HTTP__API_KEYS", keys.as_str())];
    all.extend(settings);
    Service::start(&all)
}

#[test]
fn scoring_needs_a_key_with_the_scope() {
    let service = with_keys(&[]);
    for (header, status) in [
        ("X-Nothing: 1", 401),
        ("X-Api-Key: wrong", 401),
        ("X-Api-Key: core", 401),
        ("X-Api-Key: ops-key", 403),
        ("Authorization: Bearer ops-key", 403),
        ("Authorization: Basic score-key", 401),
        ("X-Api-Key: score-key", 200),
        ("Authorization: Bearer score-key", 200),
        ("Authorization: bearer score-key", 200),
    ] {
        for (path, body) in [("/predict", plain(&unique()).to_string()), ("/batch", format!("[{}]", plain(&unique())))]
        {
            let answer = service.client().post(path, &[header], body);
            assert_eq!(answer.status, status, "{header} {path}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        }
    }
}

#[test]
fn feedback_needs_a_key_with_its_own_scope() {
    let service = with_keys(&[]);
    let label = r#"{"transaction_id":"x","is_fraud":true,"merchant":"M"}"#;
    for (header, status) in [
        ("X-Nothing: 1", 401),
        ("X-Api-Key: score-key", 403),
        ("X-Api-Key: ops-key", 403),
        ("X-Api-Key: feedback-key", 200),
        ("Authorization: Bearer feedback-key", 200),
    ] {
        assert_eq!(service.client().post("/feedback", &[header], label).status, status, "{header}");
    }
    let predicted = service.client().post("/predict", &["X-Api-Key: feedback-key"], plain("x").to_string());
    assert_eq!(predicted.status, 403);
}

#[test]
fn probes_are_never_asked_for_a_key() {
    let service = with_keys(&[("FRAUD_HTTP__PUBLIC_DOCS", "false")]);
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
}

#[test]
fn documents_are_public_or_for_operators_or_closed() {
    let documents = ["/model", "/openapi.json", "/docs/", "/docs/swagger-ui.css"];
    let public = with_keys(&[]);
    let for_operators = with_keys(&[("FRAUD_HTTP__PUBLIC_DOCS", "false")]);
    let closed = Service::start(&[("FRAUD_HTTP__PUBLIC_DOCS", "false")]);
    for path in documents {
        assert_eq!(public.get(path).status, 200, "{path}");
        assert_eq!(for_operators.get(path).status, 401, "{path}");
        assert_eq!(for_operators.client().get(path, &["X-Api-Key: score-key"]).status, 403, "{path}");
        assert_eq!(for_operators.client().get(path, &["X-Api-Key: ops-key"]).status, 200, "{path}");
        assert_eq!(closed.get(path).status, 404, "{path}");
    }
}
