//! How a host is made: limits, permissions, and who is told of what.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::child::Child;
use super::instance::Registry;
use super::metrics::Metrics;
use super::preparer::{PrepareLimits, PrepareListener, PrepareMode, Preparer};
use super::{Host, HostInner, OutputListener, machine};
use crate::artifact::Store;
use crate::config::{HostConfig, PoolLimits};
use crate::drain::Drain;
use crate::engine::Engines;
use crate::error::Result;
use crate::linker::Linkers;
use crate::pool::{Budget, Waits};
use crate::state::{GuestOutput, Network, Resolve, Scratch, TracingOutput};

/// The settings of a [`Host`].
#[derive(Clone)]
pub struct HostBuilder {
    config: HostConfig,
    max_running_calls: Option<u32>,
    memory_budget_bytes: Option<u64>,
    output: Arc<dyn GuestOutput>,
    prepare: PrepareMode,
    listener: Option<Arc<dyn PrepareListener>>,
    resolve: Option<Arc<Resolve>>,
    roots: Vec<Vec<u8>>,
    own: Vec<SocketAddr>,
}

impl HostBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: HostConfig::default(),
            max_running_calls: None,
            memory_budget_bytes: None,
            output: Arc::new(TracingOutput),
            prepare: PrepareMode::InProcess,
            listener: None,
            resolve: None,
            roots: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Makes the host.
    ///
    /// # Errors
    ///
    /// `bad-request` when the machine cannot hold pools of the size of [`max_instances`](Self::max_instances), or when what
    /// was given to [`outbound_root`](Self::outbound_root) is no certificate; an error of the file system when the cache
    /// directory cannot be used.
    pub fn build(self) -> Result<Host> {
        let engines = Engines::new(&self.config)?;
        let store = match &self.config.cache_dir {
            Some(dir) => Store::open(dir)?,
            None => Store::temporary()?,
        };
        let below = self.config.scratch_dir.clone().or_else(|| store.staging_home().map(ToOwned::to_owned));
        let scratch = Scratch::new(below);
        let budget = Budget::new(self.pool_limits());
        let waits = Arc::new(Waits::new(self.config.nested));
        let inner = HostInner {
            config: self.config,
            linkers: Arc::new(Linkers::new(engines)),
            store: Arc::new(store),
            scratch,
            preparer: Preparer::new(self.prepare, self.listener),
            output: OutputListener(self.output),
            network: Network::new(self.resolve, self.roots, self.own)?,
            drain: Drain::default(),
            instances: Registry::default(),
            next_instance: Arc::new(AtomicU64::new(1)),
            next_call: AtomicU64::new(1),
            waits,
            budget,
            metrics: Metrics::default(),
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

    /// Sets how many calls may stand one below another, each made by the one above. Default 16.
    #[must_use]
    pub fn max_call_depth(mut self, calls: u32) -> Self {
        self.config.nested.max_depth = calls;
        self
    }

    /// Sets how many calls that one call of a guest's made may be under way at a time. Default 100.
    #[must_use]
    pub fn max_nested_calls(mut self, calls: usize) -> Self {
        self.config.nested.max_width = calls;
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

    /// Sets how many files, directories and links an instance may have below its `/tmp`. Default 100,000. Each also takes 4 KiB
    /// of the setting `tmp`, beside its bytes.
    #[must_use]
    pub fn max_tmp_files(mut self, files: u64) -> Self {
        self.config.instance.max_tmp_files = files;
        self
    }

    /// Sets how many bytes `build` may leave below `/image`, where each file, directory and link takes 4 KiB beside its bytes.
    /// Default 1 GiB.
    #[must_use]
    pub fn max_image_bytes(mut self, bytes: u64) -> Self {
        self.config.instance.max_image_bytes = bytes;
        self
    }

    /// Sets how many files, directories and links `build` may leave below `/image`. Default 100,000.
    #[must_use]
    pub fn max_image_files(mut self, files: u64) -> Self {
        self.config.instance.max_image_files = files;
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

    /// Keeps what instances write to their `/tmp` below this directory, in one of the host's own that goes with it. Default:
    /// the cache directory, where the next process removes what one that was killed left.
    #[must_use]
    pub fn scratch_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.scratch_dir = Some(dir.into());
        self
    }

    /// Keeps prepared components below this directory, which may be shared by any number of processes of one user.
    /// Default: a directory that goes with the host.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.cache_dir = Some(dir.into());
        self
    }

    /// Sets how many bytes the cache directory may have before what was used least recently is removed, once an hour at most.
    /// Default 10 GiB. What running hosts use stays.
    #[must_use]
    pub fn max_cache_bytes(mut self, bytes: u64) -> Self {
        self.config.max_cache_bytes = bytes;
        self
    }

    /// Prepares components in processes of their own, within limits and at the lowest priority: a component that takes the
    /// compiler's memory or time harms nobody else. `program` is a `wasmhost` of this very version. Default: in this process,
    /// where only the hooks' own limits hold. There `build` resolves names as the machine does, and trusts what it trusts.
    #[must_use]
    pub fn prepare_in_child(mut self, program: impl Into<PathBuf>, limits: PrepareLimits) -> Self {
        self.prepare = PrepareMode::Child(Child::new(program.into(), limits));
        self
    }

    /// Tells `listener` of each step in preparing a component. Default: nobody.
    #[must_use]
    pub fn on_prepare(mut self, listener: impl PrepareListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Runs `build` hooks once again although there are snapshots of what they left. Default: off.
    #[must_use]
    pub fn rebuild(mut self, rebuild: bool) -> Self {
        self.config.rebuild = rebuild;
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

    /// Sets how many requests to other hosts one instance may have under way, each until its answer was read to the end or dropped.
    /// Default 64. One more waits, as long as it would wait for a connection.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn max_outbound_connections(mut self, connections: usize) -> Self {
        self.config.instance.max_outbound_connections = connections;
        self
    }

    /// Refuses guests this address and port, whatever `allow-outbound` lists: for what the program itself listens on and is for
    /// nobody inside. An unspecified address stands for all addresses with its port. Default: none.
    #[must_use]
    pub fn refuse_outbound(mut self, listener: SocketAddr) -> Self {
        self.own.push(listener);
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
