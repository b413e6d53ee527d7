//! Where things are written before they have their names: a directory for each process, locked for as long as it lives.
//!
//! Whatever lies in a directory that nobody holds locked was left by a process that is gone, and is removed by the next one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};
use tempfile::{NamedTempFile, TempDir};

use super::files::{is_full, make_private_dir};

const DIR: &str = "staging";
/// The file in each directory that its process holds locked.
const OWNER: &str = "owner";
/// Held by whoever makes or removes directories here.
const GATE: &str = "gate";

/// The staging area of one process.
pub(super) struct Staging {
    area: PathBuf,
    own: OnceLock<Own>,
}

/// The directory of one process.
struct Own {
    dir: TempDir,
    /// Locked until the process ends, in whatever way.
    _owner: File,
}

/// Held by one process at a time; given back when it is dropped.
pub(super) struct Alone(#[expect(dead_code, reason = "holds the lock")] File);

impl Staging {
    /// Makes a directory for this process, and removes those of processes that are gone. Where there is no room for one, that
    /// is done once somebody has something to write.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let area = root.join(DIR);
        make_private_dir(&area)?;
        let staging = Self { area, own: OnceLock::new() };
        match staging.own() {
            Err(error) if is_full(&error) => {
                tracing::warn!(dir = %root.display(), %error, "nothing can be written to the cache now");
            }
            own => own.map(|_| ())?,
        }
        Ok(staging)
    }

    fn own(&self) -> io::Result<&Own> {
        if let Some(own) = self.own.get() {
            return Ok(own);
        }
        let alone = self.alone()?;
        // The gate holds up other threads, too: of two the second one finds it here.
        if let Some(own) = self.own.get() {
            return Ok(own);
        }
        let dir = tempfile::Builder::new().prefix("process-").tempdir_in(&self.area)?;
        let owner = File::create_new(dir.path().join(OWNER))?;
        flock(&owner, FlockOperation::LockExclusive)?;
        let own = self.own.get_or_init(|| Own { dir, _owner: owner });
        let graves = take_abandoned(&self.area, own.dir.path());
        // Others need not wait until all of it is gone.
        drop(alone);
        for grave in graves {
            if let Err(error) = fs::remove_dir_all(&grave) {
                tracing::warn!(path = %grave.display(), %error, "what another process left half done could not be removed");
            }
        }
        Ok(own)
    }

    /// Waits until no other process is in here.
    pub(super) fn alone(&self) -> io::Result<Alone> {
        Alone::wait(&self.area.join(GATE))
    }

    /// The directory of this process, unless there was no room for one.
    pub(super) fn home(&self) -> Option<&Path> {
        self.own.get().map(|own| own.dir.path())
    }

    pub(super) fn file(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(self.own()?.dir.path())
    }

    pub(super) fn dir(&self, prefix: &str) -> io::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix);
        // What lies there may come of files that are private.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        builder.tempdir_in(self.own()?.dir.path())
    }
}

impl Alone {
    fn wait(gate: &Path) -> io::Result<Self> {
        let gate = File::options().create(true).truncate(false).write(true).open(gate)?;
        flock(&gate, FlockOperation::LockExclusive)?;
        Ok(Self(gate))
    }
}

/// Moves what nobody holds below a directory of one's own.
fn take_abandoned(area: &Path, own: &Path) -> Vec<PathBuf> {
    let mut graves = Vec::new();
    for entry in fs::read_dir(area).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() || path == own {
            continue;
        }
        // A directory without the file was made by a process that went before it made that.
        let is_abandoned = match File::open(path.join(OWNER)) {
            Ok(owner) => flock(&owner, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let grave = own.join(entry.file_name());
        if is_abandoned && fs::rename(&path, &grave).is_ok() {
            graves.push(grave);
        }
    }
    graves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_is_removed_by_the_next_and_what_others_write_is_not() {
        let root = tempfile::tempdir().unwrap();
        let living = Staging::open(root.path()).unwrap();
        let written = living.dir("a-").unwrap();
        let gone = Staging::open(root.path()).unwrap();
        let left = gone.home().unwrap().to_owned();
        fs::write(left.join("half"), "done").unwrap();
        // As at the end of a process: the lock goes, the files stay.
        let Own { dir, _owner } = gone.own.into_inner().unwrap();
        let _ = dir.keep();
        drop(_owner);
        Staging::open(root.path()).unwrap();
        assert!(!left.exists());
        assert!(written.path().exists());
    }
}
