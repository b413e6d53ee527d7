//! What every guest instance carries beside its memory: WASI, limits, deadline, output.
//!
//! This is the `T` of `Store<T>`. It is made for one instance, lives exactly as long as its store, and is never handed to
//! another. It must not know hooks, classes or pools.

mod calls;
mod errors;
mod filesystem;
mod handles;
#[cfg(feature = "http")]
mod inbound;
mod input;
mod limits;
mod outbound;
mod output;
mod turn;
mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
#[cfg(feature = "http")]
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config::InstanceLimits;
use crate::error::Error;

pub(crate) use calls::{Calls, Frame, Identity, Peers, Pending, Request, link as link_calls};
pub(crate) use errors::link as link_errors;
use filesystem::Bounds;
pub(crate) use filesystem::{Scratch, link as link_filesystem};
use handles::Streams;
pub(crate) use handles::{Made, Open, Standard, Thing};
#[cfg(feature = "http")]
pub(crate) use inbound::link as link_inbound;
pub(crate) use limits::{MemoryLimiter, MemoryRefusal};
pub(crate) use outbound::{Network, Outbound, Resolve, link as link_outbound};
pub use output::{GuestOutput, OutputLine, OutputOrigin, OutputStream};
pub(crate) use output::{Output, TracingOutput};
pub(crate) use turn::{Turn, Turns};
pub(crate) use wasi::{Directory, Stdio, TMP, Tmp, WasiSpec};

/// Room for handles that a store begins with: standard streams, what waits for them, and a few directories.
const USUAL_HANDLES: usize = 8;

/// The data of one store.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    /// The directories whose contents are counted.
    bounds: Bounds,
    /// Directories of this instance alone.
    _directories: Vec<Arc<TempDir>>,
    /// The standard streams that the guest took, where a snapshot is to be made of it.
    streams: Option<Streams>,
    #[cfg(feature = "http")]
    http: WasiHttpCtx,
    #[cfg(feature = "http")]
    http_reach: outbound::HttpReach,
    /// What was open before the request under way.
    #[cfg(feature = "http")]
    before: inbound::Before,
    reach: Arc<outbound::Reach>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) deadline: Deadline,
    pub(crate) output: Arc<Output>,
    pub(crate) turn: Turn,
    pub(crate) calls: Calls,
}

/// When the guest has to be done with what it does now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// Ticks of the epoch that guest code may still see, where several calls share the store: time on the clock says
    /// nothing there, for it passes while all of them wait.
    ticks_left: Option<u64>,
    /// Whether the guest has waited for its turn at the tick that it sees.
    has_waited: bool,
    passed: bool,
}

/// What a guest does when it sees a tick of the epoch.
#[derive(Debug, PartialEq, Eq)]
enum AtTick {
    Stop,
    /// Lets others run, waits for its turn, and sees the same tick again.
    Wait,
    GoOn,
}

impl Deadline {
    /// Starts a new span of time, without end for `None`, and forgets whether the last one was kept.
    pub(crate) fn set(&mut self, timeout: Option<Duration>) -> Option<Instant> {
        self.at = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.ticks_left = None;
        self.has_waited = false;
        self.passed = false;
        self.at
    }

    /// When it is over, for all that the store does.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Lets guest code run for this long, all calls together, counted while it runs.
    pub(crate) fn allow_ticks(&mut self, time: Duration) {
        self.at = None;
        self.ticks_left = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// What the guest does at a tick: it waits for its turn once, and does not go on for another tick when its time was over
    /// meanwhile.
    fn at_tick(&mut self) -> AtTick {
        let is_over = self.at.is_some_and(|at| Instant::now() >= at) || self.ticks_left == Some(0);
        self.passed |= is_over;
        if is_over {
            return AtTick::Stop;
        }
        if std::mem::take(&mut self.has_waited) {
            return AtTick::GoOn;
        }
        if let Some(left) = &mut self.ticks_left {
            *left -= 1;
        }
        self.has_waited = true;
        AtTick::Wait
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
    /// `not-found` or `forbidden` when a directory of the specification cannot be opened, or an error of the file system.
    pub(crate) fn store(
        engine: &Engine,
        spec: &WasiSpec,
        output: Arc<Output>,
        identity: Arc<Identity>,
        turns: &Turns,
        max_memory_bytes: u64,
        limits: &InstanceLimits,
    ) -> crate::error::Result<Store<Self>> {
        let reach = outbound::Reach::new(spec.outbound.clone(), output.clone(), limits.max_outbound_connections);
        let streams = spec.notes_streams.then(Streams::default);
        let mut table = ResourceTable::with_capacity(USUAL_HANDLES);
        table.set_max_capacity(limits.max_handles);
        let mut state = Self {
            wasi: spec.context(&output, limits, streams.as_ref(), &reach)?,
            streams,
            _directories: spec.directories.iter().filter_map(|directory| directory.keeps.clone()).collect(),
            table,
            bounds: Bounds::default(),
            #[cfg(feature = "http")]
            http: wasi::http_context(limits),
            #[cfg(feature = "http")]
            http_reach: outbound::HttpReach::new(reach.clone()),
            #[cfg(feature = "http")]
            before: inbound::Before::new(limits.max_handles),
            reach,
            memory: MemoryLimiter::new(max_memory_bytes, limits),
            deadline: Deadline::default(),
            output,
            turn: Turn::new(turns),
            calls: Calls::new(identity),
        };
        state.bound(spec, limits)?;
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(limits.max_hostcall_bytes);
        store.set_max_component_handles(limits.max_handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            Ok(match state.deadline.at_tick() {
                AtTick::Stop => UpdateDeadline::Interrupt,
                AtTick::GoOn => UpdateDeadline::Continue(1),
                AtTick::Wait => UpdateDeadline::YieldCustom(0, Box::pin(state.turn.clone().next(state.deadline.at))),
            })
        });
        Ok(store)
    }

    /// The guest runs no more, for whatever reason: whoever still hears of it is to know, before its store goes.
    pub(crate) fn end(&self) {
        self.output.finish();
        #[cfg(feature = "http")]
        self.http_reach.end();
    }

    /// Bounds the directories that are to be.
    fn bound(&mut self, spec: &WasiSpec, limits: &InstanceLimits) -> crate::error::Result<()> {
        if !spec.has_bounds() {
            return Ok(());
        }
        let given = self.given_directories();
        let given = given.map_err(|error| Error::internal(format!("its directories are not known: {error:#}")))?;
        self.bounds = Bounds::new(spec, &given, limits, &self.output)?;
        Ok(())
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
        WasiHttpCtxView { hooks: &mut self.http_reach, table: &mut self.table, ctx: &mut self.http }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("memory", &self.memory).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_waits_once_at_each_tick() {
        let mut deadline = Deadline::default();
        deadline.set(Some(Duration::from_secs(60)));
        let seen = [(); 4].map(|()| deadline.at_tick());
        assert_eq!(seen, [AtTick::Wait, AtTick::GoOn, AtTick::Wait, AtTick::GoOn]);
        assert!(!deadline.passed());
    }

    #[test]
    fn a_guest_whose_time_was_over_while_it_waited_does_not_go_on() {
        let mut deadline = Deadline::default();
        deadline.set(Some(Duration::from_secs(60)));
        assert_eq!(deadline.at_tick(), AtTick::Wait);
        deadline.at = Some(Instant::now());
        assert_eq!(deadline.at_tick(), AtTick::Stop);
        assert!(deadline.passed());
        deadline.set(None);
        assert!(!deadline.passed() && deadline.at_tick() == AtTick::Wait, "the next call begins anew");
    }

    #[test]
    fn guests_that_share_a_store_run_for_so_many_ticks() {
        let mut deadline = Deadline::default();
        deadline.allow_ticks(Duration::from_millis(2));
        let seen = [(); 4].map(|()| deadline.at_tick());
        assert_eq!(seen, [AtTick::Wait, AtTick::GoOn, AtTick::Wait, AtTick::Stop]);
    }
}
