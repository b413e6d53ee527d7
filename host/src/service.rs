//! The host: apps by name, their classes, and "call this method of this class with these parameters".
//!
//! ```text
//! Host ── load ──▶ App ── class ──▶ Class ── bind ──▶ Bound ── start ──▶ Instance ── call, exit
//! ```
//! This is the library's surface. It must not know terminals, sockets or exit codes.

mod answer;
mod app;
mod bound;
mod builder;
mod child;
mod class;
mod code;
mod entrypoint;
#[cfg(feature = "http")]
mod handle;
mod inspect;
mod instance;
mod keeper;
mod known;
mod load;
mod machine;
mod metrics;
mod nested;
mod plan;
mod prepared;
mod preparer;
mod published;
mod report;
mod siblings;
mod source;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::artifact::Store;
use crate::config::HostConfig;
use crate::drain::{Drain, Task};
use crate::error::Result;
use crate::linker::Linkers;
use crate::pool::{Budget, CallNumber, Waits};
use crate::state::{GuestOutput, Network, Scratch};

pub(crate) use answer::Answer;
pub use answer::InstanceId;
pub use app::App;
pub use bound::{Bound, Reply};
pub use builder::HostBuilder;
#[cfg(feature = "cli")]
pub(crate) use child::carry_out;
pub use class::{Argument, Class, Method};
pub use entrypoint::{Command, Main};
#[cfg(feature = "http")]
pub(crate) use handle::{GuestBody, HANDLE, Handled, broken_off};
pub use inspect::{
    ArgumentReport, CapturedReport, ClassReport, ComponentReport, EntrypointReport, FunctionReport, ImportReport,
    Inspection, NearMissReport, SnapshotReport, TimingsReport, UncallableReport,
};
pub use instance::Instance;
pub(crate) use known::unknown;
#[cfg(feature = "cli")]
pub(crate) use known::{Known, MAX_LISTED, more};
pub use preparer::{PrepareEvent, PrepareLimits, PrepareListener};
#[cfg(feature = "http")]
pub(crate) use published::Follower;
pub use report::{InstanceCounts, PoolReport};
pub use source::Source;

/// A host for apps: the engines, the cache of compiled components, and the limits.
///
/// Cheap to clone; all clones are one host. Every future of a host needs a tokio runtime with time and input/output
/// enabled, on threads that may be held up for a millisecond at a time: guests yield that often. Instances start and exit on
/// the runtime that the first call was made on. When that has ended, the next start takes them over to its own, and instances
/// that are idle since before are used again; those that several calls share end with their runtime.
///
/// Before the last clone goes, call [`shutdown`](Self::shutdown): otherwise instances are dropped without their `exit` hooks.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<HostInner>,
    /// Not among what apps hold of their host, so that apps do not keep themselves alive.
    published: Arc<published::Published>,
}

#[derive(Debug)]
struct HostInner {
    config: HostConfig,
    linkers: Arc<Linkers>,
    store: Arc<Store>,
    scratch: Arc<Scratch>,
    preparer: preparer::Preparer,
    output: OutputListener,
    network: Network,
    drain: Drain,
    instances: instance::Registry,
    next_instance: Arc<AtomicU64>,
    /// The number of the next call that somebody asks for.
    next_call: AtomicU64,
    waits: Arc<Waits>,
    budget: Arc<Budget>,
    metrics: metrics::Metrics,
}

struct OutputListener(Arc<dyn GuestOutput>);

impl std::fmt::Debug for OutputListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dyn GuestOutput")
    }
}

impl Host {
    /// Begins a host with the default limits and permissions: see each method of [`HostBuilder`].
    pub fn builder() -> HostBuilder {
        HostBuilder::new()
    }

    /// Loads an app from a directory with a `wasmhost.toml`, from such a file, or from a component file alone.
    ///
    /// Of components that were prepared before only records are read. Others are examined and compiled, and their `build`
    /// hooks run; no compiler of a guest is started.
    ///
    /// # Errors
    ///
    /// `not-found` for a path that is not there; `bad-request` for a manifest or component with mistakes, naming all that
    /// were found; `forbidden` for environment variables and mounts that this host was not told to allow; `build-failed` or
    /// `memory-exceeded` from a `build` hook.
    pub async fn load(&self, path: impl Into<PathBuf>) -> Result<App> {
        let source = Source::open(path.into())?;
        self.load_source(source).await
    }

    /// Like [`load`](Self::load), from a source that was opened before.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn load_source(&self, source: Source) -> Result<App> {
        let app = self.look(source).await?;
        self.prepare_all(&app).await?;
        Ok(app)
    }

    /// Loads an app and prepares nothing of it: whoever wants one class alone waits for no other.
    pub(crate) async fn look(&self, source: Source) -> Result<App> {
        let app = self.read(source).await?;
        load::check(&app)?;
        Ok(app)
    }

    async fn read(&self, source: Source) -> Result<App> {
        load::load(self.of_apps(), source, Arc::downgrade(&self.published)).await
    }

    /// Prepares the classes of an app if its entrypoints may call them.
    pub(crate) async fn prepare_called(&self, app: &App) -> Result<()> {
        if app.makes_calls() { self.prepare_all(app).await } else { Ok(()) }
    }

    /// Prepares all classes of an app.
    pub(crate) async fn prepare_all(&self, app: &App) -> Result<()> {
        load::prepare(app).await?;
        self.collect_later();
        Ok(())
    }

    /// Prepares one class of an app.
    pub(crate) async fn prepare(&self, app: &App, class: &Class) -> Result<()> {
        load::prepare_class(app, class).await?;
        self.collect_later();
        Ok(())
    }

    /// Loads an app from the bytes of a component, with the settings it carries itself.
    ///
    /// `name` is the app's, in lower-case kebab, at most 30 characters.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn load_bytes(&self, name: &str, component: impl Into<Vec<u8>>) -> Result<App> {
        self.load_source(Source::from_bytes(name, component.into())?).await
    }

    /// Tells what an app offers and needs, without starting anything.
    ///
    /// Unlike [`load`](Self::load) this goes well for an app that could not run here because an import or a permission is
    /// missing.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), but for what is missing.
    pub async fn inspect(&self, source: Source) -> Result<Inspection> {
        Ok(Inspection::of(&self.read(source).await?))
    }

    /// Once an hour, and beside everything else, removes from the cache what was not used for long.
    fn collect_later(&self) {
        let (store, max_bytes) = (self.inner.store.clone(), self.inner.config.max_cache_bytes);
        self.inner.drain.drivers().spawn_blocking(move || match store.collect_if_due(max_bytes) {
            Ok(Some(collected)) if collected.things > 0 => {
                let crate::artifact::Collected { things, bytes } = collected;
                tracing::info!(things, bytes, "removed from the cache what was not used for long");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the cache could not be cleaned up"),
        });
    }

    /// The host as its apps hold it.
    fn of_apps(&self) -> Self {
        Self { inner: self.inner.clone(), published: Arc::default() }
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.drain.is_draining()
    }

    /// Runs a piece of work as a task on `runtime`; a shutdown waits for it, and dropping the task cancels it.
    ///
    /// # Errors
    ///
    /// `draining` once a shutdown has begun.
    pub(crate) fn spawn_on<F>(&self, runtime: &tokio::runtime::Handle, work: F) -> Result<Task<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.inner.drain.spawn_on(runtime, work)
    }

    /// Bytes that the arguments of one call may have together.
    pub(crate) fn max_body_bytes(&self) -> usize {
        self.inner.config.max_body_bytes
    }

    /// Ends the host in order: new calls are refused with `draining`, running ones are waited for up to the drain timeout
    /// and then cancelled, and every entered instance that is sound gets its `exit`, all at once.
    ///
    /// Returns when all instances are gone. A second call waits for the same.
    ///
    /// # Cancel safety
    ///
    /// Exits that began go on when the future is dropped; those that had not begun do not begin before the next call.
    pub async fn shutdown(&self) {
        self.shutdown_within(self.inner.config.drain_timeout).await;
    }

    /// As [`shutdown`](Self::shutdown), with another time for running calls.
    pub(crate) async fn shutdown_within(&self, drain_timeout: Duration) {
        self.inner.drain.run(drain_timeout).await;
        tokio::join!(self.inner.instances.exit_all(), self.inner.budget.exit_all());
        self.inner.drain.wait_for_drivers().await;
        self.inner.scratch.finish().await;
    }
}

impl HostInner {
    fn next_instance_id(&self) -> u64 {
        self.next_instance.fetch_add(1, Ordering::Relaxed)
    }

    fn next_call(&self) -> CallNumber {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for HostInner {
    fn drop(&mut self) {
        let lost = self.instances.lost() + self.budget.abandon() as usize;
        // Whoever leaves in the middle of a shutdown knows.
        if lost > 0 && !self.drain.is_draining() {
            tracing::warn!(
                instances = lost,
                "the host was dropped without `shutdown`: instances go without their `exit`"
            );
        }
    }
}
