//! The shipped model, for tests of what is built on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::model::loaded::LoadOptions;
use crate::model::{LoadedModel, ModelFiles, ModelPointer, ModelSource, Runtime};

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// ONNX Runtime as `make test` fetches it, or where `ORT_DYLIB_PATH` says.
pub(crate) fn runtime() -> Runtime {
    let fetched = root().join(".runtime/libonnxruntime.so");
    let library = std::env::var_os("ORT_DYLIB_PATH").map_or(fetched, PathBuf::from);
    Runtime::load(&library).unwrap()
}

/// The files of the shipped current version.
pub(crate) fn shipped_files() -> ModelFiles {
    ModelSource::Disk(root().join("models")).read(&ModelPointer::Current).unwrap()
}

/// Options with this many sessions.
pub(crate) fn options(sessions: usize) -> LoadOptions {
    LoadOptions { sessions, max_batch: 8, zone: TimeZone::UTC, now: jiff::Timestamp::UNIX_EPOCH }
}

/// The shipped current version, loaded.
pub(crate) fn shipped(sessions: usize) -> Arc<LoadedModel> {
    Arc::new(LoadedModel::load(&runtime(), &shipped_files(), &options(sessions)).unwrap())
}
