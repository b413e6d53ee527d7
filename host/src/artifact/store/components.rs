//! Components as they came, and what is known of each without parsing it.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Store;
use super::collect::note_use;
use super::files::{damaged, write_new};
use super::sealed::set_aside;
use crate::artifact::Digest;
use crate::component::Offer;
use crate::engine::EngineKind;

pub(super) const DIR: &str = "components";
const WHAT: &str = "component";

/// What is known of a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ComponentRecord {
    pub(crate) kind: EngineKind,
    /// Of the file as it came.
    pub(crate) size_bytes: u64,
    pub(crate) offer: Offer,
    /// The custom section `wasmhost:manifest`.
    pub(crate) section: String,
    /// Why no instance of it can be made here, in plain words.
    pub(crate) unlinkable: Option<String>,
}

impl Store {
    /// What is known of a component, if somebody examined it before.
    pub(crate) fn component(&self, digest: &Digest) -> Option<ComponentRecord> {
        let path = self.component_record_path(digest).ok()?;
        let record = self.read_record(WHAT, &path).ok()??;
        note_use(&path);
        Some(record)
    }

    /// Puts the bytes of a file into the store, if they are not there.
    ///
    /// # Errors
    ///
    /// They could not be written.
    pub(crate) fn keep_bytes(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.component_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == bytes.len() as u64 => Ok(()),
            _ => write_new(&path, bytes, &self.staging),
        }
    }

    /// The bytes of a file that was put into the store.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are not those that were written.
    pub(crate) fn bytes(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let path = self.component_path(digest);
        let bytes = fs::read(&path)?;
        if Digest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        tracing::warn!(file = %path.display(), "a component in the cache was damaged: it is set aside");
        set_aside(&path);
        Err(damaged("the component is not what was written"))
    }

    /// Whether the bytes of a file are in the store; they are not read.
    pub(crate) fn has_bytes(&self, digest: &Digest) -> bool {
        self.component_path(digest).is_file()
    }

    /// Removes the bytes of a file that turned out to be no component.
    pub(crate) fn forget_bytes(&self, digest: &Digest) {
        let _ = fs::remove_file(self.component_path(digest));
    }

    /// Keeps what is known of a component.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub(crate) fn keep_component(&self, digest: &Digest, record: &ComponentRecord) -> io::Result<()> {
        self.write_record(WHAT, &self.component_record_path(digest)?, record)
    }

    /// What one version of this program tells of a component another one may tell otherwise.
    fn component_record_path(&self, digest: &Digest) -> io::Result<PathBuf> {
        let name = self.name_of(&("component", digest, cfg!(feature = "http")))?;
        Ok(self.root.join(DIR).join(name).with_extension("json"))
    }

    fn component_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(DIR).join(digest.to_string()).with_extension("wasm")
    }
}
