//! Turns at `build`: one lock for each snapshot, held by the one process that makes it. It must not know what is made.
//!
//! A lock is a file. Only who holds it removes it; so whoever got one looks whether it is still the one with this name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, fstat, stat};
use rustix::io::Errno;

use super::Store;
use super::snapshots::{self, SnapshotKey};

const EXTENSION: &str = "building";

/// Held by the one process that runs `build` for a name.
pub(crate) struct Building(#[expect(dead_code, reason = "holds the lock")] File);

impl Store {
    /// The turn at `build` for a name; `None` while somebody else has it.
    ///
    /// # Errors
    ///
    /// The file of the lock cannot be made.
    pub(crate) fn try_building(&self, key: &SnapshotKey) -> io::Result<Option<Building>> {
        let path = self.root.join(snapshots::DIR).join(&key.0).with_extension(EXTENSION);
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        Ok(locked(file, &path)?.map(Building))
    }

    /// Removes the locks of snapshots that there are not. Gives how many those were.
    ///
    /// # Errors
    ///
    /// The directory cannot be read. What cannot be removed is left.
    pub(super) fn remove_idle_locks(&self) -> io::Result<u64> {
        let mut removed = 0;
        for entry in fs::read_dir(self.root.join(snapshots::DIR))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) && self.remove_idle_lock(&path) {
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn remove_idle_lock(&self, path: &Path) -> bool {
        let Some(key) = path.file_stem().and_then(|stem| stem.to_str()) else { return false };
        let key = SnapshotKey(key.to_owned());
        let Ok(Some(_held)) = File::open(path).and_then(|file| locked(file, path)) else { return false };
        // Asked while nobody builds.
        let is_idle = !self.record_path(&key).exists()
            && self.generations(&key).is_ok_and(|generations: Vec<PathBuf>| generations.is_empty());
        is_idle && fs::remove_file(path).is_ok()
    }
}

/// The file, locked, if nobody else holds it and it still has its name.
fn locked(file: File, path: &Path) -> io::Result<Option<File>> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let held = fstat(&file)?;
    let is_named = stat(path).is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino));
    Ok(is_named.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_turn_and_its_lock_goes_with_what_it_is_for() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let key = SnapshotKey("a".to_owned());
        let turn = store.try_building(&key).unwrap().unwrap();
        assert!(store.try_building(&key).unwrap().is_none());
        assert_eq!(store.remove_idle_locks().unwrap(), 0, "somebody holds it");
        drop(turn);
        fs::write(store.record_path(&key), "").unwrap();
        assert_eq!(store.remove_idle_locks().unwrap(), 0, "its snapshot has a record");
        fs::remove_file(store.record_path(&key)).unwrap();
        assert_eq!(store.remove_idle_locks().unwrap(), 1);
        assert_eq!(fs::read_dir(store.root.join(snapshots::DIR)).unwrap().count(), 0);
    }

    #[test]
    fn who_waited_for_a_lock_that_was_removed_does_not_hold_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let [first, second] = [(); 2].map(|()| File::options().create(true).append(true).open(&path).unwrap());
        let first = locked(first, &path).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        drop(first);
        let third = File::create(&path).unwrap();
        assert!(locked(second, &path).unwrap().is_none(), "another file has its name");
        assert!(locked(third, &path).unwrap().is_some());
    }
}
