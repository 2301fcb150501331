//! Who may call what.
//!
//! With API keys configured, scoring needs a key with the scope `score`, feedback one with `feedback`. `/model`, `/openapi.json` and `/docs` are open
//! while `public_docs` is set; otherwise they need the scope `ops`, and without any keys they do not exist. Probes
//! are never asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::http::Shared;
use crate::http::error::ApiError;
use crate::observability::ScoringEvent;
use crate::settings::{ApiKeys, Scope};

/// Guards the scoring routes.
///
/// # Errors
/// 401 or 403.
pub async fn score(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, ApiError> {
    require_if_any(&shared.settings.api_keys, Scope::Score, &request)?;
    Ok(next.run(request).await)
}

/// Guards feedback.
///
/// # Errors
/// 401 or 403.
pub async fn feedback(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, ApiError> {
    require_if_any(&shared.settings.api_keys, Scope::Feedback, &request)?;
    Ok(next.run(request).await)
}

/// Guards the documents.
///
/// # Errors
/// 401, 403, or 404 where they are closed to all.
pub async fn documents(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, ApiError> {
    if !shared.settings.public_docs {
        if shared.settings.api_keys.is_empty() {
            return Err(ApiError::NotFound);
        }
        require(&shared.settings.api_keys, Scope::Ops, &request)?;
    }
    Ok(next.run(request).await)
}

/// Without any keys configured nobody needs one.
fn require_if_any(keys: &ApiKeys, scope: Scope, request: &Request) -> Result<(), ApiError> {
    if keys.is_empty() { Ok(()) } else { require(keys, scope, request) }
}

fn require(keys: &ApiKeys, scope: Scope, request: &Request) -> Result<(), ApiError> {
    let key = presented(request.headers()).and_then(|presented| keys.authorise(presented));
    let key = key.ok_or(ApiError::Unauthorized)?;
    if let Some(event) = request.extensions().get::<ScoringEvent>() {
        event.caller(key.name());
    }
    if key.allows(scope) { Ok(()) } else { Err(ApiError::Forbidden(scope.as_str())) }
}

/// `Authorization: Bearer KEY`, else `X-Api-Key: KEY`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| key.trim_start_matches(' '))
    });
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_in_either_header() {
        for (name, value, key) in [
            ("authorization", "Bearer k1", Some("k1")),
            ("authorization", "bearer  k1", Some("k1")),
            ("authorization", "Basic k1", None),
            ("authorization", "Bearer", None),
            ("authorization", "k1", None),
            ("x-api-key", "k1", Some("k1")),
            ("cookie", "k1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(presented(&headers), key, "{name}: {value}");
        }
    }
}
