//! What every guest instance carries beside its memory: WASI, limits, deadline, output.
//!
//! This is the `T` of `Store<T>`. It is made for one instance, lives exactly as long as its store, and is never handed to
//! another. It must not know hooks, classes or pools.

mod limits;
mod output;
mod turn;
mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
#[cfg(feature = "http")]
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config::InstanceLimits;

pub(crate) use limits::{MemoryLimiter, MemoryRefusal};
pub use output::{GuestOutput, OutputLine, OutputOrigin, OutputStream};
pub(crate) use output::{Output, TracingOutput};
pub(crate) use turn::{Turn, Turns};
pub(crate) use wasi::{Directory, Stdio, WasiSpec};

/// The data of one store.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    #[cfg(feature = "http")]
    http: WasiHttpCtx,
    #[cfg(feature = "http")]
    http_policy: wasi::NoOutbound,
    pub(crate) memory: MemoryLimiter,
    pub(crate) deadline: Deadline,
    pub(crate) output: Arc<Output>,
    pub(crate) turn: Turn,
}

/// When the guest has to be done with what it does now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// Ticks of the epoch that guest code may still see, where several calls share the store: time on the clock says
    /// nothing there, for it passes while all of them wait.
    ticks_left: Option<u64>,
    passed: bool,
}

impl Deadline {
    /// Starts a new span of time, without end for `None`, and forgets whether the last one was kept.
    pub(crate) fn set(&mut self, timeout: Option<Duration>) -> Option<Instant> {
        self.at = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.ticks_left = None;
        self.passed = false;
        self.at
    }

    /// Lets guest code run for this long, all calls together, counted while it runs.
    pub(crate) fn allow_ticks(&mut self, time: Duration) {
        self.at = None;
        self.ticks_left = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// Whether the guest has to stop at this tick of the epoch.
    fn is_over(&mut self) -> bool {
        let is_over = self.at.is_some_and(|at| Instant::now() >= at) || self.ticks_left == Some(0);
        if let Some(left) = &mut self.ticks_left {
            *left = left.saturating_sub(1);
        }
        self.passed |= is_over;
        is_over
    }

    /// Whether the guest was stopped because the time was over.
    pub(crate) fn passed(&self) -> bool {
        self.passed
    }
}

impl State {
    /// Makes a store with every limit armed.
    ///
    /// # Errors
    ///
    /// `not-found` or `forbidden` when a directory of the specification cannot be opened.
    pub(crate) fn store(
        engine: &Engine,
        spec: &WasiSpec,
        output: Arc<Output>,
        turns: &Turns,
        max_memory_bytes: u64,
        limits: &InstanceLimits,
    ) -> crate::error::Result<Store<Self>> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.max_handles);
        let state = Self {
            wasi: spec.context(&output, limits)?,
            table,
            #[cfg(feature = "http")]
            http: wasi::http_context(limits),
            #[cfg(feature = "http")]
            http_policy: wasi::NoOutbound,
            memory: MemoryLimiter::new(max_memory_bytes, limits),
            deadline: Deadline { at: None, ticks_left: None, passed: false },
            output,
            turn: Turn::new(turns),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(limits.max_hostcall_bytes);
        store.set_max_component_handles(limits.max_handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            if context.data_mut().deadline.is_over() {
                return Ok(UpdateDeadline::Interrupt);
            }
            // Other guests and the host's own tasks run every tick.
            let state = context.data();
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(state.turn.clone().next(state.deadline.at))))
        });
        Ok(store)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[cfg(feature = "http")]
impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.http_policy, table: &mut self.table, ctx: &mut self.http }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("memory", &self.memory).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
