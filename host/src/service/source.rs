//! SOURCE: a directory with `wasmhost.toml`, that file, or a component file alone.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::manifest::Manifest;

/// The manifest's file name.
const MANIFEST: &str = "wasmhost.toml";

/// Where an app comes from: its manifest, read and checked.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) manifest: Manifest,
    /// The bytes of the only component, when they did not come from a file.
    pub(super) bytes: Option<Vec<u8>>,
    /// The file that was named, for messages.
    pub(super) path: PathBuf,
}

impl Source {
    /// Reads the manifest at `path`: a directory with a `wasmhost.toml`, that file, or a `.wasm` file, which needs none.
    ///
    /// # Errors
    ///
    /// `not-found` when nothing is there; `bad-request` with every mistake of the manifest.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let mut path = path.into();
        let failed = |path: &Path, error| Error::io(format!("`{}`", path.display()), error);
        if std::fs::metadata(&path).map_err(|error| failed(&path, error))?.is_dir() {
            let dir = std::mem::take(&mut path);
            path = dir.join(MANIFEST);
            if !path.is_file() {
                return Err(Error::not_found(format!(
                    "the directory `{}` has no `{MANIFEST}`; name a component file (`.wasm`), or write one that begins with \
                     `version = 1`",
                    dir.display()
                )));
            }
        }
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            let manifest = Manifest::parse(&text, &path)?;
            return Ok(Self { manifest, bytes: None, path });
        }
        Ok(Self { manifest: Manifest::for_component(&path), bytes: None, path })
    }

    /// An app of one component that is in memory.
    pub(super) fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let path = PathBuf::from(format!("{name}.wasm"));
        let manifest = Manifest::for_component(&path);
        if manifest.name != name {
            return Err(Error::bad_request(format!(
                "`{name}` is no name for an app; it is lower-case kebab of at most 30 characters, such as `{}`",
                manifest.name
            )));
        }
        Ok(Self { manifest, bytes: Some(bytes), path })
    }

    /// The app's name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The directory that relative paths of the manifest start from, and where build commands run.
    pub fn dir(&self) -> &Path {
        &self.manifest.dir
    }

    /// The manifest or component file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files of the components, in the manifest's order.
    #[cfg(feature = "cli")]
    pub(crate) fn component_files(&self) -> impl Iterator<Item = &Path> {
        self.manifest.components.iter().map(|component| component.source.as_path())
    }

    /// The build commands of the components, with the components' names, in the manifest's order.
    pub fn build_commands(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifest
            .components
            .iter()
            .filter_map(|component| Some((component.name.as_str(), component.build.as_deref()?)))
    }
}
