//! `serve --watch`: builds and loads an app again when what it is made of changes.
//!
//! A build writes files too, and must not be the reason for the next one. So a change counts only where the content of a file
//! differs from what was there before, and the folder that the component is built into is no source.

mod files;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::EventKind;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::terminal::{escape, say};
use super::{build, context};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Host, Source};
use files::{Files, Task};

/// How long files have to be left alone before a change is taken up: editors and compilers write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Watches the files of some sources.
#[derive(Debug)]
pub(super) struct Watcher {
    changes: Arc<Changes>,
    apps: Vec<Watching>,
}

/// Paths that the system said something of since they were last looked at.
#[derive(Debug, Default)]
struct Changes {
    paths: Mutex<BTreeSet<PathBuf>>,
    some: Notify,
}

/// One source.
#[derive(Debug)]
struct Watching {
    source: Source,
    disk: Disk,
    builds: bool,
    /// Where it was last said to answer.
    listed: String,
}

/// The files of one source, which are looked at on threads that may wait for a disk.
#[derive(Debug)]
struct Disk {
    /// Those of all sources.
    files: Arc<Mutex<Files>>,
    /// Which of them.
    place: usize,
    looks: TaskTracker,
}

impl Watcher {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// When the system cannot watch a folder.
    pub(super) async fn new(sources: &[Source], builds: bool) -> Result<Self, Error> {
        let changes = Arc::<Changes>::default();
        let heard = changes.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Reading a file is what a build does to all of them.
            if !matches!(event.kind, EventKind::Access(_)) {
                heard.add(event.paths);
            }
        });
        let watcher = watcher.map_err(|error| cannot_watch("files", &error))?;
        let looks = TaskTracker::new();
        let of_files = sources.to_vec();
        let files = looked(&looks, move || Files::new(watcher, &of_files)).await??;
        let files = Arc::new(Mutex::new(files));
        let watching = |(place, source): (usize, &Source)| {
            let disk = Disk { files: files.clone(), place, looks: looks.clone() };
            Watching { source: source.clone(), disk, builds, listed: String::new() }
        };
        let apps = sources.iter().enumerate().map(watching).collect();
        Ok(Self { changes, apps })
    }

    /// Takes the components of an app as they are now for what is served: what its build wrote is no change.
    ///
    /// # Errors
    ///
    /// A fault of ours alone.
    pub(super) async fn loads(&self, app: &str) -> Result<(), Error> {
        match self.apps.iter().find(|watching| watching.source.name() == app) {
            Some(watching) => watching.disk.look(Files::loads).await,
            None => Ok(()),
        }
    }

    /// Takes up changes, one after another, for ever. What goes wrong is printed, and the last version goes on. `list` says
    /// where an app answers, which is printed when it is no longer the same.
    pub(super) async fn run(&mut self, host: &Host, list: impl Fn(&App) -> String) -> Infallible {
        for app in &mut self.apps {
            app.listed = host.app(app.source.name()).map(|app| list(&app)).unwrap_or_default();
        }
        loop {
            let paths = Arc::new(self.changes.next().await);
            for app in &mut self.apps {
                let changed = paths.clone();
                let renewed = match app.disk.look(move |files, place| files.task(place, &changed)).await {
                    Ok(None) => continue,
                    Ok(Some(task)) => app.renew(task, host, &list).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = renewed {
                    let text = error.to_string();
                    say(&format!("error: {}\n`{}` goes on as it was", escape(&text), app.source.name()));
                }
                let covered = app.disk.look(Files::cover_again).await;
                if let Err(error) = covered.and_then(|covered| covered) {
                    say(&format!("warning: {error}"));
                }
            }
        }
    }
}

impl Changes {
    fn add(&self, paths: Vec<PathBuf>) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        self.some.notify_one();
    }

    /// Waits until something changed and nothing does any more.
    async fn next(&self) -> BTreeSet<PathBuf> {
        self.some.notified().await;
        while tokio::time::timeout(DEBOUNCE, self.some.notified()).await.is_ok() {}
        std::mem::take(&mut self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk {
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Files, usize) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (files, place) = (self.files.clone(), self.place);
        looked(&self.looks, move || look(&mut files.lock().unwrap_or_else(PoisonError::into_inner), place)).await
    }
}

/// What comes of looking at files, on a thread for that.
async fn looked<T: Send + 'static>(looks: &TaskTracker, look: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let span = tracing::debug_span!("watch");
    let looked = looks.spawn_blocking(move || span.in_scope(look)).await;
    looked.map_err(|error| Error::internal(format!("looking at files failed: {error}")))
}

impl Watching {
    async fn renew(&mut self, task: Task, host: &Host, list: impl Fn(&App) -> String) -> Result<(), Error> {
        let source = context::source(&self.source.path().to_string_lossy())?;
        if source.name() != self.source.name() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the app is now named `{}`; a new name takes a new start", source.name()),
            ));
        }
        self.source = source.clone();
        self.disk.look(move |files, place| files.is_now(place, source)).await?;
        if task == Task::Build && self.builds {
            build::build(&self.source).await?;
        }
        self.disk.look(Files::loads).await?;
        let app = host.load_source(self.source.clone()).await?;
        host.publish(&app);
        say(&format!("`{}` is served anew", app.name()));
        let listed = list(&app);
        if listed != self.listed {
            say(listed.trim_end());
            self.listed = listed;
        }
        Ok(())
    }
}

fn cannot_watch(what: &str, error: &notify::Error) -> Error {
    Error::internal(format!("{what} cannot be watched: {error}"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Reading a pipe waits until somebody writes: the runtime's only thread must not.
    #[tokio::test]
    async fn a_file_that_takes_long_to_read_does_not_hold_up_the_runtime() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("a.wasm");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(dir.path().join("wasmhost.toml"), "version = 1\n[component.a]\nsource = \"a.wasm\"").unwrap();
        let sources = [Source::open(dir.path()).unwrap()];
        let (goes_on, told) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let told = told.recv_timeout(Duration::from_secs(20)).is_ok();
            // Whoever reads is let go, also where that was too late.
            let _ = std::fs::write(pipe, "x");
            told
        });
        let (watcher, sent) = tokio::join!(Watcher::new(&sources, false), async { goes_on.send(()) });
        assert!(watcher.is_ok() && sent.is_ok());
        assert!(writer.join().unwrap(), "the runtime went on while the pipe was read");
    }
}
