//! The directory of artifacts, shared by any number of processes of one user.
//!
//! ```text
//!  artifacts/key, key.copy           the secret that keys every digest and seal here
//!            sources/<path>.json     which component a file is, as long as it has not changed
//!            components/<digest>.*   a component, and what is known of it
//!            code/<digest>-….*       compiled code for one engine, and its record
//!            snapshots/<key>.json    what is known of a component after `build`: names a generation
//!                      <key>-<gen>/  its pack (the durable form), `image/`, and the lock of those who use it
//!            staging/                what is being written, a directory for each process
//! ```
//! Records are sealed, so that nobody makes one without the secret. Whatever is written gets its name when it is whole and on
//! the disk, records last: a reader finds all of a thing or none of it. What does not match its record is set aside and made
//! again from what it came from.

mod building;
mod code;
mod collect;
mod components;
mod files;
mod pack;
mod sealed;
mod secret;
mod snapshots;
mod sources;
mod staging;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use secret::Secret;
use staging::Staging;

pub(crate) use building::Building;
pub(crate) use collect::Collected;
pub(crate) use components::ComponentRecord;
pub(crate) use files::{FileRecord, link_below};
pub(crate) use snapshots::{Built, Kept, Outcome, PrintedLine, SnapshotKey, Taken, Timings, is_lost};

/// The version of all that is written here. What another version wrote is not found.
const FORMAT: u32 = 5;

/// What wrote it: another version of this program may know other things, or lay them out differently.
const WRITER: &str = concat!("wasmhost ", env!("CARGO_PKG_VERSION"));

/// A directory of artifacts.
pub(crate) struct Store {
    root: PathBuf,
    secret: Secret,
    staging: Staging,
    /// Removed with the store, where it is nobody else's.
    _temporary: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the store below `root`, making it when it is not there, and removes what processes that are gone left half done.
    ///
    /// # Errors
    ///
    /// A directory or the secret cannot be read or made.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let dir = root.join("artifacts");
        let failed = |error| Error::io(format!("cache directory `{}`", dir.display()), with_setting(error));
        Self::open_at(dir.clone()).map_err(failed)
    }

    /// A store that ends with its user.
    ///
    /// # Errors
    ///
    /// The directory for temporary files cannot be written to.
    pub(crate) fn temporary() -> Result<Self> {
        let failed = |error| Error::io("a temporary directory for artifacts", error);
        let dir = files::private_temporary("wasmhost-artifacts-").map_err(failed)?;
        let store = Self::open_at(dir.path().join("artifacts")).map_err(failed)?;
        Ok(Self { _temporary: Some(dir), ..store })
    }

    fn open_at(root: PathBuf) -> io::Result<Self> {
        files::make_private_dir(&root)?;
        for dir in [sources::DIR, components::DIR, code::DIR, snapshots::DIR] {
            files::make_private_dir(&root.join(dir))?;
        }
        let staging = Staging::open(&root)?;
        let secret = Secret::open(&root, &staging)?;
        let store = Self { root, secret, staging, _temporary: None };
        store.remove_unnamed_generations()?;
        Ok(store)
    }

    /// The directory that [`open`](Self::open) takes.
    pub(crate) fn root(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// What went wrong in here, while something was done with the component of this name.
    pub(crate) fn failed(&self, name: &str, error: io::Error) -> Error {
        Error::internal(format!("cache directory `{}`, for `{name}`: {}", self.root.display(), with_setting(error)))
    }

    /// A directory in the staging area of this process; where there is no room in the store, among the system's temporary ones.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(crate) fn staging_dir(&self, prefix: &str) -> io::Result<tempfile::TempDir> {
        match self.staging.dir(prefix) {
            Err(error) if files::is_full(&error) => files::private_temporary(&format!("wasmhost-{prefix}")),
            dir => dir,
        }
    }

    /// The staging area of this process: removed with it, or by the next one. There may be no room for one.
    pub(crate) fn staging_home(&self) -> Option<&Path> {
        self.staging.home()
    }

    /// A name for what `of` says, from which nobody can tell what that was: it may hold secrets.
    fn name_of(&self, of: &impl Serialize) -> io::Result<String> {
        let text = serde_json::to_vec(&(FORMAT, WRITER, of)).map_err(io::Error::other)?;
        Ok(self.secret.keyed(&text).to_hex().to_string())
    }
}

/// The same failure with what helps where there is no room.
fn with_setting(error: io::Error) -> io::Error {
    if !files::is_full(&error) {
        return error;
    }
    io::Error::new(error.kind(), format!("{error}; the setting is `cache-dir`"))
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.root).finish_non_exhaustive()
    }
}
