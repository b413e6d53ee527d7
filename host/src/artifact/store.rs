//! The cache directory of compiled components, shared by any number of processes.
//!
//! `<digest>-<kind>-<engine>.cwasm` beside `….json`, its record. Files are written under another name, synced and renamed,
//! so that a reader sees a whole file or none. Nothing here can make a load fail: the answer to any trouble is to compile.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::record::{Digest, FORMAT, Record};
use crate::engine::EngineKind;
use crate::error::{Error, Result};

const KEY_BYTES: usize = 32;

/// A directory of compiled components with the secret that keys their digests.
pub(crate) struct CompileCache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
}

impl CompileCache {
    /// Opens the cache below `root`, making it when it is not there.
    ///
    /// # Errors
    ///
    /// The directory or its key cannot be read or made.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let dir = root.join("artifacts");
        let failed = |error| Error::io(format!("cache directory `{}`", dir.display()), error);
        make_private_dir(&dir).map_err(failed)?;
        let key = read_or_make_key(&dir.join("key")).map_err(failed)?;
        Ok(Self { dir, key })
    }

    /// The secret that keys digests in this cache.
    pub(crate) fn key(&self) -> [u8; KEY_BYTES] {
        self.key
    }

    /// A component compiled earlier by an engine just like this one, if its file is what its record says.
    pub(super) fn load(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> Option<Component> {
        let (file, record) = self.paths(digest, kind, engine);
        let record = Record::parse(&fs::read_to_string(record).ok()?)?;
        match self.verify_and_map(&file, &record, kind, engine) {
            Ok(component) => Some(component),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "a compiled component was damaged: it is set aside and compiled again");
                let _ = fs::rename(&file, file.with_extension("quarantine"));
                None
            }
        }
    }

    fn verify_and_map(&self, path: &Path, record: &Record, kind: EngineKind, engine: &Engine) -> io::Result<Component> {
        let mut file = File::open(path)?;
        let (length, keyed) = keyed_digest(&self.key, &mut file)?;
        if !record.matches(kind, length, keyed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its digest is not the recorded one"));
        }
        map(engine, &file, path).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:#}")))
    }

    /// Keeps what was compiled. A failure is logged: the next run compiles again.
    pub(super) fn save(&self, digest: &Digest, kind: EngineKind, engine: &Engine, component: &Component) {
        let (file, record) = self.paths(digest, kind, engine);
        let saved = component.serialize().map_err(|error| io::Error::other(format!("{error:#}"))).and_then(|code| {
            let keyed = blake3::keyed_hash(&self.key, &code);
            let text = Record::new(kind, code.len() as u64, keyed).to_text();
            // The record last: a file without one does not exist for a reader.
            self.write(&file, &code)?;
            self.write(&record, text.as_bytes())?;
            sync_dir(&self.dir)
        });
        if let Err(error) = saved {
            tracing::warn!(file = %file.display(), %error, "the compiled component could not be kept");
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(&self.dir)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    }

    fn paths(&self, digest: &Digest, kind: EngineKind, engine: &Engine) -> (PathBuf, PathBuf) {
        // Code for another wasmtime, other settings or another CPU has another name, so it is simply not found.
        let mut hasher = StableHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        FORMAT.hash(&mut hasher);
        let stem = format!("{digest}-{}-{:016x}", kind.as_str(), hasher.finish());
        (self.dir.join(format!("{stem}.cwasm")), self.dir.join(format!("{stem}.json")))
    }
}

impl std::fmt::Debug for CompileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileCache").field("dir", &self.dir).finish_non_exhaustive()
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
    // SAFETY: the bytes behind this descriptor were written by `save`, which only `keyed_hash` with this cache's secret can
    // vouch for, and `save` never writes to a file again once it has its name.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, reason = "loading compiled code is unsafe in wasmtime's terms")]
fn map(engine: &Engine, file: &File, _path: &Path) -> wasmtime::Result<Component> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    let mut file = file;
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    // SAFETY: as on Linux, but for the bytes just read instead of the mapping.
    unsafe { Component::deserialize(engine, bytes) }
}

/// Makes a directory that only this user can write to, or checks that one is.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(dir)?;
        // Whoever can write here could put code here, with a key and a record that vouch for it.
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            let message = "it holds code and must belong to this user, writable for nobody else (`chmod go-w`)";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
    }
    Ok(())
}

/// The secret of this cache, made by the first process that needs it.
fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    loop {
        match File::open(path) {
            Ok(mut file) => {
                let mut key = [0; KEY_BYTES];
                match file.read_exact(&mut key) {
                    Ok(()) => return Ok(key),
                    // Cut short by a full disk or a crash: with another key nothing in the cache is trusted any more.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        fs::rename(path, path.with_extension("quarantine"))?;
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(path)?,
            Err(error) => return Err(error),
        }
    }
}

fn make_key(path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
    temporary.write_all(&key)?;
    temporary.as_file().sync_all()?;
    // Of two processes that race here the first wins, and both read its key.
    match temporary.persist_noclobber(path) {
        Ok(_) => sync_dir(dir),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

/// The length and the keyed digest of a file.
pub(crate) fn keyed_digest(key: &[u8; KEY_BYTES], file: &mut File) -> io::Result<(u64, blake3::Hash)> {
    let mut hasher = blake3::Hasher::new_keyed(key);
    let length = io::copy(file, &mut hasher)?;
    Ok((length, hasher.finalize()))
}

/// Makes the names in a directory outlast a loss of power.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostConfig;
    use crate::engine::Engines;

    fn component() -> Vec<u8> {
        wasm_encoder::ComponentBuilder::default().finish()
    }

    fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir.join("artifacts")).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == extension))
            .collect()
    }

    #[test]
    fn what_was_saved_is_found_by_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let engines = Engines::new(&HostConfig { max_instances: 1, ..HostConfig::default() }).unwrap();
        let bytes = component();
        let first = super::super::prepare(
            &bytes,
            Path::new("a.wasm"),
            &engines,
            Some(&CompileCache::open(dir.path()).unwrap()),
        )
        .unwrap();
        assert_ne!(first.origin, super::super::CodeOrigin::Cached);
        let second = super::super::prepare(
            &bytes,
            Path::new("a.wasm"),
            &engines,
            Some(&CompileCache::open(dir.path()).unwrap()),
        )
        .unwrap();
        assert_eq!(second.origin, super::super::CodeOrigin::Cached);
        assert_eq!(first.digest, second.digest);
    }

    #[test]
    fn a_key_cut_short_is_set_aside_and_a_directory_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("artifacts/key");
        CompileCache::open(dir.path()).unwrap();
        fs::write(&key, b"short").unwrap();
        CompileCache::open(dir.path()).unwrap();
        assert_eq!(fs::metadata(&key).unwrap().len(), KEY_BYTES as u64);

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(dir.path().join("artifacts"), fs::Permissions::from_mode(0o777)).unwrap();
            let error = CompileCache::open(dir.path()).unwrap_err();
            assert!(error.message().contains("chmod"), "{error}");
        }
    }

    #[test]
    fn many_openers_at_once_agree_on_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let open = || CompileCache::open(dir.path()).unwrap().key;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn any_damage_is_noticed_set_aside_and_compiled_again() {
        let engines = Engines::new(&HostConfig { max_instances: 1, ..HostConfig::default() }).unwrap();
        let bytes = component();
        type Damage = fn(Vec<u8>) -> Vec<u8>;
        let damages: [Damage; 3] = [
            |mut code| {
                let middle = code.len() / 2;
                code[middle] ^= 1;
                code
            },
            |mut code| {
                code.truncate(code.len() / 2);
                code
            },
            |_| Vec::new(),
        ];
        for damage in damages {
            let dir = tempfile::tempdir().unwrap();
            let cache = CompileCache::open(dir.path()).unwrap();
            let prepare = || super::super::prepare(&bytes, Path::new("a.wasm"), &engines, Some(&cache)).unwrap().origin;
            prepare();
            let file = files(dir.path(), "cwasm").remove(0);
            let code = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            fs::write(&file, damage(code)).unwrap();
            assert_ne!(prepare(), super::super::CodeOrigin::Cached);
            assert_eq!(files(dir.path(), "quarantine").len(), 1);
            assert_eq!(prepare(), super::super::CodeOrigin::Cached);
        }
    }
}
