//! The outermost layer: what every request gets, whatever becomes of it.
//!
//! A request id, a record for the log and the metrics, refusal where the connection only has room for probes, a body for
//! the errors that inner layers return as values, and `Connection: close` once the process drains.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HeaderValue};
use http::{HeaderMap, HeaderName};
use tokio::time::timeout;

use crate::http::Shared;
use crate::http::connection::ProbesOnly;
use crate::http::error::ApiError;
use crate::lifecycle::Phase;
use crate::observability::event::known_method;
use crate::observability::trace::trace_id;
use crate::observability::{RequestLine, Route, ScoringEvent};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Wraps every request. Inner layers find its [`ScoringEvent`] among the extensions.
pub async fn edge(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let line = request_line(&request, &shared.settings.base_path);
    let (route, request_id) = (line.route, line.request_id.clone());
    let mut response = match begin(&shared, line).await {
        Some(event) => {
            request.extensions_mut().insert(event.clone());
            let mut response = if request.extensions().get::<ProbesOnly>().is_some() && !route.is_probe() {
                ApiError::Overloaded("number of connections").into_response()
            } else {
                next.run(request).await
            };
            if let Some(error) = response.extensions_mut().remove::<ApiError>() {
                event.failed(error.code(), error.cause());
                error.tell(&mut response, &request_id);
            }
            event.finish(response.status().as_u16());
            response
        }
        None => {
            let (error, mut response) = (ApiError::DeadlineExceeded, Response::default());
            error.tell(&mut response, &request_id);
            shared.observability.refused_for_the_log(route, error.status().as_u16(), error.code());
            response
        }
    };
    let headers = response.headers_mut();
    if let Ok(request_id) = HeaderValue::try_from(&*request_id) {
        headers.insert(X_REQUEST_ID, request_id);
    }
    if shared.lifecycle.phase() == Phase::Draining {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Begins the record once there is room for its line, so that no line is ever lost; `None` when stdout stalls past the
/// deadline. Probes leave no line and wait for none.
async fn begin(shared: &Shared, line: RequestLine) -> Option<ScoringEvent> {
    let observability = &shared.observability;
    if line.route.is_probe() {
        return Some(ScoringEvent::begin_probe(observability, line));
    }
    let whole = matches!(line.route, Route::Batch | Route::Feedback);
    let patience = if whole { shared.settings.batch_deadline } else { shared.settings.deadline };
    let room = timeout(patience, observability.logs().reserve(1)).await.ok()?;
    Some(ScoringEvent::begin(observability, room, line))
}

fn request_line(request: &Request, base_path: &str) -> RequestLine {
    let headers = request.headers();
    let text = |name: &str| headers.get(name)?.to_str().ok();
    RequestLine {
        method: known_method(request.method().as_str()),
        route: route_of(request.uri().path(), base_path),
        request_id: request_id(headers).into(),
        trace_id: trace_id(text("traceparent"), text("x-amzn-trace-id")).map(Box::from),
        started: Instant::now(),
    }
}

/// The route that a path leads to.
fn route_of(path: &str, base_path: &str) -> Route {
    match path.strip_prefix(base_path) {
        Some(path) if path.starts_with("/docs/") => Route::Docs,
        Some(path) => Route::ALL.into_iter().find(|route| route.as_str() == path).unwrap_or(Route::Other),
        None => Route::Other,
    }
}

/// The caller's id where it is fit for headers and logs, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let fit = |name: &HeaderName| {
        let id = headers.get(name)?.to_str().ok()?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        ((1..=128).contains(&id.len()) && id.bytes().all(letters)).then(|| id.to_owned())
    };
    fit(&X_REQUEST_ID).or_else(|| fit(&X_CORRELATION_ID)).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_route_or_to_none() {
        for (path, base_path, route) in [
            ("/predict", "", Route::Predict),
            ("/ml/predict", "/ml", Route::Predict),
            ("/predict", "/ml", Route::Other),
            ("/mlpredict", "/ml", Route::Other),
            ("/docs", "", Route::Docs),
            ("/docs/index.html", "", Route::Docs),
            ("/docs2", "", Route::Other),
            ("/openapi.json", "", Route::OpenApi),
            ("/", "", Route::Other),
            ("other", "", Route::Other),
            ("*", "", Route::Other),
        ] {
            assert_eq!(route_of(path, base_path), route, "{base_path} {path}");
        }
    }

    #[test]
    fn the_callers_id_is_kept_where_it_is_fit() {
        let long = "x".repeat(129);
        for (request, correlation, expected) in [
            (Some("core:1.a-B_c"), Some("other"), Some("core:1.a-B_c")),
            (None, Some("other"), Some("other")),
            (Some("two words"), Some("other"), Some("other")),
            (Some(long.as_str()), None, None),
            (Some(""), None, None),
            (Some("{\"a\":1}"), Some("a\tb"), None),
            (None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(X_REQUEST_ID, request), (X_CORRELATION_ID, correlation)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let id = request_id(&headers);
            match expected {
                Some(expected) => assert_eq!(id, expected),
                None => assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}"),
            }
        }
    }
}
