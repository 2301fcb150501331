//! Model versions: what a folder must hold, where it comes from, and what must be proven before it may score.
//!
//! `files ──► Manifest + bytes ──► checks ──► LoadedModel ──► ModelRegistry`. A version becomes live only after its hash,
//! its contract with the feature registry, its golden rows and a warm-up have passed. Nothing here knows of HTTP or of
//! requests; only [`onnx`] names the runtime.

pub mod calibration;
pub mod graph;
pub mod loaded;
pub mod manifest;
pub mod onnx;
pub mod registry;
pub mod source;

#[cfg(test)]
pub(crate) mod testing;

pub use calibration::CalibrationMap;
pub use loaded::{LoadedModel, ModelError};
pub use manifest::{Manifest, ManifestError};
pub use onnx::Runtime;
pub use registry::ModelRegistry;
pub use source::{ModelFiles, ModelPointer, ModelSource, SourceError};
