//! Compiled code, for one engine each: hashed through the descriptor that is then mapped.
//!
//! Nothing here can make a load fail: the answer to any trouble is to compile again.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::files::{FileRecord, damaged, sync_dir};
use super::{FORMAT, Store};
use crate::artifact::Digest;
use crate::engine::EngineKind;

pub(super) const DIR: &str = "code";
const WHAT: &str = "code";
const CODE: &str = "cwasm";

#[derive(Serialize, Deserialize)]
struct Record {
    engine: EngineKind,
    code: FileRecord,
}

impl Store {
    /// The bytes of a component's compiled code, if its record says that it is there. Nothing is verified yet.
    pub(crate) fn has_code(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> Option<u64> {
        let (file, record) = self.code_paths(digest, kind, engine);
        let record: Record = self.read_record(WHAT, &record)?;
        let length = fs::metadata(file).ok()?.len();
        (length == record.code.length_bytes).then_some(length)
    }

    /// A component compiled earlier by an engine just like this one, if its file is what its record says.
    pub(crate) fn map_code(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> Option<Component> {
        let (file, record) = self.code_paths(digest, kind, engine);
        let record: Record = self.read_record(WHAT, &record)?;
        match self.verify_and_map(&file, &record, kind, engine) {
            Ok(component) => {
                super::collect::note_use(&file);
                Some(component)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                // It may be a passing trouble of this process, and others use it.
                tracing::warn!(file = %file.display(), %error, "compiled code cannot be used: it is compiled again");
                None
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "compiled code was damaged: it is set aside and compiled again");
                super::sealed::set_aside(&file);
                None
            }
        }
    }

    fn verify_and_map(&self, path: &Path, record: &Record, kind: EngineKind, engine: &Engine) -> io::Result<Component> {
        let mut file = File::open(path)?;
        if record.engine != kind || FileRecord::of_reader(&mut file, &self.secret)? != record.code {
            return Err(damaged("its digest is not the recorded one"));
        }
        map(engine, &file, path).map_err(|error| io::Error::other(format!("{error:#}")))
    }

    /// Keeps what was compiled; gives how many bytes that are.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub(crate) fn keep_code(
        &self,
        digest: &Digest,
        kind: EngineKind,
        engine: &Engine,
        component: &Component,
    ) -> io::Result<u64> {
        let (path, record) = self.code_paths(digest, kind, engine);
        let code = component.serialize().map_err(|error| io::Error::other(format!("{error:#}")))?;
        let mut file = self.staging.file()?;
        file.write_all(&code)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        sync_dir(&self.root.join(DIR))?;
        // The record last: code without one does not exist for a reader.
        self.write_record(WHAT, &record, &Record { engine: kind, code: FileRecord::of_bytes(&code, &self.secret) })?;
        Ok(code.len() as u64)
    }

    fn code_paths(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> (PathBuf, PathBuf) {
        // Code for another wasmtime, other settings or another CPU has another name, so it is simply not found.
        let mut hasher = StableHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        FORMAT.hash(&mut hasher);
        let stem = format!("{digest}-{}-{:016x}", kind.as_str(), hasher.finish());
        let path = self.root.join(DIR).join(stem);
        (path.with_extension(CODE), path.with_extension("json"))
    }
}

/// A hasher for names on disk: the standard library's may change with each release.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        digest.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Maps the descriptor that was hashed, not the path, which may name another file by now.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "mapping compiled code is unsafe in wasmtime's terms")]
fn map(engine: &Engine, file: &File, _path: &Path) -> wasmtime::Result<Component> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the bytes behind this descriptor were written by `keep_code`, which only the keyed digest with this store's
    // secret can vouch for, and nothing writes to a file again once it has its name.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, reason = "loading compiled code is unsafe in wasmtime's terms")]
fn map(engine: &Engine, file: &File, _path: &Path) -> wasmtime::Result<Component> {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    let mut file = file;
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    // SAFETY: as on Linux, but for the bytes just read instead of the mapping.
    unsafe { Component::deserialize(engine, bytes) }
}
