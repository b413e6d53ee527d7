//! The two wasmtime engines and the thread that ticks their epoch.
//!
//! A component without async imports or exports runs on an engine without concurrency support, which saves a quarter to a
//! third of the CPU time of a call (bench `warm_call`); the others run on a second one. Each is made when the first
//! component needs it. This module must not know what a class is.

mod pool;
mod ticker;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, Strategy};

use crate::config::HostConfig;
use crate::error::{Error, Result};

pub(crate) use ticker::{Ticker, Ticking};

/// Which engine a component runs on; part of the key of its compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineKind {
    /// No async function anywhere in the component's type: calls run one after another.
    Sync,
    /// The component has async imports or exports, streams or futures.
    Async,
}

impl EngineKind {
    /// `sync` or `async`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

/// Both engines of a host and their ticker.
pub(crate) struct Engines {
    config: EngineConfig,
    sync: OnceLock<Engine>,
    concurrent: OnceLock<Engine>,
    making: Mutex<()>,
    ticker: Arc<Ticker>,
}

/// What of the host's configuration the engines depend on.
#[derive(Clone, Copy, Debug)]
struct EngineConfig {
    max_instances: u32,
    limits: crate::config::InstanceLimits,
}

impl Engines {
    /// Checks that the machine can hold pools of this size; makes no engine yet.
    ///
    /// # Errors
    ///
    /// `bad-request` when the pools need more memory mappings or address space than the machine gives a process;
    /// `internal` when the epoch's thread cannot be started, without which no guest could be stopped.
    pub(crate) fn new(config: &HostConfig) -> Result<Self> {
        let config = EngineConfig { max_instances: config.max_instances, limits: config.instance };
        pool::check(&config)?;
        Ok(Self {
            config,
            sync: OnceLock::new(),
            concurrent: OnceLock::new(),
            making: Mutex::new(()),
            ticker: Ticker::start()?,
        })
    }

    /// The engine of one kind, made on first use.
    ///
    /// # Errors
    ///
    /// `internal` when the kernel refuses the pools' address space after all.
    pub(crate) fn get(&self, kind: EngineKind) -> Result<&Engine> {
        let cell = match kind {
            EngineKind::Sync => &self.sync,
            EngineKind::Async => &self.concurrent,
        };
        if let Some(engine) = cell.get() {
            return Ok(engine);
        }
        // One at a time: a second pool of the same size might not find its address space beside the first.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = cell.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&wasmtime_config(kind, &self.config))
            .map_err(|error| Error::internal(format!("the {} engine could not be made: {error:#}", kind.as_str())))?;
        self.ticker.watch(&engine);
        Ok(cell.get_or_init(|| engine))
    }

    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.ticker
    }
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engines").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Bytes of stack that guest code may use. CPython recurses deeply: the default of 512 KiB ends its parser early.
const MAX_WASM_STACK_BYTES: usize = 1 << 20;

/// Bytes of each fiber's stack: the guest's, and as much again for the host functions it calls.
const ASYNC_STACK_BYTES: usize = 2 * MAX_WASM_STACK_BYTES;

/// Frames kept of a trap's backtrace: an overflowed stack has a hundred thousand.
const MAX_BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not zero");

/// The configuration of an engine; benches use the very same for their raw side.
fn wasmtime_config(kind: EngineKind, host: &EngineConfig) -> Config {
    let mut config = Config::new();

    // Cranelift only: Winch had a third of the advisories of its year. Speed of code over speed of compiling: artifacts
    // are kept on disk.
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    config.parallel_compilation(true);

    // A guest is stopped, or made to yield, at each tick (1 to 5 ms) by the callback of its store.
    config.epoch_interruption(true);
    config.max_wasm_stack(MAX_WASM_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);
    // A stack goes from one tenant's guest to another's: costs one memset of the touched pages when it is released.
    config.async_stack_zeroing(true);

    // Function names in a trap's backtrace come from the name section; line numbers would need DWARF kept and parsed.
    config.wasm_backtrace_max_frames(Some(MAX_BACKTRACE_FRAMES));
    config.generate_address_map(true);

    // Instances start as a copy-on-write mapping of their image. Sparse images over this size would be copied instead:
    // the heap of a Python guest spans tens of MiB, and at 256 MiB the fallback is left to images that are mostly holes.
    config.memory_init_cow(true);
    config.memory_guaranteed_dense_image_size(256 << 20);

    // The same input gives the same bits on every machine: artifacts and snapshots move between them.
    config.relaxed_simd_deterministic(true);

    // Proposals, each on or off by name, so that an upgrade of wasmtime changes nothing silently.
    config.wasm_bulk_memory(true);
    config.wasm_multi_value(true);
    config.wasm_reference_types(true);
    config.wasm_simd(true);
    config.wasm_relaxed_simd(true);
    config.wasm_tail_call(true);
    config.wasm_extended_const(true);
    // Between the parts of a composed component wasmtime puts modules of its own, which import both parts' memories.
    config.wasm_multi_memory(true);
    // Off: no toolchain for components needs them yet, and each is attack surface.
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_function_references(false);
    config.wasm_gc(false);
    config.wasm_exceptions(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config.wasm_component_model(true);
    config.wasm_component_model_map(true);
    config.wasm_component_model_fixed_length_lists(false);
    match kind {
        EngineKind::Sync => {
            config.concurrency_support(false);
        }
        EngineKind::Async => {
            config.concurrency_support(true);
            config.wasm_component_model_async(true);
        }
    }

    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool::allocation(host)));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_are_made_once_and_differ() {
        let engines = Engines::new(&HostConfig { max_instances: 2, ..HostConfig::default() }).unwrap();
        let sync = engines.get(EngineKind::Sync).unwrap().clone();
        assert!(Engine::same(&sync, engines.get(EngineKind::Sync).unwrap()));
        assert!(!Engine::same(&sync, engines.get(EngineKind::Async).unwrap()));
    }

    #[test]
    fn pools_the_machine_cannot_hold_are_refused_by_name() {
        let error = Engines::new(&HostConfig { max_instances: 4_000_000, ..HostConfig::default() }).unwrap_err();
        assert!(error.message().contains("max-instances") || error.setting() == Some("max-instances"), "{error}");
    }
}
