//! The HTTP edge: every route and every layer on this page.
//!
//! A request passes, from the outside in: its connection ([`connection`]) · the [`edge`] (request id, record of the
//! request, answers to errors) · panics caught · the key's scope ([`auth`]) · its handler, which reads the body
//! ([`body`]), has [`wire`] parse it, asks the scorer, and turns what comes back into an answer. Handlers return
//! [`ApiError`]; only [`error`] knows statuses.

pub mod auth;
pub mod batch;
pub mod body;
pub mod connection;
pub mod documents;
pub mod edge;
pub mod error;
pub mod feedback;
pub mod flags;
pub mod openapi;
pub mod predict;
pub mod probes;
pub mod server;
pub mod timing;
pub mod wire;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::{Method, StatusCode};
use jiff::tz::TimeZone;
use tower_http::catch_panic::CatchPanicLayer;

use crate::domain::Timestamp;
use crate::http::body::Budget;
use crate::http::error::ApiError;
use crate::lifecycle::Lifecycle;
use crate::observability::Observability;
use crate::scoring::Scorer;
use crate::settings::{HttpSettings, Settings};

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    scorer: Arc<Scorer>,
    observability: Observability,
    lifecycle: Lifecycle,
    settings: HttpSettings,
    zone: TimeZone,
    budget: Budget,
    openapi: Bytes,
    started_at: Instant,
}

impl Shared {
    /// From the parts that the composition root has built.
    #[must_use]
    pub fn new(settings: &Settings, scorer: Arc<Scorer>, observability: Observability, lifecycle: Lifecycle) -> Self {
        let http = settings.http.clone();
        let contract = openapi::contract(&http.base_path).to_json();
        Self {
            budget: Budget::new(http.bytes_in_flight),
            openapi: contract.expect("the contract is plain data, of which a test has written every part").into(),
            zone: settings.timestamps.zone.clone(),
            started_at: Instant::now(),
            settings: http,
            scorer,
            observability,
            lifecycle,
        }
    }

    /// Refuses before a body is read what cannot be scored after.
    fn check_able_to_score(&self) -> Result<(), ApiError> {
        if self.scorer.model().is_some() { Ok(()) } else { Err(ApiError::NotReady) }
    }
}

/// How far ahead of the server's clock a timestamp may be.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The latest timestamp that is accepted now; none once the clock itself has left the range of timestamps.
fn latest_timestamp() -> Option<Timestamp> {
    timestamp_in(CLOCK_TOLERANCE)
}

/// The clock; what is beyond the range of timestamps is its end.
fn now() -> Timestamp {
    timestamp_in(Duration::ZERO).unwrap_or(Timestamp::LAST)
}

fn timestamp_in(ahead: Duration) -> Option<Timestamp> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
    i64::try_from(since_1970.as_millis()).ok().and_then(Timestamp::from_millis)
}

/// Every route with its layers, under the base path.
pub fn router(shared: Arc<Shared>) -> Router {
    let scoring = Router::new()
        .route("/predict", post(predict::predict))
        .route("/batch", post(batch::batch))
        .route_layer(middleware::from_fn_with_state(shared.clone(), auth::score));
    let feedback = Router::new()
        .route("/feedback", post(feedback::feedback))
        .route_layer(middleware::from_fn_with_state(shared.clone(), auth::feedback));
    let probes = Router::new()
        .route("/health", get(probes::health))
        .route("/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics));
    let documents = Router::new()
        .route("/model", get(documents::model))
        .route("/openapi.json", get(documents::openapi))
        .route("/docs", get(documents::to_docs))
        .route("/docs/", get(documents::docs))
        .route("/docs/{*file}", get(documents::docs_file))
        .route_layer(middleware::from_fn_with_state(shared.clone(), auth::documents));
    let routes = scoring.merge(feedback).merge(probes).merge(documents).method_not_allowed_fallback(other_method);

    let base_path = shared.settings.base_path.as_str();
    let routes = if base_path.is_empty() { routes } else { Router::new().nest(base_path, routes) };
    routes
        .fallback(not_found)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(shared.clone(), edge::edge))
        .with_state(shared)
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// `OPTIONS` asks for the header `Allow`, which the router adds to this answer either way.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::MethodNotAllowed.into_response()
    }
}

/// The panic itself was logged where it happened.
fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    ApiError::Internal("a handler panicked; its own log line says where".to_owned()).into_response()
}
