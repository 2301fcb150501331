//! `POST /predict`: one transaction in, one decision out.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderName, HeaderValue};

use crate::http::error::ApiError;
use crate::http::flags::Flags;
use crate::http::openapi::{PredictErrors, TransactionBody};
use crate::http::wire::{self, PredictResponse};
use crate::http::{Shared, body, latest_timestamp, timing};
use crate::observability::ScoringEvent;
use crate::scoring::AssessOptions;

/// Marks the remembered answer to an earlier request.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Reads a transaction, has it assessed, and tells the decision.
///
/// # Errors
/// Those of [`PredictErrors`].
#[utoipa::path(
    post,
    path = "/predict",
    tag = "scoring",
    summary = "Score a transaction",
    description = "Decides on one card transaction. `transaction_id` makes repeating safe: the same id with the same \
                   content gives the same answer again, marked with `Idempotent-Replayed: true`, and counts once; with \
                   other content it is a 409.",
    params(Flags),
    request_body(
        content = TransactionBody,
        description = "The transaction, or the same object as the member `transaction` of another. Unknown fields are \
                       ignored; `null`, an absent field and an empty optional string are the same."
    ),
    responses(
        (status = 200, description = "The decision.", body = PredictResponse,
         headers(
            ("X-Request-Id" = String, description = "The caller's `X-Request-Id` or `X-Correlation-Id`, else a new one."),
            ("Server-Timing" = String, description = "Milliseconds in `parse`, `history`, `features`, `queue`, `model` and `explain`."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the remembered answer to an earlier request."),
         )),
        PredictErrors,
    ),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn predict(
    State(shared): State<Arc<Shared>>,
    Extension(event): Extension<ScoringEvent>,
    request: Request,
) -> Result<Response, ApiError> {
    let Flags { dry_run, explain } = Flags::parse(request.uri().query()).map_err(ApiError::InvalidTransaction)?;
    shared.check_able_to_score()?;
    let settings = &shared.settings;
    let body = body::read(request, &shared.budget, settings.predict_body_limit, settings.body_timeout).await?;

    let arrived_at = Instant::now();
    let transaction = wire::parse_transaction(&body.bytes, &shared.zone, latest_timestamp())
        .map_err(|fault| ApiError::of_wire(fault, ApiError::InvalidTransaction))?;
    let parse = arrived_at.elapsed();
    event.about(&transaction.id);
    if dry_run {
        event.dry_run();
    }
    let options = AssessOptions { dry_run, explain, deadline: arrived_at + settings.deadline };
    let assessment = shared.scorer.assess(transaction, options).await?;
    event.decided(&assessment);

    let mut response = Json(PredictResponse::of(&assessment.decided)).into_response();
    timing::insert(response.headers_mut(), parse, assessment.stages);
    if assessment.replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
