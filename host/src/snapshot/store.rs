//! Snapshots on disk, shared by any number of processes.
//!
//! ```text
//!  snapshots/<key>/record.json       what is known without opening anything else, and the digests of all of it
//!                  component.wasm    the component after `build`
//!                  image/            what `build` wrote below `/image`
//! ```
//! The key is made of everything that `build` could see. A snapshot is written under another name, synced and renamed, so that
//! a reader finds a whole one or none; what does not match its record is set aside, and `build` runs again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::artifact::{Digest, keyed_digest, make_private_dir, sync_dir};
use crate::component::accessor::ImportedResource;
use crate::error::{Error, Result};
use crate::instance::OpenHandles;

/// The version of the record and of the layout around it. A snapshot of another version is none.
const FORMAT: u32 = 2;

const RECORD: &str = "record.json";
const COMPONENT: &str = "component.wasm";
const IMAGE: &str = "image";

/// A directory of snapshots.
pub(crate) struct SnapshotStore {
    dir: PathBuf,
    /// Keys the digests: whoever cannot read it can make no record.
    key: [u8; 32],
}

impl std::fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What `build` could see, as a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotKey(String);

/// A snapshot on disk, as far as its record goes.
pub(crate) struct Kept {
    pub(crate) resources: Vec<ImportedResource>,
    pub(crate) open: OpenHandles,
    pub(crate) clock: Duration,
    /// That of the component after `build`.
    pub(crate) digest: Digest,
    /// What `build` wrote.
    pub(crate) image: PathBuf,
    component: PathBuf,
    recorded: FileRecord,
    secret: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    /// Keyed digest of everything below.
    seal: String,
    body: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    resources: Vec<ImportedResource>,
    open: OpenHandles,
    clock_ns: u64,
    digest: Digest,
    component: FileRecord,
    image: Vec<(PathBuf, FileRecord)>,
}

/// The length and the keyed digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    length_bytes: u64,
    keyed_blake3: String,
}

/// What takes the snapshot: another one may lay it out differently.
const SNAPSHOTTER: &str = concat!("wizer of wasmhost ", env!("CARGO_PKG_VERSION"));

impl SnapshotStore {
    /// Opens the store below `root`, making it when it is not there. `key` is the secret of the directory.
    ///
    /// # Errors
    ///
    /// The directory cannot be made.
    pub(crate) fn open(root: &Path, key: [u8; 32]) -> Result<Self> {
        let dir = root.join("snapshots");
        let made = make_private_dir(&dir);
        made.map_err(|error| Error::io(format!("snapshot directory `{}`", dir.display()), error))?;
        Ok(Self { dir, key })
    }

    /// The name of the snapshot of what `sight` says. Nobody can tell from it what that was, for it may hold secrets.
    ///
    /// # Errors
    ///
    /// It is nothing that JSON can say: a path that is no UTF-8.
    pub(crate) fn name(&self, sight: &impl Serialize) -> io::Result<SnapshotKey> {
        let text = serde_json::to_vec(&(FORMAT, SNAPSHOTTER, sight)).map_err(io::Error::other)?;
        Ok(SnapshotKey(blake3::keyed_hash(&self.key, &text).to_hex().to_string()))
    }

    /// The snapshot of this name, if it is there and what its record says. Its component is not read yet.
    pub(crate) fn find(&self, key: &SnapshotKey) -> Option<Kept> {
        let dir = self.dir.join(&key.0);
        let text = fs::read_to_string(dir.join(RECORD)).ok()?;
        match self.read(&dir, &text) {
            Ok(kept) => Some(kept),
            Err(error) => {
                tracing::warn!(snapshot = %dir.display(), %error, "a snapshot cannot be used: it is made again");
                // Anything else may be a passing trouble of this process, and others use it.
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) {
                    self.set_aside(key);
                }
                None
            }
        }
    }

    /// Keeps a snapshot with copies of the files that `build` wrote. Whoever was first wins.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub(crate) fn keep(&self, key: &SnapshotKey, snapshot: &Snapshot, image: &Path) -> io::Result<Kept> {
        let temporary = tempfile::Builder::new().prefix(".making-").tempdir_in(&self.dir)?;
        let dir = temporary.path();
        write(&dir.join(COMPONENT), &snapshot.component)?;
        copy_all(image, &dir.join(IMAGE))?;
        let body = Body {
            resources: snapshot.resources.clone(),
            open: snapshot.open.clone(),
            clock_ns: u64::try_from(snapshot.clock.as_nanos()).unwrap_or(u64::MAX),
            digest: Digest::of(&snapshot.component),
            component: self.record_of(&dir.join(COMPONENT))?,
            image: self.records_below(&dir.join(IMAGE))?,
        };
        let record = Record { format: FORMAT, seal: self.seal(&body), body };
        write(&dir.join(RECORD), serde_json::to_string(&record).map_err(io::Error::other)?.as_bytes())?;
        sync_dir(dir)?;
        let place = self.dir.join(&key.0);
        match fs::rename(dir, &place) {
            Ok(()) => drop(temporary.keep()),
            // Another process was faster: what it made is as good.
            Err(error) if place.join(RECORD).is_file() => drop(error),
            Err(error) => return Err(error),
        }
        sync_dir(&self.dir)?;
        self.find(key).ok_or_else(|| io::Error::other("it is not there after it was written"))
    }

    /// Sets a snapshot aside that turned out to be damaged.
    pub(crate) fn set_aside(&self, key: &SnapshotKey) {
        let dir = self.dir.join(&key.0);
        let aside = dir.with_extension("quarantine");
        let _ = fs::remove_dir_all(&aside);
        if fs::rename(&dir, &aside).is_err() {
            let _ = fs::remove_dir_all(&dir);
        }
    }

    fn read(&self, dir: &Path, text: &str) -> io::Result<Kept> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let record: Record = serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))?;
        if record.format != FORMAT || record.seal != self.seal(&record.body) {
            return Err(damaged("its record is not what was written"));
        }
        let body = record.body;
        let image = dir.join(IMAGE);
        if self.records_below(&image)? != body.image {
            return Err(damaged("its files are not those that `build` wrote"));
        }
        Ok(Kept {
            resources: body.resources,
            open: body.open,
            clock: Duration::from_nanos(body.clock_ns),
            digest: body.digest,
            image,
            component: dir.join(COMPONENT),
            recorded: body.component,
            secret: self.key,
        })
    }

    fn seal(&self, body: &Body) -> String {
        let text = serde_json::to_string(body).unwrap_or_default();
        blake3::keyed_hash(&self.key, text.as_bytes()).to_hex().to_string()
    }

    fn record_of(&self, path: &Path) -> io::Result<FileRecord> {
        let (length_bytes, digest) = keyed_digest(&self.key, &mut File::open(path)?)?;
        Ok(FileRecord { length_bytes, keyed_blake3: digest.to_hex().to_string() })
    }

    /// What is below a directory, sorted; of directories in it there are the names.
    ///
    /// # Errors
    ///
    /// Something cannot be read.
    pub(crate) fn records_below(&self, root: &Path) -> io::Result<Vec<(PathBuf, FileRecord)>> {
        let mut found = Vec::new();
        for path in entries_below(root)? {
            let below = path.strip_prefix(root).map_err(io::Error::other)?.to_owned();
            let record = if path.is_dir() { FileRecord::of_directory() } else { self.record_of(&path)? };
            found.push((below, record));
        }
        Ok(found)
    }
}

impl FileRecord {
    fn of_directory() -> Self {
        Self { length_bytes: 0, keyed_blake3: String::new() }
    }
}

impl Kept {
    /// The bytes of the component after `build`.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are not those that were written.
    pub(crate) fn component(&self) -> io::Result<Vec<u8>> {
        let bytes = fs::read(&self.component)?;
        let found = FileRecord {
            length_bytes: bytes.len() as u64,
            keyed_blake3: blake3::keyed_hash(&self.secret, &bytes).to_hex().to_string(),
        };
        if found == self.recorded {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the component is not what was written"))
        }
    }
}

/// The first thing below a directory that is neither a file nor a directory.
///
/// # Errors
///
/// Something cannot be read.
pub(crate) fn link_below(root: &Path) -> io::Result<Option<PathBuf>> {
    for path in entries_below(root)? {
        let kind = fs::symlink_metadata(&path)?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            return Ok(Some(path.strip_prefix(root).map_err(io::Error::other)?.to_owned()));
        }
    }
    Ok(None)
}

/// All that is below a directory, sorted. Links are not followed.
fn entries_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut entries, mut dirs) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
        // There is nothing else: a snapshot with a link is refused.
    }
    sync_dir(to)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_directory_has_a_record_also_where_it_is_empty() {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = SnapshotStore::open(root.path(), [7; 32]).unwrap();
        fs::create_dir_all(dir.path().join("a/empty")).unwrap();
        fs::write(dir.path().join("a/file"), "text").unwrap();
        let records = store.records_below(dir.path()).unwrap();
        let lengths: Vec<_> =
            records.iter().map(|(path, record)| (path.to_str().unwrap(), record.length_bytes)).collect();
        assert_eq!(lengths, [("a", 0), ("a/empty", 0), ("a/file", 4)]);
        assert_eq!(link_below(dir.path()).unwrap(), None);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("file", dir.path().join("a/link")).unwrap();
            assert_eq!(link_below(dir.path()).unwrap().as_deref(), Some(Path::new("a/link")));
        }
    }

    #[test]
    fn names_differ_with_what_was_seen_and_with_the_secret() {
        let root = tempfile::tempdir().unwrap();
        let name =
            |secret: u8, sight: &[&str]| SnapshotStore::open(root.path(), [secret; 32]).unwrap().name(&sight).unwrap();
        assert_eq!(name(1, &["a", "b"]), name(1, &["a", "b"]));
        assert_ne!(name(1, &["a", "b"]), name(1, &["ab"]));
        assert_ne!(name(1, &["a"]), name(2, &["a"]));
    }
}
