//! `POST /feedback`: what later turned out to be true of transactions.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use tokio::time::timeout_at;

use crate::domain::{Feedback, TransactionId};
use crate::http::error::ApiError;
use crate::http::openapi::{FeedbackBody, FeedbackErrors};
use crate::http::wire::{
    self, BatchFailure, BatchItemFault, FeedbackItems, FeedbackResponse, FeedbackResult, FeedbackResults,
    FeedbackSummary, Instants,
};
use crate::http::{Shared, body, latest_timestamp, now};
use crate::observability::ScoringEvent;
use crate::scoring::{FeedbackError, Learned};

/// Reads labels, has them learned, and tells what each changed.
///
/// # Errors
/// Those of [`FeedbackErrors`].
#[utoipa::path(
    post,
    path = "/feedback",
    tag = "scoring",
    summary = "Tell what turned out to be true",
    description = "Labels transactions as fraud or genuine, often weeks after they were decided. Repeating is safe: a label \
                   counts once, and a later one on the same transaction corrects the earlier. Later decisions on the same \
                   user and merchant know of it from `labelled_at` on. `user_id`, `merchant`, `decision` and \
                   `model_version` are those of the transaction and its decision: while the service remembers the \
                   decision they may be left out; after that `merchant` is needed, `user_id` lets the user's history know, \
                   and without `decision` and `model_version` the label counts in no metric of right and wrong decisions.",
    request_body(
        content = FeedbackBody,
        description = "A label, or an array of 1 to 1000. Unknown fields are ignored; `null`, an absent field and an empty \
                       optional string are the same."
    ),
    responses(
        (status = 200, description = "What the label changed.", body = FeedbackResponse,
         headers(
            ("X-Request-Id" = String, description = "The caller's `X-Request-Id` or `X-Correlation-Id`, else a new one."),
         )),
        (status = 202, description = "To an array: a result for each label, in the order sent.", body = FeedbackResults,
         headers(
            ("X-Request-Id" = String, description = "The caller's `X-Request-Id` or `X-Correlation-Id`, else a new one."),
         )),
        FeedbackErrors,
    ),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn feedback(
    State(shared): State<Arc<Shared>>,
    Extension(event): Extension<ScoringEvent>,
    request: Request,
) -> Result<Response, ApiError> {
    shared.check_able_to_score()?;
    let settings = &shared.settings;
    let body = body::read(request, &shared.budget, settings.batch_body_limit, settings.body_timeout).await?;

    let deadline = Instant::now() + settings.batch_deadline;
    let instants = Instants { zone: &shared.zone, now: now(), latest: latest_timestamp() };
    let items = wire::parse_feedback(&body.bytes, instants)
        .map_err(|fault| ApiError::of_wire(fault, ApiError::InvalidFeedback))?;
    match items {
        FeedbackItems::One(item) => {
            event.about(&item.transaction_id);
            let learned = shared.scorer.learn(vec![item], deadline).await?.pop();
            let learned = learned.ok_or_else(too_few)??;
            event.learned(&learned);
            Ok(Json(FeedbackResponse::of(&learned)).into_response())
        }
        FeedbackItems::Many(items) => {
            let room = shared.observability.logs().reserve(u32::try_from(items.len()).unwrap_or(u32::MAX));
            let room = timeout_at(deadline.into(), room).await.map_err(|_| ApiError::DeadlineExceeded)?;
            event.batch(items.len(), room);
            let readable: Vec<Feedback> = items.iter().flatten().cloned().collect();
            let learned = shared.scorer.learn(readable, deadline).await?;
            let results = Json(answer(&items, &learned, &event)).into_response();
            Ok((StatusCode::ACCEPTED, results).into_response())
        }
    }
}

/// Puts each result in the place of its item, and on record.
fn answer<'a>(
    sent: &'a [Result<Feedback, BatchItemFault>],
    learned: &'a [Result<Learned, FeedbackError>],
    event: &ScoringEvent,
) -> FeedbackResults<'a> {
    let mut outcomes = learned.iter();
    let mut summary = FeedbackSummary { count: sent.len(), errors: 0 };
    let results = sent.iter().enumerate().map(|(index, item)| {
        let (id, error) = match item {
            Err(fault) => (fault.transaction_id.as_ref(), ApiError::InvalidFeedback(fault.faults.clone())),
            Ok(item) => match outcomes.next() {
                Some(Ok(learned)) => {
                    event.learned(learned);
                    return FeedbackResult::Learned(FeedbackResponse::of(learned));
                }
                Some(Err(error)) => (Some(&item.transaction_id), ApiError::from(error.clone())),
                None => (Some(&item.transaction_id), too_few()),
            },
        };
        event.item_failed(id, error.code(), error.cause());
        summary.errors += 1;
        let transaction_id = id.map(TransactionId::as_str).map(str::to_owned);
        FeedbackResult::Failed(BatchFailure { index, transaction_id, error: error.item() })
    });
    let results = results.collect();
    FeedbackResults { results, summary }
}

fn too_few() -> ApiError {
    ApiError::Internal("the scorer answered for fewer labels".to_owned())
}
