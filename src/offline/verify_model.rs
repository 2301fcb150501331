//! `fraud-detection verify-model DIR`: loads a version exactly as the service would, golden rows and warm-up included.

use std::path::Path;

use anyhow::Context;

use crate::app;
use crate::model::loaded::LoadOptions;
use crate::model::{LoadedModel, ModelPointer, ModelSource, Runtime};
use crate::settings::Settings;

/// Verifies a version and says what it is; an error says why it may not go live.
///
/// # Errors
/// When the runtime or the version cannot be loaded.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub fn run(folder: &Path) -> anyhow::Result<()> {
    let settings = Settings::load()?;
    let runtime = Runtime::load(&app::runtime_library(&settings))?;
    let files = ModelSource::Disk(folder.to_owned()).read(&ModelPointer::Current)?;
    let options = LoadOptions {
        sessions: 1,
        max_batch: settings.scoring.max_batch,
        zone: settings.timestamps.zone.clone(),
        now: jiff::Timestamp::now(),
    };
    let model = LoadedModel::load(&runtime, &files, &options)
        .with_context(|| format!("{} may not go live", folder.display()))?;
    let manifest = model.manifest();
    let metrics = &manifest.metrics.with_history;
    println!(
        "{} {} may go live: {} features, {} golden rows within {:e}, held-out average precision {:.3}",
        manifest.name,
        manifest.version,
        manifest.features.len(),
        manifest.golden.rows.len(),
        manifest.golden.tolerance,
        metrics.average_precision
    );
    Ok(())
}
