//! What load balancers, schedulers and scrapers ask: cheap, answered without a key and without a queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::http::Shared;
use crate::http::wire::{HealthResponse, ReadyResponse};
use crate::lifecycle::Phase;
use crate::observability::prometheus;
use crate::scoring::Health;

/// Tells whether the process can score, from what is already known.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    summary = "Whether the process can score",
    description = "For restarting: stays 200 while the process drains, under overload, and while things beside the \
                   process fail. A known transaction is scored now and then and the outcome remembered, so that asking \
                   costs nothing.",
    responses(
        (status = 200, description = "The process can score.", body = HealthResponse),
        (status = 503, description = "It cannot: it is starting, or broken.", body = HealthResponse),
    ),
)]
pub async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let health = shared.scorer.health();
    let Health { model_live, threads_progress, known_row_scored } = health;
    let word = |ok: bool, otherwise: &'static str| if ok { "ok" } else { otherwise };
    let response = HealthResponse {
        status: word_of(health.can_score()),
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        model_version: shared.scorer.model().map(|model| model.version().to_string()),
        uptime_seconds: shared.started_at.elapsed().as_secs(),
        checks: BTreeMap::from([
            ("model", word(model_live, "loading")),
            ("scoring_threads", word(threads_progress, "stalled")),
            ("known_transaction", word(known_row_scored, "failed")),
        ]),
    };
    (status(health.can_score()), Json(response)).into_response()
}

/// Tells the phase.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    summary = "Whether the process wants requests",
    description = "For routing: 200 only between the end of starting and the order to stop.",
    responses(
        (status = 200, description = "Send requests.", body = ReadyResponse),
        (status = 503, description = "Do not: the process is starting or draining.", body = ReadyResponse),
    ),
)]
pub async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let phase = shared.lifecycle.phase();
    let word = match phase {
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Draining => "draining",
    };
    (status(phase == Phase::Ready), Json(ReadyResponse { status: word })).into_response()
}

/// Tells everything counted so far.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    summary = "Everything counted and measured",
    description = "In OpenMetrics, the text format of Prometheus.",
    responses((status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text")),
)]
pub async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let page = prometheus::encode(&shared.observability.metrics().snapshot());
    ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], page).into_response()
}

fn status(ok: bool) -> StatusCode {
    if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn word_of(healthy: bool) -> &'static str {
    if healthy { "healthy" } else { "unhealthy" }
}
