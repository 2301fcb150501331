//! Reading a body: plain JSON only, bounded in bytes and in time, within a budget of bytes for all bodies together.
//!
//! Whatever can be refused before reading is refused before reading.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::http::error::ApiError;

/// Room for the bodies of all requests in flight, in bytes.
#[derive(Debug)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// Room for `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let permits = u32::try_from(bytes).map_err(|_| ApiError::Overloaded(BUDGET))?;
        self.0.clone().try_acquire_many_owned(permits).map_err(|_| ApiError::Overloaded(BUDGET))
    }
}

const BUDGET: &str = "budget of bytes in flight";

/// A body that was read. It keeps its share of the budget until it is dropped.
#[derive(Debug)]
pub struct ReadBody {
    /// The bytes, at most the limit.
    pub bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

/// Reads the body of a request, at most `limit` bytes within `patience`.
///
/// # Errors
/// 415, 413 and 503 before anything is read; 413, 408 and 400 (it broke off) while reading.
pub async fn read(
    request: Request<Body>,
    budget: &Budget,
    limit: usize,
    patience: Duration,
) -> Result<ReadBody, ApiError> {
    let (head, body) = request.into_parts();
    check_type(&head.headers)?;
    // Without a length, as in chunked transfer, the body is taken to be as long as it may be.
    let length = match head.headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(usize::MAX),
        None => limit,
    };
    if length > limit {
        return Err(ApiError::BodyTooLarge(limit));
    }
    let share = budget.take(length)?;
    match timeout(patience, Limited::new(body, limit).collect()).await {
        Err(_) => Err(ApiError::BodyTimeout),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge(limit)),
        Ok(Err(_)) => Err(ApiError::BodyBroken),
        Ok(Ok(collected)) => Ok(ReadBody { bytes: collected.to_bytes(), _share: share }),
    }
}

/// `application/json` in UTF-8, not encoded.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(ApiError::UnsupportedMediaType("Content-Type must be application/json."));
    }
    let charset = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim_end().eq_ignore_ascii_case("charset"));
    if charset.is_some_and(|(_, value)| !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return Err(ApiError::UnsupportedMediaType("The charset must be UTF-8."));
    }
    let encoded = |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(encoded) {
        return Err(ApiError::UnsupportedMediaType("The body must not have a Content-Encoding."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_json_is_read() {
        for (content_type, encoding, accepted) in [
            ("application/json", None, true),
            ("application/json;charset=UTF-8", None, true),
            ("Application/JSON ; charset = \"utf-8\"; profile=x", None, true),
            ("application/json", Some("identity"), true),
            ("application/json", Some("gzip"), false),
            ("application/json; charset=iso-8859-1", None, false),
            ("application/jsonp", None, false),
            ("application/problem+json", None, false),
            ("text/plain", None, false),
            ("", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            }
            assert_eq!(check_type(&headers).is_ok(), accepted, "{content_type} {encoding:?}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    #[tokio::test]
    async fn the_budget_is_charged_by_length_and_given_back() {
        let budget = Budget::new(100);
        let request = |length: Option<usize>, body: &'static str| {
            let mut request = Request::new(Body::from(body));
            request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
            if let Some(length) = length {
                request.headers_mut().insert(CONTENT_LENGTH, length.into());
            }
            request
        };
        let patience = Duration::from_secs(5);
        let first = read(request(Some(2), "{}"), &budget, 98, patience).await.unwrap();
        assert_eq!((first.bytes.as_ref(), budget.0.available_permits()), (&b"{}"[..], 98));
        let chunked = read(request(None, "{}"), &budget, 98, patience).await.unwrap();
        assert_eq!(budget.0.available_permits(), 0);
        let refused = read(request(Some(2), "{}"), &budget, 98, patience).await.unwrap_err();
        assert_eq!(refused, ApiError::Overloaded(BUDGET));
        drop((first, chunked));
        assert_eq!(budget.0.available_permits(), 100);
        for length in [Some(99), Some(usize::MAX), None] {
            let refused = read(request(length, "[0,1,2,3,4,5,6,7,8,9]"), &budget, 20, patience).await.unwrap_err();
            assert_eq!(refused, ApiError::BodyTooLarge(20));
        }
        assert_eq!(budget.0.available_permits(), 100);
    }
}
