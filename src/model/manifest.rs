//! `manifest.json`: everything the service must know of a model version besides its graph.
//!
//! Parsing is strict: an unknown or a missing key refuses the version, with the key's name.

use serde::{Deserialize, Serialize};

use crate::model::calibration::{CalibrationMap, CalibrationPoint};

/// The layout of the manifest that this build reads.
pub const FORMAT: u32 = 1;

/// A model version's manifest, as it stands in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The manifest's layout, [`FORMAT`].
    pub format: u32,
    /// The model's name.
    pub name: String,
    /// The version, also the folder's name: `v1.0`.
    pub version: String,
    /// The graph's file name in the same folder.
    pub file: String,
    /// The graph's SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// The name of the one float32 input `[N, features]`.
    pub input: String,
    /// The name of the output that holds the probabilities.
    pub output: String,
    /// The column of that output which holds the probability of fraud.
    pub output_column: usize,
    /// The features in the order of the input's columns.
    pub features: Vec<ManifestFeature>,
    /// The merchant categories; a category's code is its index, every other one's the list's length.
    pub categories: Vec<String>,
    /// From probability to risk score.
    pub calibration: Calibration,
    /// The validation false-positive rate at risk score 50.
    pub review_false_positive_rate: f64,
    /// The validation false-positive rate at risk score 80.
    pub decline_false_positive_rate: f64,
    /// What the model was trained on.
    pub training: Training,
    /// How well it did on the held-out time span.
    pub metrics: HeldOutMetrics,
    /// Rows that must give the same probability here as they did in training.
    pub golden: Golden,
}

/// A feature the model wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFeature {
    /// Its name in the feature registry.
    pub name: String,
    /// What a person calls it.
    pub label: String,
    /// Its usual value, to which a red flag's features are set; `None` is missing (NaN).
    pub baseline: Option<f32>,
}

/// One map for full history and one for missing history, else an outage of the store floods the reviewers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// For transactions whose user's history was read.
    pub full: Vec<CalibrationPoint>,
    /// For transactions without a user, or with the store unavailable.
    pub missing: Vec<CalibrationPoint>,
}

/// What the model was trained on. Instants are ISO 8601.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Where the transactions came from.
    pub data: String,
    /// Transactions trained on.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// First transaction of the training span.
    pub from: String,
    /// End of the training span.
    pub to: String,
    /// Start of the validation span.
    pub validation_from: String,
    /// Start of the held-out span.
    pub test_from: String,
    /// When the version was made.
    pub created_at: String,
    /// The share of training rows whose history was hidden.
    pub hidden_history_share: f64,
    /// The learner's parameters, as they were given to it.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

/// Metrics on the held-out time span.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOutMetrics {
    /// With each user's history.
    pub with_history: SpanMetrics,
    /// The same rows with all history missing.
    pub without_history: SpanMetrics,
}

/// How well a model ranks one span's transactions; all but the counts are `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanMetrics {
    /// Transactions.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Area under the receiver operating characteristic.
    pub auc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// Share of the frauds among the riskiest 0.5 % of the transactions.
    pub recall_at_half_percent_alerts: f64,
    /// Share of the frauds among the riskiest 1 % of the transactions.
    pub recall_at_one_percent_alerts: f64,
}

/// Golden rows and how closely they must be met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The largest accepted difference of probabilities.
    pub tolerance: f64,
    /// The rows.
    pub rows: Vec<GoldenRow>,
}

/// One golden row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenRow {
    /// The features in the manifest's order; `None` is missing (NaN).
    pub features: Vec<Option<f32>>,
    /// What the training side saw.
    pub probability: f64,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or a key is unknown, missing or of the wrong type.
    #[error("manifest.json cannot be read: {0}. Write it with `make train`, or mend the key it names")]
    Unreadable(#[from] serde_json::Error),
    /// Another layout.
    #[error(
        "manifest.json has format {found}, this build reads format {FORMAT}: train the version again with this release"
    )]
    Format {
        /// The layout found.
        found: u32,
    },
    /// A value breaks a rule.
    #[error("manifest.json: {0}")]
    Invalid(String),
}

impl Manifest {
    /// Parses and checks everything that can be checked without the graph.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Layout {
            format: u32,
        }
        let Layout { format: found } = serde_json::from_slice(bytes)?;
        if found != FORMAT {
            return Err(ManifestError::Format { found });
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        manifest.check().map_err(ManifestError::Invalid)?;
        Ok(manifest)
    }

    /// The map for transactions whose user's history was read, or the one for the others.
    ///
    /// # Errors
    /// A sentence that says which rule the map breaks.
    pub fn calibration_map(&self, full_history: bool) -> Result<CalibrationMap, String> {
        let (name, points) =
            if full_history { ("full", &self.calibration.full) } else { ("missing", &self.calibration.missing) };
        CalibrationMap::new(points.clone()).map_err(|rule| format!("calibration map `{name}` {rule}"))
    }

    fn check(&self) -> Result<(), String> {
        if !is_version(&self.version) {
            return Err(format!("version `{}` must be letters, digits, `.`, `_` or `-`", self.version.escape_debug()));
        }
        if !is_version(&self.file) {
            return Err("file must be a plain file name in the version's own folder".to_owned());
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("sha256 must be 64 hexadecimal digits".to_owned());
        }
        if self.features.is_empty() {
            return Err("features is empty".to_owned());
        }
        self.calibration_map(true)?;
        self.calibration_map(false)?;
        if self.golden.rows.is_empty() {
            return Err(
                "golden.rows is empty: without them nobody can tell that the graph scores as trained".to_owned()
            );
        }
        if !(0.0..=1e-3).contains(&self.golden.tolerance) {
            return Err("golden.tolerance must be between 0 and 0.001".to_owned());
        }
        for (index, row) in self.golden.rows.iter().enumerate() {
            if row.features.len() != self.features.len() {
                return Err(format!(
                    "golden row {index} has {} features, the model {}",
                    row.features.len(),
                    self.features.len()
                ));
            }
            if !(0.0..=1.0).contains(&row.probability) {
                return Err(format!("golden row {index} has a probability outside 0 to 1"));
            }
        }
        Ok(())
    }
}

/// A name that is safe as a folder, a file and a metric dimension.
#[must_use]
pub fn is_version(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
