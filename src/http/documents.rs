//! What describes the service: the live model, the contract, and a page to try it.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::CONTENT_TYPE;
use utoipa_swagger_ui::Config;

use crate::http::Shared;
use crate::http::error::ApiError;
use crate::http::openapi::{DocumentErrors, ModelErrors};
use crate::http::wire::ModelResponse;

/// Tells the live model.
///
/// # Errors
/// 503 while none is loaded.
#[utoipa::path(
    get,
    path = "/model",
    tag = "documents",
    summary = "The live model",
    description = "Its version, how well it did on transactions it had not seen, and when it was loaded.",
    responses((status = 200, description = "The live model.", body = ModelResponse), ModelErrors),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn model(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let model = shared.scorer.model().ok_or(ApiError::NotReady)?;
    Ok(Json(ModelResponse::of(&model)).into_response())
}

/// The contract, written when the service started.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "documents",
    summary = "This contract",
    description = "Its server is the base path under which the service answers.",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json"), DocumentErrors),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn openapi(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response()
}

/// Swagger UI asks for its files relative to its own folder, so that it works under any base path.
pub async fn to_docs() -> Redirect {
    Redirect::temporary("docs/")
}

/// The page's start.
///
/// # Errors
/// 404 for a file that it does not have.
#[utoipa::path(
    get,
    path = "/docs/",
    tag = "documents",
    summary = "A page to try it",
    description = "Works without the internet.",
    responses((status = 200, description = "The page.", content_type = "text/html"), DocumentErrors),
    security((), ("api_key" = []), ("bearer" = [])),
)]
pub async fn docs() -> Result<Response, ApiError> {
    page("")
}

/// The files of that page.
///
/// # Errors
/// 404 for one that it does not have.
pub async fn docs_file(file: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    file.map_err(|_| ApiError::NotFound).and_then(|Path(file)| page(&file))
}

fn page(file: &str) -> Result<Response, ApiError> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        // The validator of its default settings is a page on the internet.
        Arc::new(Config::new(["../openapi.json"]).validator_url("none").try_it_out_enabled(true))
    });
    match utoipa_swagger_ui::serve(file, CONFIG.clone()) {
        Ok(Some(found)) => Ok(([(CONTENT_TYPE, found.content_type)], found.bytes.into_owned()).into_response()),
        Ok(None) => Err(ApiError::NotFound),
        Err(error) => Err(ApiError::Internal(format!("Swagger UI: {error}"))),
    }
}
