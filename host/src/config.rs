//! What the host itself is told: plain data, each number with its unit, default and reason.
//!
//! Settings of a class live in [`manifest`](crate::manifest); what is here holds for the whole process. Nothing in this
//! module reads the environment or the clock.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The total size of one set of parameters, encoded, in bytes. The documents this host implements name the same number.
pub const MAX_PARAMETERS_BYTES: usize = 16 * 1024;

/// Limits and permissions of a host.
#[derive(Clone, Debug)]
pub(crate) struct HostConfig {
    /// Instances alive at once in this process. Default 1,000.
    pub(crate) max_instances: u32,
    /// Bytes of one call's arguments together. Default 4 MiB: typed values are held in memory whole.
    pub(crate) max_body_bytes: usize,
    /// Bytes of a component file. Default 256 MiB, ten times the size of a Python guest with its libraries.
    pub(crate) max_component_bytes: u64,
    /// Time that running calls are given at shutdown. Default 30 s.
    pub(crate) drain_timeout: Duration,
    /// Below which directory the private directories of instances lie; `None` is the cache.
    pub(crate) scratch_dir: Option<PathBuf>,
    /// Where compiled components are kept between runs; `None` keeps nothing.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Bytes that directory may have. Default 10 GiB: some hundred Python guests, or thousands in Rust.
    pub(crate) max_cache_bytes: u64,
    /// Whether `build` runs although there is a snapshot.
    pub(crate) rebuild: bool,
    /// Names of the host's environment that a manifest's `env` may take `from`.
    pub(crate) allow_env: BTreeSet<String>,
    /// Directories below which a manifest's `mounts` may lie.
    pub(crate) allow_mounts: Vec<PathBuf>,
    /// Limits of one instance that no manifest changes.
    pub(crate) instance: InstanceLimits,
    /// Limits of a guest's standard output and error.
    pub(crate) output: OutputLimits,
    /// What all pools of the host share.
    pub(crate) pools: PoolLimits,
    /// Limits of calls that guests make.
    pub(crate) nested: NestedLimits,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            max_instances: 1_000,
            max_body_bytes: 4 << 20,
            max_component_bytes: 256 << 20,
            drain_timeout: Duration::from_secs(30),
            scratch_dir: None,
            cache_dir: None,
            max_cache_bytes: 10 << 30,
            rebuild: false,
            allow_env: BTreeSet::new(),
            allow_mounts: Vec::new(),
            instance: InstanceLimits::default(),
            output: OutputLimits::default(),
            pools: PoolLimits::default(),
            nested: NestedLimits::default(),
        }
    }
}

/// What all pools of a host share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    /// Instances alive at once, whatever they do: the host's `max_instances`.
    pub(crate) max_instances: u32,
    /// Bytes charged for all instances, above which idle ones go. Without a limit here; a host takes half of the machine's.
    pub(crate) memory_bytes: u64,
    /// Pools of one app. Default 10,000.
    pub(crate) max_tuples: usize,
    /// Pools that one app may make in a second, after a burst. Default 100.
    pub(crate) tuples_per_second: u32,
    /// Pools that one app may make at once. Default 1,000.
    pub(crate) tuple_burst: u32,
    /// Instances of one app at work at once; calls that share one count once. Default 750: three quarters of all, so that
    /// other apps find one.
    pub(crate) max_running: u32,
    /// Calls of one app that wait. Default 10,000.
    pub(crate) max_queued: u32,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_instances: 1_000,
            memory_bytes: u64::MAX,
            max_tuples: 10_000,
            tuples_per_second: 100,
            tuple_burst: 1_000,
            max_running: 750,
            max_queued: 10_000,
        }
    }
}

/// Limits of calls that guests make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NestedLimits {
    /// How many calls may stand one below another. Default 16: a call that calls itself without end is told early.
    pub(crate) max_depth: u32,
    /// How many calls that one call made may be under way at a time. Default 100, as many as a pool has instances by default.
    pub(crate) max_width: usize,
}

impl Default for NestedLimits {
    fn default() -> Self {
        Self { max_depth: 16, max_width: 100 }
    }
}

/// What one instance may hold, whatever its manifest says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceLimits {
    /// Core instances: a Python guest has 14, so 64 leaves room and stops components made to multiply.
    pub(crate) max_core_instances: usize,
    /// Linear memories: no language toolchain makes more than one per module.
    pub(crate) max_memories: usize,
    /// Tables: one or two per core module.
    pub(crate) max_tables: usize,
    /// Elements of one table. CPython's has about 6,000, a debug build of .NET over 10,000.
    pub(crate) max_table_elements: usize,
    /// Handles of the component model and of WASI, each: open files, streams, pollables.
    pub(crate) max_handles: usize,
    /// Bytes the host copies out of the guest for one call between them. A list of `max-list` values costs 40 bytes an
    /// element here, so the default of 64 MiB covers a list of 1,000,000 records' scalars and a body of 4 MiB.
    pub(crate) max_hostcall_bytes: usize,
    /// Bytes of randomness in one request. 1 MiB is far over any seed or key.
    pub(crate) max_random_bytes: u64,
    /// Files, directories and links below a private `/tmp`. Default 100,000; what each is charged is a bound as well.
    pub(crate) max_tmp_files: u64,
    /// Bytes that `build` may leave below `/image`. Default 1 GiB: a large model, and a fraction of a disk.
    pub(crate) max_image_bytes: u64,
    /// Files, directories and links that `build` may leave below `/image`. Default 100,000, as `files` may bring.
    pub(crate) max_image_files: u64,
    /// Requests to other hosts that are under way, each until its answer was read. Default 64: ten times what a browser has to one
    /// host, and a thousandth of the ports of a machine.
    pub(crate) max_outbound_connections: usize,
    /// Bytes of one set of HTTP fields, in memory. 64 KiB, eight times what proxies let through.
    pub(crate) max_http_field_bytes: usize,
}

impl Default for InstanceLimits {
    fn default() -> Self {
        Self {
            max_core_instances: 64,
            max_memories: 16,
            max_tables: 64,
            max_table_elements: 100_000,
            max_handles: 10_000,
            max_hostcall_bytes: 64 << 20,
            max_random_bytes: 1 << 20,
            max_tmp_files: 100_000,
            max_image_bytes: 1 << 30,
            max_image_files: 100_000,
            max_outbound_connections: 64,
            max_http_field_bytes: 64 << 10,
        }
    }
}

/// How much a guest may print.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct OutputLimits {
    /// Bytes of one line; the rest of it is cut. Default 16 KiB.
    pub(crate) max_line_bytes: usize,
    /// Bytes a second, per instance, both streams together. Default 1 MiB.
    pub(crate) max_bytes_per_second: u64,
    /// Bytes that may come at once after a silence. Default 4 MiB.
    pub(crate) max_burst_bytes: u64,
    /// Bytes of standard error kept for a trap's error. Default 4 KiB.
    pub(crate) max_tail_bytes: usize,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            max_line_bytes: 16 << 10,
            max_bytes_per_second: 1 << 20,
            max_burst_bytes: 4 << 20,
            max_tail_bytes: 4 << 10,
        }
    }
}
