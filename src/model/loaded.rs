//! A model version that has proven itself, with everything a request needs of it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

use crate::domain::{HistoryStatus, Probability, RiskScore};
use crate::features::{FeatureSchema, SchemaError};
use crate::model::CalibrationMap;
use crate::model::graph::{self, GraphError};
use crate::model::manifest::{GoldenRow, Manifest, ManifestError};
use crate::model::onnx::{Interface, OnnxError, OnnxSession, Runtime};
use crate::model::source::{ModelFiles, sha256_hex};

/// How a version is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// One session for each scoring thread, at least 1.
    pub sessions: usize,
    /// The largest batch, in rows, that a session will be given; part of the warm-up.
    pub max_batch: usize,
    /// The zone in which hours and days are features.
    pub zone: TimeZone,
    /// The present, for `loaded_at`.
    pub now: jiff::Timestamp,
}

/// Why a version is refused. Every sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The graph's file is not the one the manifest was written for.
    #[error(
        "{file} has SHA-256 {found}, the manifest says {wanted}: the file was changed or cut off; copy the version's folder \
         again, or train it again"
    )]
    Hash {
        /// The graph's file name.
        file: String,
        /// The hash of the file.
        found: String,
        /// The hash in the manifest.
        wanted: String,
    },
    /// The manifest wants a feature that this build does not make.
    #[error("{0}: train the version with this release, or deploy the release it was trained with")]
    Schema(#[from] SchemaError),
    /// The graph reaches outside its file.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The runtime.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// The graph does not score as training did.
    #[error(
        "golden row {row}: training saw probability {wanted}, this build gets {found} (tolerance {tolerance}): the graph does not \
         score as it was trained; export it again and check float32 thresholds and missing values"
    )]
    Golden {
        /// The row's index in the manifest.
        row: usize,
        /// What training saw.
        wanted: f64,
        /// What the runtime gave.
        found: f64,
        /// The manifest's tolerance.
        tolerance: f64,
    },
}

/// A version that passed every check. Immutable; shared by the requests that score with it.
#[derive(Debug)]
pub struct LoadedModel {
    manifest: Manifest,
    version: Arc<str>,
    schema: FeatureSchema,
    full: CalibrationMap,
    missing: CalibrationMap,
    baseline: Vec<f32>,
    sessions: Vec<Mutex<OnnxSession>>,
    loaded_at: jiff::Timestamp,
}

impl LoadedModel {
    /// Proves a version and makes its sessions: hash, manifest, schema, graph, interface, golden rows alone and in one
    /// batch, and a warm-up of every session up to the largest batch.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn load(runtime: &Runtime, files: &ModelFiles, options: &LoadOptions) -> Result<Self, ModelError> {
        let manifest = Manifest::parse(&files.manifest)?;
        let found = sha256_hex(&files.model);
        if !found.eq_ignore_ascii_case(&manifest.sha256) {
            return Err(ModelError::Hash { file: manifest.file, found, wanted: manifest.sha256 });
        }
        let names: Vec<&str> = manifest.features.iter().map(|feature| feature.name.as_str()).collect();
        let schema = FeatureSchema::new(&names, manifest.categories.clone(), options.zone.clone())?;
        graph::check(&files.model)?;
        let interface = Interface {
            input: &manifest.input,
            features: schema.len(),
            output: &manifest.output,
            output_column: manifest.output_column,
        };
        let mut sessions = OnnxSession::build(runtime, &files.model, interface, options.sessions.max(1))?;
        for session in &mut sessions {
            prove(session, &manifest, options.max_batch)?;
        }
        let map = |full| manifest.calibration_map(full).map_err(ManifestError::Invalid);
        Ok(Self {
            version: manifest.version.as_str().into(),
            full: map(true)?,
            missing: map(false)?,
            baseline: manifest.features.iter().map(|feature| feature.baseline.unwrap_or(f32::NAN)).collect(),
            sessions: sessions.into_iter().map(Mutex::new).collect(),
            loaded_at: options.now,
            schema,
            manifest,
        })
    }

    /// The version's name.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// What the version says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The features it wants, in order.
    #[must_use]
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The usual value of each feature, in order; NaN where missing is usual.
    #[must_use]
    pub fn baseline(&self) -> &[f32] {
        &self.baseline
    }

    /// When it was loaded.
    #[must_use]
    pub fn loaded_at(&self) -> jiff::Timestamp {
        self.loaded_at
    }

    /// The risk score of a probability, by the map for this much history.
    #[must_use]
    pub fn risk_score(&self, probability: Probability, history: HistoryStatus) -> RiskScore {
        match history {
            HistoryStatus::Full => self.full.risk_score(probability),
            HistoryStatus::None | HistoryStatus::Unavailable => self.missing.risk_score(probability),
        }
    }

    /// Scores whole rows on the session of scoring thread `thread`; appends one probability a row. A thread only ever
    /// takes its own session, so the lock is never waited for.
    ///
    /// # Errors
    /// [`OnnxError::Run`].
    pub fn score(&self, thread: usize, rows: &[f32], probabilities: &mut Vec<Probability>) -> Result<(), OnnxError> {
        let session = self
            .sessions
            .get(thread % self.sessions.len())
            .ok_or_else(|| OnnxError::Run("the model was loaded without sessions".to_owned()))?;
        session.lock().run(rows, probabilities)
    }

    /// A row to score now and then, to see that scoring works: the first golden one.
    #[must_use]
    pub fn known_row(&self) -> Vec<f32> {
        self.manifest.golden.rows.first().map(values).unwrap_or_default()
    }
}

fn values(row: &GoldenRow) -> Vec<f32> {
    row.features.iter().map(|value| value.unwrap_or(f32::NAN)).collect()
}

/// Golden rows one by one and all in one batch, then the largest batch, so that no request pays for the first run.
fn prove(session: &mut OnnxSession, manifest: &Manifest, max_batch: usize) -> Result<(), ModelError> {
    let rows: Vec<Vec<f32>> = manifest.golden.rows.iter().map(values).collect();
    let mut probabilities = Vec::new();
    session.run(&rows.concat(), &mut probabilities)?;
    for row in &rows {
        session.run(row, &mut probabilities)?;
    }
    for (index, (row, found)) in manifest.golden.rows.iter().cycle().zip(&probabilities).enumerate() {
        let found = f64::from(found.value());
        let difference = (found - row.probability).abs();
        if difference.is_nan() || difference > manifest.golden.tolerance {
            let row_index = index % manifest.golden.rows.len();
            return Err(ModelError::Golden {
                row: row_index,
                wanted: row.probability,
                found,
                tolerance: manifest.golden.tolerance,
            });
        }
    }
    let largest: Vec<f32> = rows.iter().cycle().take(max_batch.max(1)).flatten().copied().collect();
    session.run(&largest, &mut probabilities)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::testing;

    /// The shipped version with its manifest changed.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<LoadedModel, ModelError> {
        let mut files = testing::shipped_files();
        let mut manifest: Value = serde_json::from_slice(&files.manifest).unwrap();
        change(&mut manifest);
        files.manifest = serde_json::to_vec(&manifest).unwrap();
        LoadedModel::load(&testing::runtime(), &files, &testing::options(1))
    }

    #[test]
    fn the_shipped_version_may_go_live() {
        let model = changed(|_| ()).unwrap();
        assert_eq!(model.schema().len(), model.baseline().len());
    }

    #[test]
    fn every_refusal_says_what_is_wrong() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 14] = [
            ("has SHA-256", |manifest| manifest["sha256"] = json!("0".repeat(64))),
            ("64 hexadecimal digits", |manifest| manifest["sha256"] = json!("abc")),
            ("reads format 1", |manifest| manifest["format"] = json!(2)),
            ("missing field", |manifest| {
                manifest.as_object_mut().unwrap().remove("golden");
            }),
            ("unknown field", |manifest| manifest["surprise"] = json!(1)),
            ("shoe_size", |manifest| manifest["features"][0]["name"] = json!("shoe_size")),
            ("golden row 0", |manifest| manifest["golden"]["rows"][0]["probability"] = json!(0.987_654)),
            ("golden.rows is empty", |manifest| manifest["golden"]["rows"] = json!([])),
            ("golden row 0 has 1 features", |manifest| manifest["golden"]["rows"][0]["features"] = json!([1.0])),
            ("its input is", |manifest| manifest["input"] = json!("rows")),
            ("no output", |manifest| manifest["output"] = json!("odds")),
            ("output_column is 2", |manifest| manifest["output_column"] = json!(2)),
            ("calibration map `missing` has no points", |manifest| manifest["calibration"]["missing"] = json!([])),
            ("plain file name", |manifest| manifest["file"] = json!("../model.onnx")),
        ];
        for (wanted, change) in cases {
            let error = changed(change).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn a_feature_less_does_not_fit_the_graph() {
        let error = changed(|manifest| {
            manifest["features"].as_array_mut().unwrap().pop();
            for row in manifest["golden"]["rows"].as_array_mut().unwrap() {
                row["features"].as_array_mut().unwrap().pop();
            }
        });
        assert!(error.map(|_| ()).unwrap_err().to_string().contains("one column for each feature"));
    }

    #[test]
    fn a_file_cut_off_is_refused_whatever_the_manifest_says() {
        let mut files = testing::shipped_files();
        files.model.truncate(files.model.len() / 2);
        let mut manifest: Value = serde_json::from_slice(&files.manifest).unwrap();
        manifest["sha256"] = json!(sha256_hex(&files.model));
        files.manifest = serde_json::to_vec(&manifest).unwrap();
        let refused = LoadedModel::load(&testing::runtime(), &files, &testing::options(1));
        assert!(matches!(refused, Err(ModelError::Graph(GraphError::NotOnnx))), "{refused:?}");
    }
}
