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
    /// The folder holds another version than the one that is wanted.
    #[error("version {wanted} is wanted, but the manifest in {} says {found}: mend MODEL_VERSION or MODEL_PATH, or name the folder after its version", folder.display())]
    OtherVersion {
        /// The folder.
        folder: PathBuf,
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
            return read_version(root, pointer);
        }
        if !root.join("metadata.json").is_file() {
            return Err(SourceError::NoModels(root.clone()));
        }
        let pointer = match pointer {
            ModelPointer::Current => &current(&root.join("metadata.json"))?,
            fixed @ ModelPointer::Fixed { .. } => fixed,
        };
        match pointer {
            ModelPointer::Fixed { version, .. } => read_version(&root.join(version), pointer),
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

fn read_version(folder: &Path, pointer: &ModelPointer) -> Result<ModelFiles, SourceError> {
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
        if found != *version {
            let (found, wanted) = (found.escape_debug().to_string(), version.clone());
            return Err(SourceError::OtherVersion { folder: folder.to_owned(), found, wanted });
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
    /// A models folder with one version, `v1`.
    fn models() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        std::fs::create_dir(root.path().join("v1")).unwrap();
        write("metadata.json", r#"{"current_version":"v1"}"#);
        write("v1/manifest.json", r#"{"version":"v1","file":"graph.onnx"}"#);
        write("v1/graph.onnx", "graph");
        root
    }

    fn read(path: &Path, pointer: &str) -> Result<ModelFiles, String> {
        let pointer = ModelPointer::parse(pointer).unwrap();
        ModelSource::Disk(path.to_owned()).read(&pointer).map_err(|error| error.to_string())
    }

    #[test]
    fn a_version_is_found_by_root_or_by_its_own_folder() {
        let root = models();
        let manifest = std::fs::read(root.path().join("v1/manifest.json")).unwrap();
        let pinned = format!("v1@sha256:{}", sha256_hex(&manifest));
        for (path, pointer) in [
            (root.path().to_owned(), "current"),
            (root.path().to_owned(), "v1"),
            (root.path().to_owned(), pinned.as_str()),
            (root.path().join("v1"), "current"),
            (root.path().join("v1"), "v1"),
        ] {
            assert_eq!(read(&path, pointer).unwrap().model, b"graph", "{pointer}");
        }
    }

    #[test]
    fn every_refusal_names_the_file_and_what_to_do() {
        let root = models();
        let pin = format!("v1@sha256:{}", "0".repeat(64));
        let metadata = root.path().join("metadata.json");
        assert!(read(&root.path().join("none"), "current").unwrap_err().contains("MODEL_PATH"));
        assert!(read(root.path(), "v2").unwrap_err().contains("v2/manifest.json cannot be read"));
        assert!(read(&root.path().join("v1"), "v2").unwrap_err().contains("says v1"));
        assert!(read(root.path(), &pin).unwrap_err().contains("pins 0000"));
        for text in ["", "{}", r#"{"current_version":"current"}"#, r#"{"current_version":"../v1"}"#] {
            std::fs::write(&metadata, text).unwrap();
            assert!(read(root.path(), "current").unwrap_err().contains("it must read"), "{text}");
        }
        std::fs::remove_file(root.path().join("v1/graph.onnx")).unwrap();
        assert!(read(root.path(), "v1").unwrap_err().contains("graph.onnx cannot be read"));
    }
}
