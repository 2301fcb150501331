//! Where a model version's files come from, and which version is meant.
//!
//! Everything is read into memory whole, under a size cap, so that what was hashed is what is loaded.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::model::manifest::is_version;

/// No manifest is near this large.
const MANIFEST_LIMIT_BYTES: u64 = 16 << 20;
/// A tree model of a thousand trees takes about 10 MB.
const MODEL_LIMIT_BYTES: u64 = 512 << 20;

/// Which version is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPointer {
    /// The one that `metadata.json` names.
    Current,
    /// This one, its manifest pinned by hash where one is given.
    Fixed {
        /// The version's name, also its folder.
        version: String,
        /// The SHA-256 that its manifest must have.
        manifest_sha256: Option<String>,
    },
}

impl ModelPointer {
    /// Reads `current`, `v1.2` or `v1.2@sha256:…`.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str = "must be `current`, a version such as `v1.0`, or one pinned by its manifest's hash: \
                                `v1.0@sha256:<64 hexadecimal digits>`";
        if text == "current" {
            return Ok(Self::Current);
        }
        let (version, hash) = match text.split_once('@') {
            None => (text, None),
            Some((version, pin)) => (version, Some(pin.strip_prefix("sha256:").ok_or(ACCEPTED)?)),
        };
        let hash_is_fine =
            hash.is_none_or(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_version(version) && hash_is_fine {
            Ok(Self::Fixed { version: version.to_owned(), manifest_sha256: hash.map(str::to_ascii_lowercase) })
        } else {
            Err(ACCEPTED)
        }
    }
}

/// A version's files, read but not yet believed.
#[derive(Debug)]
pub struct ModelFiles {
    /// `manifest.json`.
    pub manifest: Vec<u8>,
    /// The graph.
    pub model: Vec<u8>,
}

/// Why a version's files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a models folder nor a version's folder.
    #[error(
        "{} holds neither metadata.json nor manifest.json: set MODEL_PATH to the models folder or to one version's \
         folder",
        .0.display()
    )]
    NoModels(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// A file is larger than any model should be.
    #[error("{} is larger than {limit} bytes, the most this build loads", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The cap.
        limit: u64,
    },
    /// `metadata.json` does not say which version is current.
    #[error("{}: {cause}; it must read {{\"current_version\":\"v1.0\"}}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// One version's folder was given, but another version is wanted.
    #[error("MODEL_PATH names the folder of one version, which holds {found}, but MODEL_VERSION wants {wanted}")]
    OtherVersion {
        /// What the manifest says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The manifest is not the pinned one.
    #[error(
        "the manifest of {version} has SHA-256 {found}, but the pointer pins {wanted}: the files were changed, or the pin is of another build"
    )]
    Pin {
        /// The version.
        version: String,
        /// The hash found.
        found: String,
        /// The hash wanted.
        wanted: String,
    },
}

/// Where versions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder: the root with `metadata.json`, or one version's.
    Disk(PathBuf),
}

impl ModelSource {
    /// Reads the files of the version that `pointer` means.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn read(&self, pointer: &ModelPointer) -> Result<ModelFiles, SourceError> {
        let Self::Disk(root) = self;
        if root.join("manifest.json").is_file() {
            return read_version(root, pointer, true);
        }
        if !root.join("metadata.json").is_file() {
            return Err(SourceError::NoModels(root.clone()));
        }
        let pointer = match pointer {
            ModelPointer::Current => &current(&root.join("metadata.json"))?,
            fixed @ ModelPointer::Fixed { .. } => fixed,
        };
        match pointer {
            ModelPointer::Fixed { version, .. } => read_version(&root.join(version), pointer, false),
            ModelPointer::Current => Err(SourceError::NoModels(root.clone())),
        }
    }
}

/// What `metadata.json` points to; never `current` again.
fn current(path: &Path) -> Result<ModelPointer, SourceError> {
    #[derive(Deserialize)]
    struct Metadata {
        current_version: String,
    }
    let refused = |cause: String| SourceError::Metadata { path: path.to_owned(), cause };
    let bytes = read_file(path, MANIFEST_LIMIT_BYTES)?;
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    match ModelPointer::parse(&metadata.current_version) {
        Ok(fixed @ ModelPointer::Fixed { .. }) => Ok(fixed),
        Ok(ModelPointer::Current) => Err(refused("current_version cannot be `current`".to_owned())),
        Err(accepted) => Err(refused(format!("current_version {accepted}"))),
    }
}

fn read_version(folder: &Path, pointer: &ModelPointer, only_this: bool) -> Result<ModelFiles, SourceError> {
    #[derive(Deserialize)]
    struct Names {
        version: Option<String>,
        file: Option<String>,
    }
    let manifest = read_file(&folder.join("manifest.json"), MANIFEST_LIMIT_BYTES)?;
    // A manifest that does not parse is refused later, with the reason; here only the graph's name is needed.
    let names: Names = serde_json::from_slice(&manifest).unwrap_or(Names { version: None, file: None });
    if let ModelPointer::Fixed { version, manifest_sha256 } = pointer {
        let found = names.version.unwrap_or_default();
        if only_this && found != *version {
            return Err(SourceError::OtherVersion { found: found.escape_debug().to_string(), wanted: version.clone() });
        }
        if let Some(wanted) = manifest_sha256 {
            let found = sha256_hex(&manifest);
            if found != *wanted {
                return Err(SourceError::Pin { version: version.clone(), found, wanted: wanted.clone() });
            }
        }
    }
    let file = names.file.filter(|name| is_version(name)).unwrap_or_else(|| "model.onnx".to_owned());
    Ok(ModelFiles { model: read_file(&folder.join(file), MODEL_LIMIT_BYTES)?, manifest })
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let unreadable = |cause| SourceError::Unreadable { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(SourceError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_strictly() {
        let pin = "a".repeat(64);
        assert_eq!(ModelPointer::parse("current"), Ok(ModelPointer::Current));
        assert_eq!(
            ModelPointer::parse(&format!("v1.2@sha256:{}", pin.to_uppercase())),
            Ok(ModelPointer::Fixed { version: "v1.2".to_owned(), manifest_sha256: Some(pin) })
        );
        for text in ["", "../v1", "v1@", "v1@sha256:12", "v1@md5:00", ".hidden", "a/b"] {
            assert!(ModelPointer::parse(text).is_err(), "{text}");
        }
    }
}
