//! `POST /batch`: up to a thousand transactions in, a result for each out, in the order sent.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tokio::time::timeout_at;

use crate::domain::TransactionId;
use crate::http::error::ApiError;
use crate::http::flags::Flags;
use crate::http::openapi::{BatchBody, BatchErrors};
use crate::http::wire::{
    self, BatchDecision, BatchFailure, BatchItemFault, BatchResponse, BatchResult, BatchSummary, PredictResponse,
};
use crate::http::{Shared, body, latest_timestamp, timing};
use crate::observability::ScoringEvent;
use crate::scoring::{AssessOptions, Assessment, BatchAssessment};

/// Reads transactions, has the readable ones assessed together, and tells what became of each.
///
/// # Errors
/// Those of [`BatchErrors`].
#[utoipa::path(
    post,
    path = "/batch",
    tag = "scoring",
    summary = "Score many transactions",
    description = "Decides on up to 1000 transactions with one model. The batch is admitted whole or refused whole; after \
                   that an item that fails does not fail the others. Results stand in the order sent, and history is \
                   read and recorded in that order.",
    params(Flags),
    request_body(content = BatchBody, description = "1 to 1000 transactions: an object, or the bare array."),
    responses(
        (status = 200, description = "A result for each transaction, in the order sent.", body = BatchResponse,
         headers(
            ("X-Request-Id" = String, description = "The caller's `X-Request-Id` or `X-Correlation-Id`, else a new one."),
            ("Server-Timing" = String, description = "Milliseconds in `parse`, `history`, `features`, `queue`, `model` and `explain`, each the longest that a part of the batch took."),
         )),
        BatchErrors,
    ),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn batch(
    State(shared): State<Arc<Shared>>,
    Extension(event): Extension<ScoringEvent>,
    request: Request,
) -> Result<Response, ApiError> {
    let Flags { dry_run, explain } = Flags::parse(request.uri().query()).map_err(ApiError::InvalidBatch)?;
    shared.check_able_to_score()?;
    let settings = &shared.settings;
    let body = body::read(request, &shared.budget, settings.batch_body_limit, settings.body_timeout).await?;

    let arrived_at = Instant::now();
    let items = wire::parse_batch(&body.bytes, &shared.zone, latest_timestamp())
        .map_err(|fault| ApiError::of_wire(fault, ApiError::InvalidBatch))?;
    let parse = arrived_at.elapsed();
    let deadline = arrived_at + settings.batch_deadline;
    let room = shared.observability.logs().reserve(u32::try_from(items.len()).unwrap_or(u32::MAX));
    let room = timeout_at(deadline.into(), room).await.map_err(|_| ApiError::DeadlineExceeded)?;
    event.batch(items.len(), room);
    if dry_run {
        event.dry_run();
    }
    let mut transactions = Vec::with_capacity(items.len());
    let sent: Vec<Result<TransactionId, BatchItemFault>> = items
        .into_iter()
        .map(|item| {
            item.map(|transaction| {
                let id = transaction.id.clone();
                transactions.push(transaction);
                id
            })
        })
        .collect();
    let options = AssessOptions { dry_run, explain, deadline };
    let assessed = shared.scorer.assess_batch(transactions, options).await?;

    let mut response = Json(answer(&sent, &assessed, &event)).into_response();
    let fresh = assessed.results.iter().flatten().filter(|assessment| !assessment.replayed);
    let stages = timing::longest(fresh.map(|assessment| assessment.stages));
    timing::insert(response.headers_mut(), parse, stages);
    Ok(response)
}

/// Puts each result in the place of its item, and on record.
fn answer<'a>(
    sent: &[Result<TransactionId, BatchItemFault>],
    assessed: &'a BatchAssessment,
    event: &ScoringEvent,
) -> BatchResponse<'a> {
    let mut outcomes = assessed.results.iter();
    let mut summary = BatchSummary { count: sent.len(), ..BatchSummary::default() };
    let results = sent.iter().enumerate().map(|(index, item)| {
        let (id, error) = match item {
            Err(fault) => (fault.transaction_id.as_ref(), ApiError::InvalidTransaction(fault.faults.clone())),
            Ok(id) => match outcomes.next() {
                Some(Ok(assessment)) => {
                    event.decided(assessment);
                    let Assessment { decided, replayed, .. } = assessment;
                    summary.fraud += usize::from(decided.decision.is_fraud());
                    let decision = PredictResponse::of(decided);
                    return BatchResult::Decided(BatchDecision { decision, replayed: *replayed });
                }
                Some(Err(error)) => (Some(id), ApiError::from(error.clone())),
                None => (Some(id), ApiError::Internal("the scorer answered for fewer items".to_owned())),
            },
        };
        event.item_failed(id, error.code(), error.cause());
        summary.errors += 1;
        let transaction_id = id.map(|id| id.as_str().to_owned());
        BatchResult::Failed(BatchFailure { index, transaction_id, error: error.item() })
    });
    let results = results.collect();
    BatchResponse { results, summary, model_version: &assessed.model_version }
}
