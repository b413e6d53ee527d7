//! The host: apps by name, their classes, and "call this method of this class with these parameters".
//!
//! ```text
//! Host ── load ──▶ App ── class ──▶ Class ── bind ──▶ Bound ── start ──▶ Instance ── call, exit
//! ```
//! This is the library's surface. It must not know terminals, sockets or exit codes.

mod answer;
mod app;
mod bound;
mod class;
mod entrypoint;
mod inspect;
mod instance;
mod keeper;
mod load;
mod machine;
mod metrics;
mod prepared;
mod published;
mod report;
mod source;
mod world;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::component::Linker;

use crate::artifact::CompileCache;
use crate::config::{HostConfig, PoolLimits};
use crate::drain::{Drain, Task};
use crate::engine::{EngineKind, Engines};
use crate::error::Result;
use crate::linker;
use crate::pool::Budget;
use crate::snapshot::SnapshotStore;
use crate::state::{GuestOutput, Network, Resolve, State, TracingOutput};

pub(crate) use answer::Answer;
pub use answer::InstanceId;
pub use app::App;
pub(crate) use app::unknown;
pub use bound::{Bound, Reply};
pub use class::{Argument, Class, Method};
pub use entrypoint::{Command, Main};
pub use inspect::{
    ArgumentReport, ClassReport, ComponentReport, EntrypointReport, FunctionReport, ImportReport, Inspection,
    NearMissReport, UncallableReport,
};
pub use instance::Instance;
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
    engines: Engines,
    linkers: [OnceLock<Linkers>; 2],
    cache: Option<CompileCache>,
    snapshots: Option<SnapshotStore>,
    output: OutputListener,
    network: Network,
    drain: Drain,
    instances: instance::Registry,
    next_instance: Arc<AtomicU64>,
    budget: Arc<Budget>,
    metrics: metrics::Metrics,
}

struct Linkers(Linker<State>);

impl std::fmt::Debug for Linkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Linker")
    }
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
        HostBuilder {
            config: HostConfig::default(),
            max_running_calls: None,
            memory_budget_bytes: None,
            output: Arc::new(TracingOutput),
            resolve: None,
            roots: Vec::new(),
        }
    }

    /// Loads an app from a directory with a `wasmhost.toml`, from such a file, or from a component file alone.
    ///
    /// Components are compiled, or found compiled in the cache, and `build` hooks run; no compiler of a guest is started.
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
        let app = load::load(self.of_apps(), source).await?;
        load::check(&app)?;
        load::prepare(&app).await?;
        Ok(app)
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
        Ok(Inspection::of(&load::load(self.of_apps(), source).await?))
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
    }
}

impl HostInner {
    fn linker(&self, kind: EngineKind) -> Result<&Linker<State>> {
        let cell = &self.linkers[usize::from(kind == EngineKind::Async)];
        if cell.get().is_none() {
            let linker = linker::linker(self.engines.get(kind)?, kind)?;
            let _ = cell.set(Linkers(linker));
        }
        Ok(&cell.get().expect("it was set just now, here or by another thread").0)
    }

    fn next_instance_id(&self) -> u64 {
        self.next_instance.fetch_add(1, Ordering::Relaxed)
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

/// The settings of a [`Host`].
#[derive(Clone)]
pub struct HostBuilder {
    config: HostConfig,
    max_running_calls: Option<u32>,
    memory_budget_bytes: Option<u64>,
    output: Arc<dyn GuestOutput>,
    resolve: Option<Arc<Resolve>>,
    roots: Vec<Vec<u8>>,
}

impl HostBuilder {
    /// Makes the host.
    ///
    /// # Errors
    ///
    /// `bad-request` when the machine cannot hold pools of the size of [`max_instances`](Self::max_instances), or when what
    /// was given to [`outbound_root`](Self::outbound_root) is no certificate; an error of the file system when the cache directory cannot be used.
    pub fn build(self) -> Result<Host> {
        let engines = Engines::new(&self.config)?;
        let cache = self.config.cache_dir.as_deref().map(CompileCache::open).transpose()?;
        let snapshots = match (&self.config.cache_dir, &cache) {
            (Some(dir), Some(cache)) => Some(SnapshotStore::open(dir, cache.key())?),
            _ => None,
        };
        let budget = Budget::new(self.pool_limits());
        let inner = HostInner {
            config: self.config,
            engines,
            linkers: Default::default(),
            cache,
            snapshots,
            output: OutputListener(self.output),
            network: Network::new(self.resolve, self.roots)?,
            drain: Drain::default(),
            instances: instance::Registry::default(),
            next_instance: Arc::new(AtomicU64::new(1)),
            budget,
            metrics: metrics::Metrics::default(),
        };
        Ok(Host { inner: Arc::new(inner), published: Arc::default() })
    }

    /// Sets how many instances may be alive at once in this host. Default 1,000. Address space is reserved for all of them.
    #[must_use]
    pub fn max_instances(mut self, instances: u32) -> Self {
        self.config.max_instances = instances;
        self
    }

    /// Sets how many bytes all instances may be charged for, above which idle ones go, those of the app that takes most first.
    /// Charged is linear memory beyond a component's initial image, and 256 KiB. Default: half of the machine's memory.
    #[must_use]
    pub fn memory_budget_bytes(mut self, bytes: u64) -> Self {
        self.memory_budget_bytes = Some(bytes);
        self
    }

    /// Sets how many calls of one app run at once, where calls that share an instance count as one; more wait. Default: three
    /// quarters of [`max_instances`](Self::max_instances), so that other apps find an instance.
    #[must_use]
    pub fn max_running_calls(mut self, calls: u32) -> Self {
        self.max_running_calls = Some(calls);
        self
    }

    /// Sets how many calls of one app wait for an instance; more are refused. Default 10,000.
    #[must_use]
    pub fn max_queued_calls(mut self, calls: u32) -> Self {
        self.config.pools.max_queued = calls;
        self
    }

    /// Sets how many pools, one for each set of parameters, an app may have at once. Default 10,000.
    #[must_use]
    pub fn max_tuples(mut self, pools: usize) -> Self {
        self.config.pools.max_tuples = pools;
        self
    }

    /// Sets how many pools an app may make in a second, and how many at once after a silence. Default 100 and 1,000.
    #[must_use]
    pub fn tuple_rate(mut self, per_second: u32, burst: u32) -> Self {
        self.config.pools.tuples_per_second = per_second;
        self.config.pools.tuple_burst = burst;
        self
    }

    fn pool_limits(&self) -> PoolLimits {
        let max_instances = self.config.max_instances;
        PoolLimits {
            max_instances,
            max_running: self.max_running_calls.unwrap_or(max_instances.div_ceil(4).saturating_mul(3)).max(1),
            memory_bytes: self.memory_budget_bytes.unwrap_or_else(|| machine::memory_bytes() / 2),
            ..self.config.pools
        }
    }

    /// Sets how many bytes the arguments of one call may have together. Default 4 MiB.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.config.max_body_bytes = bytes;
        self
    }

    /// Sets how many bytes a component file may have. Default 256 MiB.
    #[must_use]
    pub fn max_component_bytes(mut self, bytes: u64) -> Self {
        self.config.max_component_bytes = bytes;
        self
    }

    /// Sets how many bytes of values may pass between guest and host for one call. A list passed as values counts 40
    /// bytes an element. Default 64 MiB.
    #[must_use]
    pub fn max_hostcall_bytes(mut self, bytes: usize) -> Self {
        self.config.instance.max_hostcall_bytes = bytes;
        self
    }

    /// Sets how many handles one instance may hold: open files, streams, resources. Default 10,000.
    #[must_use]
    pub fn max_handles(mut self, handles: usize) -> Self {
        self.config.instance.max_handles = handles;
        self
    }

    /// Sets how many random bytes a guest may ask for at once. Default 1 MiB.
    #[must_use]
    pub fn max_random_bytes(mut self, bytes: u64) -> Self {
        self.config.instance.max_random_bytes = bytes;
        self
    }

    /// Sets how many elements one table of a guest may have. Default 100,000.
    #[must_use]
    pub fn max_table_elements(mut self, elements: usize) -> Self {
        self.config.instance.max_table_elements = elements;
        self
    }

    /// Sets how many core instances, linear memories and tables one instance may have. Default 64, 16 and 64.
    #[must_use]
    pub fn max_parts(mut self, core_instances: usize, memories: usize, tables: usize) -> Self {
        self.config.instance.max_core_instances = core_instances;
        self.config.instance.max_memories = memories;
        self.config.instance.max_tables = tables;
        self
    }

    /// Sets how many bytes one set of HTTP fields may take in memory. Default 64 KiB.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn max_http_field_bytes(mut self, bytes: usize) -> Self {
        self.config.instance.max_http_field_bytes = bytes;
        self
    }

    /// Sets how long a shutdown waits for running calls. Default 30 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.config.drain_timeout = timeout;
        self
    }

    /// Keeps compiled components below this directory, which may be shared by any number of processes of one user.
    /// Default: nothing is kept, and each load compiles.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.cache_dir = Some(dir.into());
        self
    }

    /// Lets manifests take this variable `from` the environment of this process. Default: none.
    #[must_use]
    pub fn allow_env(mut self, name: impl Into<String>) -> Self {
        self.config.allow_env.insert(name.into());
        self
    }

    /// Lets manifests mount this directory and those below it. Default: none.
    #[must_use]
    pub fn allow_mount(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.allow_mounts.push(dir.into());
        self
    }

    /// Trusts a certificate, in DER, beside those that the machine trusts, when guests use `https`.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn outbound_root(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.roots.push(certificate.into());
        self
    }

    /// Resolves the names that `allow-outbound` lists. It is called on threads that may block, 8 for each class. Default: the
    /// machine's resolver. What it answers is checked: see the setting.
    #[must_use]
    pub fn outbound_resolver(
        mut self,
        resolve: impl Fn(&str) -> std::io::Result<Vec<std::net::IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.resolve = Some(Arc::new(resolve));
        self
    }

    /// Hands the lines that guests print to `output`. Default: `tracing` events with target `wasmhost::guest`.
    #[must_use]
    pub fn guest_output(mut self, output: impl GuestOutput) -> Self {
        self.output = Arc::new(output);
        self
    }

    /// Sets how many bytes a second each instance may print, and how many at once after a silence; what is more is dropped
    /// and counted. Default 1 MiB and 4 MiB.
    #[must_use]
    pub fn guest_output_rate(mut self, bytes_per_second: u64, burst_bytes: u64) -> Self {
        self.config.output.max_bytes_per_second = bytes_per_second;
        self.config.output.max_burst_bytes = burst_bytes;
        self
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
