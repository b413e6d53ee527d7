//! Which component a file is, without reading it: as long as nothing about the file has changed since somebody did.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Store;
use crate::artifact::Digest;

pub(super) const DIR: &str = "sources";
const WHAT: &str = "source";

/// A file that was changed so shortly before it was read may change again without its times telling.
const SETTLED: Duration = Duration::from_millis(500);

/// What tells that a file is still the one that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    device: u64,
    inode: u64,
    length_bytes: u64,
    modified_ns: i128,
    /// The kernel's own, which nobody can set back.
    changed_ns: i128,
}

#[derive(Serialize, Deserialize)]
struct Record {
    stamp: Stamp,
    digest: Digest,
}

impl Store {
    /// The digest of a file that was read before and is the same since.
    pub(crate) fn known_source(&self, path: &Path, metadata: &Metadata) -> Option<Digest> {
        let stamp = Stamp::of(path, metadata)?;
        let place = self.source_path(path)?;
        let record: Record = self.read_record(WHAT, &place).ok()??;
        super::collect::note_use(&place);
        (record.stamp == stamp).then_some(record.digest)
    }

    /// Remembers the digest of a file; `metadata` is from before it was read. A failure only costs time later.
    pub(crate) fn note_source(&self, path: &Path, metadata: &Metadata, digest: Digest) {
        let Some(stamp) = Stamp::of(path, metadata) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let settled = i128::try_from(now.saturating_sub(SETTLED.as_nanos())).unwrap_or(0);
        if stamp.modified_ns.max(stamp.changed_ns) >= settled {
            return;
        }
        let Some(place) = self.source_path(path) else { return };
        if let Err(error) = self.write_record(WHAT, &place, &Record { stamp, digest }) {
            tracing::debug!(file = %place.display(), %error, "the digest of a component could not be noted");
        }
    }

    fn source_path(&self, path: &Path) -> Option<PathBuf> {
        let name = self.name_of(&("source", path)).ok()?;
        Some(self.root.join(DIR).join(name).with_extension("json"))
    }
}

impl Stamp {
    #[cfg(unix)]
    fn of(path: &Path, metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Some(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            length_bytes: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Elsewhere times tell too little.
    #[cfg(not(unix))]
    fn of(_: &Path, _: &Metadata) -> Option<Self> {
        None
    }
}
