//! The composition root: the only place that builds and spawns, and the order in which things start and stop.
//!
//! Start: settings → logging → listener (503 until ready) → model → history → ready.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::history::MemoryStore;
use crate::model::loaded::LoadOptions;
use crate::model::{LoadedModel, ModelRegistry, ModelSource, Runtime};
use crate::scoring::decisions::DecisionsSettings;
use crate::scoring::pool::PoolSettings;
use crate::scoring::{Scorer, ScorerSettings};
use crate::settings::Settings;

/// Serves until told to stop.
///
/// # Errors
/// When a part cannot be built, or ends before it was told to.
pub fn serve(_settings: Settings) -> anyhow::Result<()> {
    anyhow::bail!("serving is not wired yet")
}

/// Where ONNX Runtime's library is: the setting, else beside the binary (as in the image), else where `make runtime`
/// puts it in the checkout.
#[must_use]
pub fn runtime_library(settings: &Settings) -> PathBuf {
    const NAME: &str = "libonnxruntime.so";
    if let Some(path) = &settings.scoring.runtime_library {
        return path.clone();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(NAME)));
    match beside {
        Some(path) if path.is_file() => path,
        _ => Path::new(".runtime").join(NAME),
    }
}

/// Starts the scoring threads on an empty history; scores once `models` has a live model.
///
/// # Errors
/// When the system gives no thread.
pub fn start_scorer(settings: &Settings, models: Arc<ModelRegistry>) -> anyhow::Result<Scorer> {
    let history = Arc::new(MemoryStore::new(settings.history.memory_limit));
    let scorer_settings = ScorerSettings {
        pool: PoolSettings {
            threads: settings.scoring.threads,
            queue_rows: settings.scoring.queue_rows,
            max_batch: settings.scoring.max_batch,
        },
        decisions: DecisionsSettings { ttl: settings.decisions.ttl, limit_bytes: settings.decisions.memory_limit },
        history_timeout: settings.history.timeout,
        privacy_key: privacy_key(settings),
    };
    Scorer::start(&scorer_settings, models, history).context("the scoring threads could not be started")
}

/// Loads the version that the settings name and proves it.
///
/// # Errors
/// Why the version may not go live, and what to do.
pub fn load_model(settings: &Settings) -> anyhow::Result<LoadedModel> {
    let runtime = Runtime::load(&runtime_library(settings))?;
    let files = ModelSource::Disk(settings.model.path.clone()).read(&settings.model.version)?;
    let options = LoadOptions {
        sessions: settings.scoring.threads,
        max_batch: settings.scoring.max_batch,
        zone: settings.timestamps.zone.clone(),
        now: jiff::Timestamp::now(),
    };
    Ok(LoadedModel::load(&runtime, &files, &options)?)
}

/// The key of the settings, or one drawn for the life of this process.
fn privacy_key(settings: &Settings) -> Vec<u8> {
    match &settings.privacy.key {
        Some(key) => key.expose().as_bytes().to_vec(),
        None => rand::random::<[u8; 32]>().to_vec(),
    }
}
