//! ONNX Runtime: the only file that names `ort`.
//!
//! A session belongs to one scoring thread: `run` takes `&mut self`. One intra-op thread, no spinning, no telemetry, no
//! memory pattern (batches differ in size), and only the probabilities are asked for: the `label` output of exported
//! tree models makes the runtime warn on every batch.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, PrepackedWeights};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session};
use ort::value::{TensorElementType, TensorRef, ValueType};
use parking_lot::Mutex;

use crate::domain::Probability;

/// The process's one environment: the runtime allows no second, even after the first is gone.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Rounding may carry a probability this far over its ends; it is clamped. Anything further is a fault of the model.
const ROUNDING: f32 = 1e-5;

/// Why the runtime or a session refused.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The library is not there or is of another version.
    #[error(
        "ONNX Runtime's library could not be loaded from {}: {cause}. Fetch it with `make runtime`, or name another one in \
         FRAUD_SCORING__RUNTIME_LIBRARY",
        path.display()
    )]
    Library {
        /// Where it was looked for.
        path: PathBuf,
        /// The loader's words.
        cause: String,
    },
    /// The runtime does not accept the graph.
    #[error("ONNX Runtime refuses the model: {0}")]
    Refused(String),
    /// The graph's inputs or outputs are not as the manifest and the contract want them.
    #[error("the model's interface does not fit: {0}")]
    Interface(String),
    /// Inference failed.
    #[error("inference failed: {0}")]
    Run(String),
}

/// ONNX Runtime, loaded once for the process.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Loads the library, or returns the one already loaded (whatever path it came from).
    ///
    /// # Errors
    /// [`OnnxError::Library`].
    pub fn load(library: &Path) -> Result<Self, OnnxError> {
        let guard = LOADING.lock();
        if let Some(environment) = ENVIRONMENT.get() {
            return Ok(Self { environment: environment.clone() });
        }
        let refused = |cause: String| OnnxError::Library { path: library.to_owned(), cause };
        let environment = ort::init_from(library)
            .map_err(|error| refused(error.to_string()))?
            .with_name("fraud-detection")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, category, _id, location, message| match level {
                LogLevel::Fatal | LogLevel::Error => tracing::error!(category, location, "onnxruntime: {message}"),
                LogLevel::Warning => tracing::warn!(category, location, "onnxruntime: {message}"),
                _ => tracing::trace!(category, location, "onnxruntime: {message}"),
            }))
            .build()
            .map_err(|error| refused(error.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let environment = ENVIRONMENT.get_or_init(|| environment).clone();
        // Only now: whoever waits must find it, a second one cannot be made.
        drop(guard);
        Ok(Self { environment })
    }
}

/// What a session must look like: one float32 input `[N, features]`, and an output `[N, 2]`, `[N, 1]` or `[N]`.
#[derive(Debug, Clone, Copy)]
pub struct Interface<'a> {
    /// The input's name.
    pub input: &'a str,
    /// How many features a row has.
    pub features: usize,
    /// The output's name.
    pub output: &'a str,
    /// The column of the output that is the probability of fraud.
    pub output_column: usize,
}

/// One session, for one thread.
pub struct OnnxSession {
    session: Session,
    outputs: RunOptions<HasSelectedOutputs>,
    output: String,
    features: usize,
    output_column: usize,
    output_columns: usize,
}

impl std::fmt::Debug for OnnxSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxSession").field("output", &self.output).finish_non_exhaustive()
    }
}

impl OnnxSession {
    /// Makes `count` sessions that share their prepacked weights.
    ///
    /// # Errors
    /// [`OnnxError::Refused`] or [`OnnxError::Interface`].
    pub fn build(
        runtime: &Runtime,
        model: &[u8],
        interface: Interface<'_>,
        count: usize,
    ) -> Result<Vec<Self>, OnnxError> {
        let weights = PrepackedWeights::new();
        (0..count).map(|_| Self::build_one(runtime, model, interface, &weights)).collect()
    }

    fn build_one(
        runtime: &Runtime,
        model: &[u8],
        interface: Interface<'_>,
        weights: &PrepackedWeights,
    ) -> Result<Self, OnnxError> {
        let session = configured(runtime, weights)
            .and_then(|mut builder| builder.commit_from_memory(model))
            .map_err(|error| OnnxError::Refused(error.to_string()))?;
        let output_columns = check_interface(&session, interface)?;
        let outputs = RunOptions::new()
            .map_err(|error| OnnxError::Refused(error.to_string()))?
            .with_outputs(OutputSelector::no_default().with(interface.output));
        Ok(Self {
            session,
            outputs,
            output: interface.output.to_owned(),
            features: interface.features,
            output_column: interface.output_column,
            output_columns,
        })
    }

    /// Scores whole rows, `rows.len()` being a multiple of the number of features; appends one probability a row.
    ///
    /// # Errors
    /// [`OnnxError::Run`]: the runtime failed, or the model gave something that is no probability.
    pub fn run(&mut self, rows: &[f32], probabilities: &mut Vec<Probability>) -> Result<(), OnnxError> {
        let failed = |error: ort::Error| OnnxError::Run(error.to_string());
        let count = rows.len() / self.features;
        let input = TensorRef::from_array_view(([count, self.features], rows)).map_err(failed)?;
        let outputs = self.session.run_with_options(ort::inputs![input], &self.outputs).map_err(failed)?;
        let output =
            outputs.get(&self.output).ok_or_else(|| OnnxError::Run("the probabilities are missing".to_owned()))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        if values.len() != count * self.output_columns {
            return Err(OnnxError::Run(format!("{count} rows gave {} values", values.len())));
        }
        for row in values.chunks_exact(self.output_columns) {
            let value = row.get(self.output_column).copied().unwrap_or(f32::NAN);
            let in_range = (-ROUNDING..=1.0 + ROUNDING).contains(&value);
            let probability = in_range.then(|| value.clamp(0.0, 1.0)).and_then(Probability::new);
            probabilities.push(probability.ok_or_else(|| {
                OnnxError::Run("the model gave a value outside 0 to 1: export probabilities, not raw scores".to_owned())
            })?);
        }
        Ok(())
    }
}

fn configured(runtime: &Runtime, weights: &PrepackedWeights) -> ort::Result<ort::session::builder::SessionBuilder> {
    Ok(Session::builder(&runtime.environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_prepacked_weights(weights)?)
}

/// Returns how many values the output holds for each row.
fn check_interface(session: &Session, wanted: Interface<'_>) -> Result<usize, OnnxError> {
    let refuse = |sentence: String| Err(OnnxError::Interface(sentence));
    let [input] = session.inputs() else {
        return refuse(format!(
            "it has {} inputs; export it with one float32 input [N, {}] (FloatTensorType)",
            session.inputs().len(),
            wanted.features
        ));
    };
    if input.name() != wanted.input {
        return refuse(format!("its input is `{}`, the manifest names `{}`", input.name(), wanted.input));
    }
    match input.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. }
            if shape.len() == 2
                && matches!(shape.first(), Some(-1))
                && shape.get(1).is_some_and(|&columns| usize::try_from(columns) == Ok(wanted.features)) => {}
        other => {
            return refuse(format!(
                "its input is {other}; export it as float32 [None, {}], one column for each feature of the manifest",
                wanted.features
            ));
        }
    }
    let Some(output) = session.outputs().iter().find(|output| output.name() == wanted.output) else {
        return refuse(format!("it has no output `{}`, which the manifest names", wanted.output));
    };
    let columns = match output.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => match shape.len() {
            1 => Some(1),
            2 => shape
                .get(1)
                .and_then(|&columns| usize::try_from(columns).ok())
                .filter(|columns| (1..=2).contains(columns)),
            _ => None,
        },
        _ => None,
    };
    match columns {
        Some(columns) if wanted.output_column < columns => Ok(columns),
        Some(columns) => {
            refuse(format!("output_column is {} but the output has {columns} columns", wanted.output_column))
        }
        None => refuse(format!(
            "its output `{}` is {}; export float32 probabilities [N, 2], [N, 1] or [N] (for scikit-learn and LightGBM: zipmap off)",
            wanted.output,
            output.dtype()
        )),
    }
}
