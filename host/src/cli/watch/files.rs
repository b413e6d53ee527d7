//! The files of some sources: which are watched, what was in them, and what a change of one asks for.
//!
//! Whole trees are walked and read here, which takes a thread for as long as that takes: none of it is for a runtime's own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::cannot_watch;
use crate::error::Error;
use crate::service::Source;

/// Folders of one source that are watched, at most.
const MAX_FOLDERS: usize = 10_000;

/// Bytes of a file that is read to see whether it changed; components are hardly larger, and what is seldom a source.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Folders that hold what tools make.
const NO_SOURCES: [&str; 2] = ["target", "node_modules"];

/// The files of all sources, and the folders that they are in.
#[derive(Debug)]
pub(super) struct Files {
    watcher: RecommendedWatcher,
    folders: HashSet<PathBuf>,
    apps: Vec<Watching>,
}

/// One source.
#[derive(Debug)]
struct Watching {
    source: Source,
    /// What was in the files when they were last looked at.
    contents: HashMap<PathBuf, Content>,
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
pub(super) enum Task {
    Load,
    Build,
}

impl Files {
    /// Begins to watch. Apps are known by their places among `sources` from then on.
    ///
    /// # Errors
    ///
    /// When the system cannot watch a folder.
    pub(super) fn new(watcher: RecommendedWatcher, sources: &[Source]) -> Result<Self, Error> {
        let mut files = Self { watcher, folders: HashSet::new(), apps: Vec::with_capacity(sources.len()) };
        for source in sources {
            let mut app = Watching { source: source.clone(), contents: HashMap::new() };
            for path in files.cover(source)? {
                app.has_changed(&path);
            }
            files.apps.push(app);
        }
        Ok(files)
    }

    /// What these paths ask for, if any of them has another content than before.
    pub(super) fn task(&mut self, app: usize, paths: &BTreeSet<PathBuf>) -> Option<Task> {
        self.apps[app].task(paths)
    }

    /// Takes this for what an app is made of from now on.
    pub(super) fn is_now(&mut self, app: usize, source: Source) {
        self.apps[app].source = source;
    }

    /// Takes the components of an app as they are now for what is served: what its build wrote is no change.
    pub(super) fn loads(&mut self, app: usize) {
        self.apps[app].loads();
    }

    /// Watches the folders that an app has besides those that are watched already.
    pub(super) fn cover_again(&mut self, app: usize) -> Result<(), Error> {
        let source = self.apps[app].source.clone();
        self.cover(&source).map(drop)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn watching(dir: &Path, component: &str, build: &str) -> Watching {
        let text = format!("version = 1\n[component.a]\nsource = \"{component}\"\n{build}");
        std::fs::write(dir.join("wasmhost.toml"), text).unwrap();
        let source = Source::open(dir).unwrap();
        Watching { source, contents: HashMap::new() }
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
