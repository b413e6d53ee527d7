//! Compiled code, for one engine each: hashed through the descriptor that is then mapped.
//!
//! The answer to any trouble is to compile again, unless it is this process that cannot read: then compiling would not help.

use std::fs::{self, File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::files::{FileRecord, damaged, give_name, is_damage, is_passing};
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
    ///
    /// # Errors
    ///
    /// This process cannot read now.
    pub(crate) fn has_code(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> io::Result<Option<u64>> {
        let (file, record) = self.code_paths(digest, kind, engine);
        let record: Option<Record> = self.read_record(WHAT, &record)?;
        let length = fs::metadata(file).ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        Ok(length.filter(|length| record.is_some_and(|record| record.code.length_bytes == *length)))
    }

    /// A component compiled earlier by an engine just like this one, if its file is what its record says.
    ///
    /// # Errors
    ///
    /// This process cannot read now.
    pub(crate) fn map_code(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> io::Result<Option<Component>> {
        let (file, record) = self.code_paths(digest, kind, engine);
        let Some(record) = self.read_record::<Record>(WHAT, &record)? else { return Ok(None) };
        match self.verify_and_map(&file, &record, kind, engine) {
            Ok(component) => {
                super::collect::note_use(&file);
                return Ok(Some(component));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if is_passing(&error) => return Err(error),
            Err(error) if is_damage(&error) => {
                tracing::warn!(file = %file.display(), %error, "compiled code was damaged: it is set aside and compiled again");
                super::sealed::set_aside(&file);
            }
            // It may be a trouble of this process alone, and others use it.
            Err(error) => tracing::warn!(file = %file.display(), %error, "compiled code cannot be used"),
        }
        Ok(None)
    }

    fn verify_and_map(&self, path: &Path, record: &Record, kind: EngineKind, engine: &Engine) -> io::Result<Component> {
        let mut file = File::open(path)?;
        if record.engine != kind || FileRecord::of_reader(&mut file, &self.secret)? != record.code {
            return Err(damaged("its digest is not the recorded one"));
        }
        map(engine, &file, path).map_err(of_engine)
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
        give_name(file, &path)?;
        // The record last: code without one does not exist for a reader.
        let code_record = Record { engine: kind, code: FileRecord::of_bytes(&code, &self.secret) };
        self.write_record(WHAT, &record, &code_record).inspect_err(|_| {
            // Where it is full nobody needs what nobody can find.
            let _ = fs::remove_file(&path);
        })?;
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

/// What the engine says, as the system said it if it did.
fn of_engine(error: wasmtime::Error) -> io::Error {
    let of_system = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let errno = of_system.or_else(|| error.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()));
    errno.map_or_else(|| io::Error::other(format!("{error:#}")), io::Error::from_raw_os_error)
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
