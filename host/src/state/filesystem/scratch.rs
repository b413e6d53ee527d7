//! Where the private directories of instances lie, and how they go.
//!
//! ```text
//! wasmhost-tmp-…/          made when the first instance with a `/tmp` starts, removed with the host
//!   empty/                 what every `/tmp` is until its guest writes there
//!   1/ 2/ …                each made by a guest's first write
//! ```
//! A directory is removed by a thread that may wait for the disk, one at a time, and never by the task that a guest ended
//! on. This module must not know guests, or what they may write.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Only their user looks into these directories.
const MODE: u32 = 0o700;

/// The private directories of a host's instances.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Where the directory of all of them is made; `None` is the system's place for temporary files.
    below: Option<PathBuf>,
    home: Mutex<Home>,
    /// Removals, and changes that may end after the instance they were made for.
    work: TaskTracker,
}

#[derive(Debug, Default)]
struct Home {
    dir: Option<TempDir>,
    /// How many directories there have been, which is the name of the last one.
    made: u64,
    /// What is to be removed.
    gone: Vec<PathBuf>,
    is_removing: bool,
    is_over: bool,
}

/// A directory of one instance, removed some time after this is dropped.
#[derive(Debug)]
pub(super) struct Private {
    path: PathBuf,
    scratch: Arc<Scratch>,
}

impl Scratch {
    pub(crate) fn new(below: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { below, home: Mutex::default(), work: TaskTracker::new() })
    }

    /// Of a process that nobody told where.
    pub(in crate::state) fn somewhere() -> Arc<Self> {
        Self::new(None)
    }

    /// A directory that is empty and stays so.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(in crate::state) fn empty(&self) -> io::Result<PathBuf> {
        Ok(self.home_dir(&mut self.home())?.join("empty"))
    }

    /// Makes a directory for one instance.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(super) fn make(self: &Arc<Self>) -> io::Result<Private> {
        let mut home = self.home();
        home.made += 1;
        let name = home.made.to_string();
        let path = self.home_dir(&mut home)?.join(name);
        drop(home);
        DirBuilder::new().mode(MODE).create(&path)?;
        Ok(Private { path, scratch: self.clone() })
    }

    /// Held while something is done that a shutdown has to wait for.
    pub(super) fn working(&self) -> TaskTrackerToken {
        self.work.token()
    }

    /// Waits until the directories of instances that are gone are removed, and removes the rest.
    pub(crate) async fn finish(&self) {
        self.work.close();
        self.work.wait().await;
        if let Some(dir) = self.end() {
            let path = dir.path().to_owned();
            let closed = tokio::task::spawn_blocking(move || dir.close()).await;
            if let Err(error) = closed.map_err(io::Error::other).flatten() {
                tracing::warn!(%error, path = %path.display(), "private directories could not be removed");
            }
        }
    }

    /// Makes no more directories, and hands out the one that has them.
    fn end(&self) -> Option<TempDir> {
        let mut home = self.home();
        home.is_over = true;
        home.dir.take()
    }

    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn home_dir(&self, home: &mut Home) -> io::Result<PathBuf> {
        if home.is_over {
            return Err(io::Error::other("the host has shut down"));
        }
        if let Some(dir) = &home.dir {
            return Ok(dir.path().to_owned());
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix("wasmhost-tmp-").permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE));
        let dir = match &self.below {
            Some(below) => builder.tempdir_in(below)?,
            None => builder.tempdir()?,
        };
        DirBuilder::new().mode(0o500).create(dir.path().join("empty"))?;
        Ok(home.dir.insert(dir).path().to_owned())
    }

    fn remove(self: &Arc<Self>, path: PathBuf) {
        let mut home = self.home();
        home.gone.push(path);
        if std::mem::replace(&mut home.is_removing, true) {
            return;
        }
        drop(home);
        let removal = Removal(self.clone());
        match Handle::try_current() {
            Ok(runtime) => drop(self.work.spawn_blocking_on(move || removal.run(), &runtime)),
            // Nothing is held up where there is no runtime.
            Err(_) => removal.run(),
        }
    }
}

impl Private {
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.scratch.remove(std::mem::take(&mut self.path));
    }
}

/// The one thread that removes; without it, as when its runtime has ended before, another one may begin.
struct Removal(Arc<Scratch>);

impl Removal {
    fn run(self) {
        while let Some(path) = self.next() {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "the directory of an instance could not be removed");
            }
        }
    }

    fn next(&self) -> Option<PathBuf> {
        let mut home = self.0.home();
        let next = home.gone.pop();
        // Said under the lock, so that what is given up next finds nobody at it.
        home.is_removing = next.is_some();
        next
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.0.home().is_removing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(below: &std::path::Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(below)
            .unwrap()
            .flat_map(|home| fs::read_dir(home.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn directories_go_some_time_after_their_instances_and_all_of_them_before_the_end() {
        let below = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(below.path().to_owned()));
        assert!(scratch.empty().unwrap().is_dir());
        let (one, other) = (scratch.make().unwrap(), scratch.make().unwrap());
        fs::write(one.path().join("file"), "text").unwrap();
        assert_eq!(names(below.path()), ["1", "2", "empty"]);
        drop(one);
        scratch.work.close();
        scratch.work.wait().await;
        assert_eq!(names(below.path()), ["2", "empty"]);
        scratch.finish().await;
        assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0, "also what somebody still has");
        drop(other);
        scratch.make().unwrap_err();
    }

    #[test]
    fn without_a_runtime_a_directory_goes_at_once() {
        let below = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(below.path().to_owned()));
        drop(scratch.make().unwrap());
        assert_eq!(names(below.path()), ["empty"]);
        drop(scratch.make().unwrap());
        assert_eq!(names(below.path()), ["empty"], "the next one too");
    }
}
