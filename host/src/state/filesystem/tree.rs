//! One bounded directory and all below it: what is open there, and what it is charged for.
//!
//! An open file or directory is known by its place in memory, which the handles, streams and tasks that use it share; so it
//! does not matter how a guest came by a handle, and one that is closed need not be told. A file that has no name any more
//! keeps its charge until nobody has it open.
//!
//! Changes come one after another, each on a thread that may wait for the disk, and run to their end whatever becomes of
//! those who wait for them: what is done is counted. This module must not know components or their handles.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::task::JoinHandle;
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::change::Change;
use super::desk::{FileId, Found, address, identify};
use super::ledger::{Bound, Charge, Ledger, Limit};
use super::scratch::{Private, Scratch};
use crate::state::output::Output;

/// How many open files are remembered at least before those are looked for that are closed.
const MIN_SWEEP: usize = 64;

/// A bounded directory of one instance.
pub(crate) struct Tree {
    /// The directory as the guest was given it.
    given: Arc<fs::File>,
    private: Option<Lazy>,
    /// Held by the change that is made just now.
    order: Mutex<()>,
    books: Mutex<Books>,
    /// What it is called by its guest.
    name: String,
    output: Arc<Output>,
    is_told: AtomicBool,
}

/// A directory that is made when something is written there. Until then the guest has an empty one in its place.
struct Lazy {
    scratch: Arc<Scratch>,
    made: OnceLock<Made>,
}

struct Made {
    dir: Arc<fs::File>,
    private: Private,
}

struct Books {
    ledger: Ledger,
    open: HashMap<usize, Open>,
    /// Files without a name that somebody had open when they lost it, with what they are charged.
    nameless: HashMap<FileId, Charge>,
    /// How many may be remembered as open before the closed ones are looked for.
    sweep_at: usize,
}

struct Open {
    file: Weak<fs::File>,
    /// `None` for directories.
    id: Option<FileId>,
}

impl Open {
    fn is(&self, id: FileId) -> bool {
        self.id == Some(id) && self.file.strong_count() > 0
    }
}

impl Tree {
    /// Bounds a directory that is there, charged for what it holds.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(super) fn new(
        given: Arc<fs::File>,
        host: &Path,
        bound: Bound,
        name: &str,
        output: Arc<Output>,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self::with(given, None, Ledger::new(bound, measure(host)?), name, output)))
    }

    /// Bounds a directory that is made when something is written there.
    pub(super) fn lazy(
        given: Arc<fs::File>,
        scratch: Arc<Scratch>,
        bound: Bound,
        name: &str,
        output: Arc<Output>,
    ) -> Arc<Self> {
        let lazy = Lazy { scratch, made: OnceLock::new() };
        Arc::new(Self::with(given, Some(lazy), Ledger::new(bound, Charge::default()), name, output))
    }

    fn with(given: Arc<fs::File>, private: Option<Lazy>, ledger: Ledger, name: &str, output: Arc<Output>) -> Self {
        let books = Books { ledger, open: HashMap::new(), nameless: HashMap::new(), sweep_at: MIN_SWEEP };
        let tree = Self {
            given,
            private,
            order: Mutex::default(),
            books: Mutex::new(books),
            name: name.to_owned(),
            output,
            is_told: AtomicBool::new(false),
        };
        tree.books().remember(&tree.given, None);
        tree
    }

    /// Whether an open file or directory is this one or lies below it.
    pub(super) fn has(&self, file: &Arc<fs::File>) -> bool {
        self.books().open.contains_key(&address(file))
    }

    /// The directory that was made, in the place of the one that was given.
    pub(super) fn made(&self) -> Option<&Arc<fs::File>> {
        Some(&self.private.as_ref()?.made.get()?.dir)
    }

    pub(super) fn given(&self) -> &Arc<fs::File> {
        &self.given
    }

    /// A path of the host's as the guest knows it, where the directory was made.
    pub(super) fn seen_by_guest(&self, host: &Path) -> Option<std::path::PathBuf> {
        let made = self.private.as_ref()?.made.get()?;
        let below = host.strip_prefix(made.private.path().canonicalize().ok()?).ok()?;
        Some(Path::new(&self.name).join(below))
    }

    /// Makes a change, after those that came before it.
    ///
    /// # Errors
    ///
    /// The change's own; a trap when the runtime ends.
    ///
    /// # Cancel safety
    ///
    /// A change that has begun is made and counted when the future is dropped.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Change<'_>) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        self.begin(change).await.unwrap_or_else(|error| Err(FsError::trap(wasmtime::Error::from(error))))
    }

    /// Begins a change. It is made to its end also when nobody waits for it.
    pub(super) fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Change<'_>) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let tree = self.clone();
        let working = self.private.as_ref().map(|lazy| lazy.scratch.working());
        tokio::task::spawn_blocking(move || {
            let done = tree.change_now(change);
            // The tree may go with this task, and its directory is not forgotten before somebody knows that it has to go.
            drop(tree);
            drop(working);
            done
        })
    }

    /// Makes a change on this thread, which may wait.
    pub(super) fn change_now<T>(&self, change: impl FnOnce(&Change<'_>) -> T) -> T {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        change(&Change::new(self, order))
    }

    /// The directory that a handle stands for: what was made in the place of the one that was given.
    ///
    /// # Errors
    ///
    /// It could not be made, if it has to be.
    pub(super) fn settled(&self, dir: &Dir, makes: bool) -> io::Result<Dir> {
        let mut dir = dir.clone();
        if let Some(lazy) = &self.private
            && Arc::ptr_eq(&dir.dir, &self.given)
        {
            if makes && lazy.made.get().is_none() {
                self.make(lazy).inspect_err(|error| {
                    tracing::warn!(%error, "a directory for `{}` could not be made", self.name);
                })?;
            }
            if let Some(made) = lazy.made.get() {
                dir.dir.clone_from(&made.dir);
            }
        }
        Ok(dir)
    }

    fn make(&self, lazy: &Lazy) -> io::Result<()> {
        let private = lazy.scratch.make()?;
        let dir = Arc::new(fs::File::open(private.path())?);
        self.books().remember(&dir, None);
        // Nobody else sets it: changes come one after another.
        let _ = lazy.made.set(Made { dir, private });
        Ok(())
    }

    /// Remembers what was opened here.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub(super) fn opened(&self, descriptor: &Descriptor) -> FsResult<()> {
        match descriptor {
            Descriptor::File(file) => {
                let id = identify(file)?;
                self.books().remember(&file.file, Some(id));
            }
            Descriptor::Dir(dir) => self.books().remember(&dir.dir, None),
        }
        Ok(())
    }

    /// Charges for something.
    ///
    /// # Errors
    ///
    /// There is no space left, which is told to whoever runs the host.
    pub(super) fn take(&self, charge: Charge) -> io::Result<()> {
        let taken = self.books().take(charge);
        taken.map_err(|limit| self.full(limit))
    }

    /// Charges for so many bytes or as many as there is room for.
    pub(super) fn take_up_to(&self, bytes: u64) -> u64 {
        self.books().take_up_to(bytes)
    }

    pub(super) fn give_back(&self, charge: Charge) {
        self.books().ledger.give_back(charge);
    }

    /// Notes that a name is gone.
    pub(super) fn gone(&self, found: &Found) {
        self.books().gone(found);
    }

    /// Notes the length of an open file that was charged for.
    pub(super) fn resized(&self, file: &Arc<fs::File>, bytes: u64) {
        self.books().resized(file, bytes);
    }

    /// The error for a guest that has no bytes left.
    pub(super) fn full_of_bytes(&self) -> io::Error {
        let limit = self.books().ledger.bound().bytes;
        self.full(limit)
    }

    fn full(&self, limit: Limit) -> io::Error {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let origin = self.output.origin();
            tracing::warn!(
                app = origin.app,
                class = origin.class,
                instance = origin.instance,
                limit = limit.most,
                setting = limit.setting,
                "`{}` is full",
                self.name
            );
        }
        rustix::io::Errno::NOSPC.into()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> Charge {
        let mut books = self.books();
        books.sweep();
        books.ledger.used()
    }
}

impl Books {
    fn remember(&mut self, file: &Arc<fs::File>, id: Option<FileId>) {
        // A new file may have the identity of one that is gone, which then has to be forgotten first.
        let is_reused = id.is_some_and(|id| self.nameless.contains_key(&id));
        if is_reused || self.open.len() >= self.sweep_at {
            self.sweep();
            self.sweep_at = MIN_SWEEP.max(2 * self.open.len());
        }
        self.open.insert(address(file), Open { file: Arc::downgrade(file), id });
    }

    /// Forgets what is closed.
    fn sweep(&mut self) {
        self.open.retain(|_, open| open.file.strong_count() > 0);
        if self.nameless.is_empty() {
            return;
        }
        let open: HashSet<FileId> = self.open.values().filter_map(|open| open.id).collect();
        let closed: Vec<Charge> =
            self.nameless.extract_if(|id, _| !open.contains(id)).map(|(_, charge)| charge).collect();
        closed.into_iter().for_each(|charge| self.ledger.give_back(charge));
    }

    fn take(&mut self, charge: Charge) -> Result<(), Limit> {
        self.ledger.take(charge).or_else(|_| {
            self.sweep();
            self.ledger.take(charge)
        })
    }

    fn take_up_to(&mut self, bytes: u64) -> u64 {
        if bytes > self.ledger.room_bytes() {
            self.sweep();
        }
        self.ledger.take_up_to(bytes)
    }

    fn gone(&mut self, found: &Found) {
        match found.bytes {
            Some(bytes) if found.links <= 1 => {
                let charge = Charge::file(bytes);
                if self.open.values().any(|open| open.is(found.id)) {
                    self.nameless.insert(found.id, charge);
                } else {
                    self.ledger.give_back(charge);
                }
            }
            _ => self.ledger.give_back(Charge::NAME),
        }
    }

    fn resized(&mut self, file: &Arc<fs::File>, bytes: u64) {
        let id = self.open.get(&address(file)).and_then(|open| open.id);
        if let Some(charge) = id.and_then(|id| self.nameless.get_mut(&id)) {
            charge.bytes = bytes;
        }
    }
}

/// What a directory holds, by a walk through it.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn measure(dir: &Path) -> io::Result<Charge> {
    let mut charge = Charge::default();
    let mut seen = HashSet::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            charge.names += 1;
            if metadata.is_dir() {
                left.push(entry.path());
            } else if metadata.is_file() && seen.insert((metadata.dev(), metadata.ino())) {
                charge.bytes += metadata.len();
            }
        }
    }
    Ok(charge)
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("name", &self.name).finish_non_exhaustive()
    }
}
