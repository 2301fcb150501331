//! The published contract, put together from the handlers' attributes, the answers' types and the error table.
//!
//! `docs/openapi.json` is its golden copy; a test compares, and `UPDATE_OPENAPI=1 cargo test openapi` writes it anew.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Server};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema};

use crate::http::error::ApiError;
use crate::http::wire::{FieldFault, Problem};
use crate::http::{batch, documents, feedback, predict, probes};

/// The contract of a service under this base path.
#[must_use]
pub fn contract(base_path: &str) -> OpenApi {
    let mut contract = Contract::openapi();
    contract.servers = Some(vec![Server::new(if base_path.is_empty() { "/" } else { base_path })]);
    contract
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "fraud-detection",
        description = "Scores card transactions: decision, risk score, red flags and reasoning.\n\nEvery error is \
                       `application/problem+json`; programs read its `code`. Repeating a request is always safe. \
                       Answers may gain fields, and lists of codes may grow.",
    ),
    paths(
        predict::predict,
        batch::batch,
        feedback::feedback,
        probes::health,
        probes::ready,
        probes::metrics,
        documents::model,
        documents::openapi,
        documents::docs,
    ),
    components(schemas(Problem)),
    tags(
        (name = "scoring", description = "Decisions on transactions, and what they turned out to be."),
        (name = "operations", description = "For load balancers, schedulers and dashboards. Never asks for a key."),
        (name = "documents", description = "What describes the service."),
    ),
    modifiers(&Keys),
)]
struct Contract;

/// How a key is presented, where keys are configured.
struct Keys;

impl Modify for Keys {
    fn modify(&self, contract: &mut OpenApi) {
        let components = contract.components.get_or_insert_default();
        let header = ApiKeyValue::with_description("X-Api-Key", "Only where API keys are configured.");
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// How `/predict` fails.
#[derive(Debug)]
pub struct PredictErrors;
/// How `/batch` fails as a whole.
#[derive(Debug)]
pub struct BatchErrors;
/// How `/feedback` fails as a whole.
#[derive(Debug)]
pub struct FeedbackErrors;
/// How `/model` fails.
#[derive(Debug)]
pub struct ModelErrors;
/// How the other documents fail.
#[derive(Debug)]
pub struct DocumentErrors;

impl IntoResponses for PredictErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut errors = scoring_errors(16_384);
        errors.extend([ApiError::TransactionIdReused, ApiError::InvalidTransaction(vec![AMOUNT])]);
        responses_of(&errors)
    }
}

impl IntoResponses for BatchErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let fault = FieldFault { field: "transactions", problem: "must be an array of 1 to 1000 transactions" };
        let mut errors = scoring_errors(2_097_152);
        errors.push(ApiError::InvalidBatch(vec![fault]));
        responses_of(&errors)
    }
}

impl IntoResponses for FeedbackErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let fault = FieldFault { field: "is_fraud", problem: "must be true or false" };
        let mut errors = vec![
            ApiError::UnknownTransaction,
            ApiError::InvalidFeedback(vec![fault]),
            ApiError::Overloaded("budget of bytes in flight"),
            ApiError::HistoryUnavailable(String::new()),
        ];
        errors.extend(body_errors("feedback", 2_097_152));
        responses_of(&errors)
    }
}

impl IntoResponses for ModelErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut errors = document_errors();
        errors.push(ApiError::NotReady);
        responses_of(&errors)
    }
}

impl IntoResponses for DocumentErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&document_errors())
    }
}

const AMOUNT: FieldFault = FieldFault { field: "amount", problem: "must be at least 0 and at most 1000000000000" };

fn scoring_errors(body_limit: usize) -> Vec<ApiError> {
    let mut errors = vec![ApiError::Overloaded("scoring queue")];
    errors.extend(body_errors("score", body_limit));
    errors
}

/// What is wrong with a body or with the key, and what may become of any request with a deadline.
fn body_errors(scope: &'static str, body_limit: usize) -> Vec<ApiError> {
    vec![
        ApiError::MalformedJson { line: 1, column: 17 },
        ApiError::Unauthorized,
        ApiError::Forbidden(scope),
        ApiError::BodyTimeout,
        ApiError::BodyTooLarge(body_limit),
        ApiError::UnsupportedMediaType("Content-Type must be application/json."),
        ApiError::Internal(String::new()),
        ApiError::NotReady,
        ApiError::DeadlineExceeded,
    ]
}

fn document_errors() -> Vec<ApiError> {
    vec![
        ApiError::Unauthorized,
        ApiError::Forbidden("ops"),
        ApiError::NotFound,
        ApiError::Internal(String::new()),
        ApiError::Overloaded("number of connections"),
    ]
}

/// One response a status; each error is an example under its code.
fn responses_of(errors: &[ApiError]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&ApiError>> = BTreeMap::new();
    for error in errors {
        by_status.entry(error.status().as_u16()).or_default().push(error);
    }
    by_status
        .into_iter()
        .map(|(status, errors)| {
            let problems: Vec<Problem> =
                errors.iter().map(|error| error.problem("4bf92f3577b34da6a3ce929d0e0e4736")).collect();
            let told: Vec<String> =
                problems.iter().map(|problem| format!("`{}`: {}.", problem.code, problem.title)).collect();
            let examples = problems.iter().map(|problem| {
                let example = utoipa::openapi::example::ExampleBuilder::new();
                (problem.code, example.summary(problem.title).value(serde_json::to_value(problem).ok()).build())
            });
            let content =
                ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples);
            let mut response =
                ResponseBuilder::new().description(told.join(" ")).content("application/problem+json", content.build());
            if let Some((name, description)) = header_of(status) {
                response = response.header(name, text_header(description));
            }
            (status.to_string(), response.build().into())
        })
        .collect()
}

fn header_of(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        401 => Some(("WWW-Authenticate", "The scheme of the key.")),
        503 => Some(("Retry-After", "Seconds to wait.")),
        _ => None,
    }
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(Schema::from(text))).description(Some(description)).build()
}

/// A card transaction. Texts hold no control characters; fields that are not listed are ignored.
#[derive(Debug, ToSchema)]
#[schema(as = Transaction)]
#[expect(dead_code, reason = "documents what wire::transaction reads without ever being made")]
pub struct TransactionBody {
    /// The idempotency key: ASCII graphic characters.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "tx-1001")]
    transaction_id: String,
    #[schema(schema_with = amount_schema)]
    amount: String,
    /// Who is paid.
    #[schema(min_length = 1, max_length = 256, example = "Corner shop")]
    merchant: String,
    /// Free text, `City, CC`, or `lat,long`.
    #[schema(min_length = 1, max_length = 256, example = "Berlin, DE")]
    location: String,
    #[schema(schema_with = timestamp_schema)]
    timestamp: String,
    /// The customer, card or account whose history is used. Only a keyed hash of it is kept.
    #[schema(max_length = 128, example = "customer-42")]
    user_id: Option<String>,
    /// What the merchant sells.
    #[schema(max_length = 64, example = "grocery")]
    merchant_category: Option<String>,
    /// How the transaction came about.
    #[schema(max_length = 64, example = "pos")]
    channel: Option<String>,
    /// Three letters. Amounts are taken as given: who mixes currencies converts first.
    #[schema(min_length = 0, max_length = 3, pattern = "^([A-Za-z]{3})?$", example = "EUR")]
    currency: Option<String>,
    /// Where the transaction took place, degrees north; only with `longitude`.
    #[schema(minimum = -90, maximum = 90, example = 52.52)]
    latitude: Option<f64>,
    /// Degrees east; only with `latitude`.
    #[schema(minimum = -180, maximum = 180, example = 13.405)]
    longitude: Option<f64>,
}

/// The body of a batch.
#[derive(Debug, ToSchema)]
#[schema(as = Batch)]
#[expect(dead_code, reason = "documents what wire::batch reads without ever being made")]
pub struct BatchBody {
    /// Scored in this order.
    #[schema(min_items = 1, max_items = 1000)]
    transactions: Vec<TransactionBody>,
}

/// What turned out to be true of a transaction. Fields that are not listed are ignored.
#[derive(Debug, ToSchema)]
#[schema(as = Feedback)]
#[expect(dead_code, reason = "documents what wire::feedback reads without ever being made")]
pub struct FeedbackBody {
    /// The id of the transaction, as it was sent to `/predict` or `/batch`.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "tx-1001")]
    transaction_id: String,
    /// Whether it was a fraud.
    #[schema(example = true)]
    is_fraud: bool,
    /// When that became known; now where it is absent. In the forms of a transaction's `timestamp`.
    #[schema(example = "2026-05-07T09:00:00Z")]
    labelled_at: Option<String>,
    /// The transaction's own.
    #[schema(max_length = 128, example = "customer-42")]
    user_id: Option<String>,
    /// The transaction's own.
    #[schema(max_length = 256, example = "Corner shop")]
    merchant: Option<String>,
    /// The transaction's own; not later than `labelled_at`.
    #[schema(example = "2026-04-23T10:15:30Z")]
    timestamp: Option<String>,
    /// What was decided: `approve`, `review` or `decline`.
    #[schema(max_length = 7, pattern = "^(approve|review|decline)?$", example = "approve")]
    decision: Option<String>,
    /// The version of the model that decided.
    #[schema(max_length = 64, example = "v1.0")]
    model_version: Option<String>,
}

fn amount_schema() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1e12));
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"))
        .description(Some("The same number as text."));
    OneOfBuilder::new()
        .item(number)
        .item(text)
        .description(Some(
            "0 to 1e12, kept as a decimal of four places. Any form that Jackson writes for a BigDecimal: `129.90`, \
             `\"129.90\"`, `1.299E+2`.",
        ))
        .examples([129.9])
        .into()
}

fn timestamp_schema() -> Schema {
    let whole = ObjectBuilder::new().schema_type(Type::Integer);
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::String).description(Some(
            "ISO 8601 with an offset or `Z`, or a local date-time, read in the service's zone (UTC unless configured).",
        )))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .description(Some("Seconds since 1970 below 1e11, fraction allowed; else milliseconds.")),
        )
        .item(ArrayBuilder::new().items(whole).min_items(Some(5)).max_items(Some(7)).description(Some(
            "Jackson's array: year, month, day, hour, minute, second, and a fraction in milliseconds below 1000, else in \
             nanoseconds.",
        )))
        .description(Some("When it happened: at most 24 hours ahead of the service's clock."))
        .examples(["2026-04-23T10:15:30Z"])
        .into()
}
