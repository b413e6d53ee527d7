//! `serve --watch`: builds and loads an app again when what it is made of changes.
//!
//! A build writes files too, and must not be the reason for the next one. So a change counts only where the content of a file
//! differs from what was there before, and the folder that the component is built into is no source.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::terminal::{escape, say};
use super::{build, context};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Host, Source};

/// How long files have to be left alone before a change is taken up: editors and compilers write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Folders of one source that are watched, at most.
const MAX_FOLDERS: usize = 10_000;

/// Bytes of a file that is read to see whether it changed; components are hardly larger, and what is seldom a source.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Folders that hold what tools make.
const NO_SOURCES: [&str; 2] = ["target", "node_modules"];

/// Watches the files of some sources.
#[derive(Debug)]
pub(super) struct Watcher {
    changes: Arc<Changes>,
    watched: Watched,
    apps: Vec<Watching>,
}

/// Paths that the system said something of since they were last looked at.
#[derive(Debug, Default)]
struct Changes {
    paths: Mutex<BTreeSet<PathBuf>>,
    some: Notify,
}

/// The folders that are watched.
#[derive(Debug)]
struct Watched {
    watcher: RecommendedWatcher,
    folders: HashSet<PathBuf>,
}

/// One source.
#[derive(Debug)]
struct Watching {
    source: Source,
    builds: bool,
    /// What was in the files when they were last looked at.
    contents: HashMap<PathBuf, Content>,
    /// Where it was last said to answer.
    listed: String,
}

/// What is in a file, short enough to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Absent,
    Digest(blake3::Hash),
    /// Of a file too large to be read each time: its length, and when it was written.
    Written(u64, Option<SystemTime>),
}

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Load,
    Build,
}

impl Watcher {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// When the system cannot watch a folder.
    pub(super) fn new(sources: &[Source], builds: bool) -> Result<Self, Error> {
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
        let mut watched = Watched { watcher, folders: HashSet::new() };
        let mut apps = Vec::with_capacity(sources.len());
        for source in sources {
            let mut app = Watching { source: source.clone(), builds, contents: HashMap::new(), listed: String::new() };
            for path in watched.cover(source)? {
                app.has_changed(&path);
            }
            apps.push(app);
        }
        Ok(Self { changes, watched, apps })
    }

    /// Takes the components of an app as they are now for what is served: what its build wrote is no change.
    pub(super) fn loads(&mut self, app: &str) {
        self.apps.iter_mut().filter(|watching| watching.source.name() == app).for_each(Watching::loads);
    }

    /// Takes up changes, one after another, for ever. What goes wrong is printed, and the last version goes on. `list` says
    /// where an app answers, which is printed when it is no longer the same.
    pub(super) async fn run(&mut self, host: &Host, list: impl Fn(&App) -> String) -> Infallible {
        for app in &mut self.apps {
            app.listed = host.app(app.source.name()).map(|app| list(&app)).unwrap_or_default();
        }
        loop {
            let paths = self.changes.next().await;
            for app in &mut self.apps {
                let Some(task) = app.task(&paths) else { continue };
                if let Err(error) = app.renew(task, host, &list).await {
                    let text = error.to_string();
                    say(&format!("error: {}\n`{}` goes on as it was", escape(&text), app.source.name()));
                }
                if let Err(error) = self.watched.cover(&app.source) {
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

impl Watched {
    /// Watches the folders of a source that are not watched yet, and gives the files that are in them.
    fn cover(&mut self, source: &Source) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        let mut folders = Vec::new();
        if is_alone(source) {
            folders.extend(source.path().parent().map(Path::to_owned));
        } else {
            folders.push(source.dir().to_owned());
            let mut at = 0;
            while let Some(folder) = folders.get(at).cloned() {
                at += 1;
                for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                    let path = entry.path();
                    if is_made_by_tools(source, &path) {
                        continue;
                    }
                    match entry.file_type() {
                        Ok(kind) if kind.is_dir() && folders.len() < MAX_FOLDERS => folders.push(path),
                        Ok(kind) if kind.is_file() => files.push(path),
                        _ => {}
                    }
                }
            }
        }
        // A component may lie elsewhere, and its folder may not be there before the first build.
        folders.extend(source.component_files().filter_map(|file| Some(file.parent()?.to_owned())));
        files.extend(source.component_files().map(Path::to_owned));
        for folder in folders {
            if folder.is_dir() && !self.folders.contains(&folder) {
                let watching = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
                watching.map_err(|error| cannot_watch(&format!("`{}`", folder.display()), &error))?;
                self.folders.insert(folder);
            }
        }
        Ok(files)
    }
}

impl Watching {
    /// What these paths ask for, if any of them has another content than before.
    fn task(&mut self, paths: &BTreeSet<PathBuf>) -> Option<Task> {
        let tasks: Vec<_> = paths.iter().filter_map(|path| Some((self.kind(path)?, path))).collect();
        // Each is looked at, so that its content is known from now on.
        tasks.into_iter().filter(|(_, path)| self.has_changed(path)).map(|(task, _)| task).max()
    }

    /// What a change of this file asks for.
    fn kind(&self, path: &Path) -> Option<Task> {
        if self.source.component_files().any(|file| is_same(file, path)) {
            return Some(Task::Load);
        }
        let is_source = !is_alone(&self.source) && !is_made_by_tools(&self.source, path) && !path.is_dir();
        (is_source && path.starts_with(self.source.dir())).then_some(Task::Build)
    }

    fn has_changed(&mut self, path: &Path) -> bool {
        let content = Content::of(path);
        self.contents.insert(path.to_owned(), content) != Some(content)
    }

    fn loads(&mut self) {
        let components: Vec<_> = self.source.component_files().map(Path::to_owned).collect();
        for file in &components {
            self.has_changed(file);
        }
    }

    async fn renew(&mut self, task: Task, host: &Host, list: impl Fn(&App) -> String) -> Result<(), Error> {
        let source = context::source(&self.source.path().to_string_lossy())?;
        if source.name() != self.source.name() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the app is now named `{}`; a new name takes a new start", source.name()),
            ));
        }
        self.source = source;
        if task == Task::Build && self.builds {
            build::build(&self.source).await?;
        }
        self.loads();
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

impl Content {
    fn of(path: &Path) -> Self {
        let Ok(metadata) = std::fs::metadata(path) else { return Self::Absent };
        if metadata.len() > MAX_READ_BYTES {
            return Self::Written(metadata.len(), metadata.modified().ok());
        }
        std::fs::read(path).map_or(Self::Absent, |bytes| Self::Digest(blake3::hash(&bytes)))
    }
}

/// Whether the source is a component file without a manifest.
fn is_alone(source: &Source) -> bool {
    source.path().extension() != Some(OsStr::new("toml"))
}

/// Whether a path below the manifest's folder is no source of the app: hidden, a backup, or in a folder for what is built.
fn is_made_by_tools(source: &Source, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(source.dir()) else { return false };
    let hidden_or_tools = below.components().any(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            name.starts_with('.') || name.ends_with('~') || NO_SOURCES.contains(&name.as_ref())
        }
        _ => true,
    });
    hidden_or_tools
        || source.build_commands().next().is_some()
            && source.component_files().any(|file| {
                let output = file.parent().filter(|folder| *folder != source.dir());
                is_same(file, path) || output.is_some_and(|folder| path.starts_with(folder))
            })
}

/// Whether two paths name one file; a manifest may go up and down again on the way to its component.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn cannot_watch(what: &str, error: &notify::Error) -> Error {
    Error::internal(format!("{what} cannot be watched: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching(dir: &Path, component: &str, build: &str) -> Watching {
        let text = format!("version = 1\n[component.a]\nsource = \"{component}\"\n{build}");
        std::fs::write(dir.join("wasmhost.toml"), text).unwrap();
        let source = Source::open(dir).unwrap();
        Watching { source, builds: true, contents: HashMap::new(), listed: String::new() }
    }

    const BUILD: &str = "build = \"make\"";

    #[test]
    fn sources_are_built_components_are_loaded_and_the_rest_is_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let app = watching(dir.path(), "out/a.wasm", BUILD);
        for (path, expected) in [
            ("src/lib.rs", Some(Task::Build)),
            ("wasmhost.toml", Some(Task::Build)),
            ("out/a.wasm", Some(Task::Load)),
            ("out/a.d", None),
            ("target/debug/x", None),
            (".git/index", None),
            ("src/.lib.rs.swp", None),
            ("src/lib.rs~", None),
            ("b.wasm~", None),
            ("../elsewhere", None),
        ] {
            assert_eq!(app.kind(&dir.path().join(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_component_beside_the_manifest_is_no_source_and_its_neighbours_are() {
        let dir = tempfile::tempdir().unwrap();
        let app = watching(dir.path(), "a.wasm", BUILD);
        assert_eq!(app.kind(&dir.path().join("a.wasm")), Some(Task::Load));
        assert_eq!(app.kind(&dir.path().join("a.py")), Some(Task::Build));
    }

    #[test]
    fn a_file_that_is_written_again_as_it_was_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut app = watching(dir.path(), "a.wasm", BUILD);
        let file = dir.path().join("a.py");
        let paths = BTreeSet::from([file.clone()]);
        std::fs::write(&file, "1").unwrap();
        assert_eq!(app.task(&paths), Some(Task::Build));
        std::fs::write(&file, "1").unwrap();
        assert_eq!(app.task(&paths), None);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(app.task(&paths), Some(Task::Build));
        assert_eq!(app.task(&paths), None);
    }
}
