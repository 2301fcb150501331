//! Answers: plain values that serialize. The doc comments here are the descriptions in the published contract.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::domain::{Decision, HistoryStatus, Probability, RedFlag};
use crate::http::wire::FieldFault;
use crate::model::LoadedModel;
use crate::model::manifest::SpanMetrics;
use crate::scoring::{Change, Decided, Learned};

/// The decision on a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PredictResponse<'a> {
    /// The transaction's own id.
    #[schema(example = "tx-1001")]
    pub transaction_id: &'a str,
    /// True exactly when `decision` is `decline`.
    #[schema(example = true)]
    pub is_fraud: bool,
    /// The same as `is_fraud`, for Java beans whose accessor `isFraud` binds to `fraud`.
    #[schema(example = true)]
    pub fraud: bool,
    /// 50 and above is reviewed, 80 and above declined, for every model version. Rounded down from the value that was
    /// decided on.
    #[schema(minimum = 0, maximum = 100, example = 91)]
    pub risk_score: u8,
    /// The model's own output, rounded to six decimals; only comparable between decisions of one model version.
    #[serde(serialize_with = "six_decimals")]
    #[schema(value_type = f64, minimum = 0, maximum = 1, example = 0.8731)]
    pub fraud_probability: Probability,
    /// What to do.
    #[schema(schema_with = decision_schema)]
    pub decision: Decision,
    /// Stable codes, most important first. At least one for a review or a decline; none for an approval unless
    /// `explain=true` asked for them. Codes may be added.
    #[schema(value_type = Vec<String>, example = json!(["AMOUNT_FAR_ABOVE_USUAL", "RAPID_SUCCESSION"]))]
    pub red_flags: &'a [RedFlag],
    /// One sentence for a fraud analyst, with this transaction's own numbers. Its wording may change.
    #[schema(example = "Risk 91 of 100, declined at 80: the amount is 14.2 times this user's 30-day mean.")]
    pub reasoning: &'a str,
    /// The version of the model that scored.
    #[schema(example = "v1.0")]
    pub model_version: &'a str,
    /// How much of the user's history was known.
    #[schema(schema_with = history_schema)]
    pub history: HistoryStatus,
}

impl<'a> PredictResponse<'a> {
    /// The answer that tells this decision.
    #[must_use]
    pub fn of(decided: &'a Decided) -> Self {
        let is_fraud = decided.decision.is_fraud();
        Self {
            transaction_id: decided.transaction_id.as_str(),
            is_fraud,
            fraud: is_fraud,
            risk_score: decided.risk_score.shown(),
            fraud_probability: decided.probability,
            decision: decided.decision,
            red_flags: &decided.red_flags,
            reasoning: &decided.reasoning,
            model_version: &decided.model_version,
            history: decided.history,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResponse<'a> {
    /// One result for each transaction, in the order sent.
    pub results: Vec<BatchResult<'a>>,
    /// The results counted.
    pub summary: BatchSummary,
    /// The version of the model that scored the whole batch. Replayed results carry the version that decided them.
    #[schema(example = "v1.0")]
    pub model_version: &'a str,
}

/// A decision, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult<'a> {
    /// The item was decided.
    Decided(BatchDecision<'a>),
    /// The item failed; the others are not touched by it.
    Failed(BatchFailure),
}

/// The decision on one transaction of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchDecision<'a> {
    /// The decision, as `/predict` gives it.
    #[serde(flatten)]
    pub decision: PredictResponse<'a>,
    /// True when this is the remembered answer to an earlier request; otherwise absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub replayed: bool,
}

/// Why one item of a batch was not decided, or one of feedback not learned.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchFailure {
    /// Its place among those sent, from 0.
    #[schema(example = 1)]
    pub index: usize,
    /// Its id, or null where that is broken too.
    #[schema(required, example = "tx-1002")]
    pub transaction_id: Option<String>,
    /// What is wrong with it.
    pub error: ItemError,
}

/// The error of one item of a batch or of feedback.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ItemError {
    /// A stable code, one of those that the same item alone would be answered with.
    #[schema(example = "invalid_transaction")]
    pub code: &'static str,
    /// A sentence on this occurrence.
    #[schema(example = "1 rule is broken; see errors.")]
    pub detail: String,
    /// Every broken rule; absent where the fault is another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldFault>,
}

/// A batch in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Transactions in the batch.
    #[schema(example = 2)]
    pub count: usize,
    /// How many of them were declined.
    #[schema(example = 1)]
    pub fraud: usize,
    /// How many of them failed.
    #[schema(example = 1)]
    pub errors: usize,
}

/// What a label changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackResponse<'a> {
    /// The transaction's id.
    #[schema(example = "tx-1001")]
    pub transaction_id: &'a str,
    /// What was said of it.
    #[schema(example = true)]
    pub is_fraud: bool,
    /// What that changed.
    #[schema(schema_with = change_schema)]
    pub result: &'static str,
}

impl<'a> FeedbackResponse<'a> {
    /// The answer that tells what was learned.
    #[must_use]
    pub fn of(learned: &'a Learned) -> Self {
        Self {
            transaction_id: learned.transaction_id.as_str(),
            is_fraud: learned.is_fraud,
            result: learned.change.as_str(),
        }
    }
}

/// What became of an array of labels.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackResults<'a> {
    /// One result for each label, in the order sent.
    pub results: Vec<FeedbackResult<'a>>,
    /// The results counted.
    pub summary: FeedbackSummary,
}

/// What a label changed, or why it was not learned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum FeedbackResult<'a> {
    /// The label was learned.
    Learned(FeedbackResponse<'a>),
    /// The item failed; the others are not touched by it.
    Failed(BatchFailure),
}

/// An array of labels in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct FeedbackSummary {
    /// Labels in the array.
    #[schema(example = 2)]
    pub count: usize,
    /// How many of them failed.
    #[schema(example = 1)]
    pub errors: usize,
}

/// Why a request failed, after RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:problem-type:fraud-detection:` and the code.
    #[schema(example = "urn:problem-type:fraud-detection:invalid_transaction")]
    pub r#type: String,
    /// What the code means, the same for every occurrence.
    #[schema(example = "The transaction breaks a rule")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// A sentence on this occurrence. It never repeats a rejected value.
    #[schema(example = "1 rule is broken; see errors.")]
    pub detail: String,
    /// A stable code for programs. Codes may be added.
    #[schema(example = "invalid_transaction")]
    pub code: &'static str,
    /// The same as in `X-Request-Id`; the service's log knows the request by it.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub request_id: String,
    /// Every broken rule, in the order of the contract's fields; absent where the fault is another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldFault>,
}

/// The live model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelResponse<'a> {
    /// Its name.
    #[schema(example = "fraud-detection")]
    pub name: &'a str,
    /// Its version.
    #[schema(example = "v1.0")]
    pub version: &'a str,
    /// The SHA-256 of its graph, in hexadecimal.
    #[schema(example = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")]
    pub sha256: &'a str,
    /// When this process loaded it.
    #[schema(format = DateTime, example = "2026-04-23T10:15:30Z")]
    pub loaded_at: String,
    /// When it was trained.
    #[schema(format = DateTime, example = "2026-04-20T08:00:00Z")]
    pub trained_at: &'a str,
    /// How many features it reads.
    #[schema(example = 41)]
    pub features: usize,
    /// How well it did on the held-out time span.
    pub metrics: ModelMetrics,
}

/// Metrics on the held-out time span.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelMetrics {
    /// With each user's history.
    pub with_history: SpanResponse,
    /// The same transactions with all history missing.
    pub without_history: SpanResponse,
}

/// How well a model ranks the transactions of one time span.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpanResponse {
    /// Transactions.
    #[schema(example = 196_088)]
    pub rows: u64,
    /// Frauds among them.
    #[schema(example = 998)]
    pub frauds: u64,
    /// Area under the receiver operating characteristic.
    #[schema(minimum = 0, maximum = 1, example = 0.9996)]
    pub auc: f64,
    /// Average precision.
    #[schema(minimum = 0, maximum = 1, example = 0.976)]
    pub average_precision: f64,
    /// Share of the frauds among the riskiest 0.5 % of the transactions.
    #[schema(minimum = 0, maximum = 1, example = 0.927)]
    pub recall_at_half_percent_alerts: f64,
    /// Share of the frauds among the riskiest 1 % of the transactions.
    #[schema(minimum = 0, maximum = 1, example = 0.986)]
    pub recall_at_one_percent_alerts: f64,
}

impl<'a> ModelResponse<'a> {
    /// The answer that tells this model.
    #[must_use]
    pub fn of(model: &'a LoadedModel) -> Self {
        let manifest = model.manifest();
        Self {
            name: &manifest.name,
            version: &manifest.version,
            sha256: &manifest.sha256,
            loaded_at: model.loaded_at().to_string(),
            trained_at: &manifest.training.created_at,
            features: manifest.features.len(),
            metrics: ModelMetrics {
                with_history: manifest.metrics.with_history.into(),
                without_history: manifest.metrics.without_history.into(),
            },
        }
    }
}

impl From<SpanMetrics> for SpanResponse {
    fn from(metrics: SpanMetrics) -> Self {
        let SpanMetrics {
            rows,
            frauds,
            auc,
            average_precision,
            recall_at_half_percent_alerts,
            recall_at_one_percent_alerts,
        } = metrics;
        Self { rows, frauds, auc, average_precision, recall_at_half_percent_alerts, recall_at_one_percent_alerts }
    }
}

/// Whether the process can score.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// `healthy` with status 200, `unhealthy` with 503.
    #[schema(example = "healthy")]
    pub status: &'static str,
    /// The service's name.
    #[schema(example = "fraud-detection")]
    pub service: &'static str,
    /// The service's version.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    /// The live model's version, null while none is loaded.
    #[schema(required, example = "v1.0")]
    pub model_version: Option<String>,
    /// Whole seconds since the process started.
    #[schema(example = 86_400)]
    pub uptime_seconds: u64,
    /// Each part's own state: `ok`, or a word that says what is wrong with it.
    #[schema(example = json!({"model": "ok", "scoring_threads": "ok", "known_transaction": "ok"}))]
    pub checks: BTreeMap<&'static str, &'static str>,
}

/// Whether the process wants requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadyResponse {
    /// `ready` with status 200; `starting` or `draining` with 503.
    #[schema(example = "ready")]
    pub status: &'static str,
}

fn decision_schema() -> Schema {
    words("What to do.", Decision::ALL.map(Decision::as_str), "decline")
}

fn history_schema() -> Schema {
    let words_of = [HistoryStatus::Full, HistoryStatus::None, HistoryStatus::Unavailable].map(HistoryStatus::as_str);
    words("How much of the user's history was known: `none` when the transaction names no user.", words_of, "full")
}

fn change_schema() -> Schema {
    let description = "`recorded`: nothing was known of the transaction. `corrected`: the opposite was known. `unchanged`: \
                       the same was known, or something newer.";
    words(description, Change::ALL.map(Change::as_str), "recorded")
}

/// A closed list of words.
fn words<const N: usize>(description: &str, words: [&'static str; N], example: &str) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(description))
        .examples([example])
        .into()
}

/// Writes the model's output with six decimals at most: `0.8731`, not the `0.8730999827384949` that the same float32
/// is as a float64. Finer differences mean nothing: golden rows agree to five.
fn six_decimals<S: Serializer>(probability: &Probability, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((f64::from(probability.value()) * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_told_with_six_decimals() {
        #[derive(Serialize)]
        struct Told(#[serde(serialize_with = "six_decimals")] Probability);
        for (value, told) in
            [(0.8731, "0.8731"), (0.873_122_2, "0.873122"), (1.0, "1.0"), (0.0, "0.0"), (4e-7, "0.0"), (0.5, "0.5")]
        {
            let probability = Probability::new(value).unwrap();
            assert_eq!(serde_json::to_string(&Told(probability)).unwrap(), told);
        }
    }
}
