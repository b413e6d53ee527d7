//! Snapshots: a component as its `build` hooks left it, ready to be compiled like any other.
//!
//! ```text
//! component ─ accessors ─▶ ─ instrument ─▶ compile, instantiate, run `build` ─┬─ memories, globals ─▶ component with them
//!                                                                            └─ open handles ─────▶ their numbers
//! ```
//! Memories and globals are taken by `wasmtime-wizer`, which instruments the component so that it exports them; that its
//! bytes hold what it took is checked. What cannot be taken is a refusal and no error: `build` then runs in each instance.
//! This module must not know classes or pools.

mod access;
mod exact;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use wasmtime::component::{Component, Linker};
use wasmtime_wizer::Wizer;

use crate::artifact::PreparePhase;
use crate::component::Function;
use crate::component::accessor::{self, Accessible, ImportedResource};
use crate::engine::EngineKind;
use crate::error::Result;
use crate::instance::{Accessors, Blueprint, Linked, Live, OpenHandles, Setup, ensure_at_rest};
use crate::memory::of_panic;
use crate::state::{Output, State, WasiSpec};
use access::Access;
use exact::Contents;

/// What came of taking a snapshot.
pub(crate) enum Taken {
    Snapshot(Box<Snapshot>),
    /// Why there is none, in plain words.
    Refused(String),
}

/// A component after its `build` hooks.
pub(crate) struct Snapshot {
    /// The bytes of a component that begins where `build` ended, with functions that reach its handles.
    pub(crate) component: Vec<u8>,
    /// The types of these functions.
    pub(crate) resources: Vec<ImportedResource>,
    pub(crate) open: OpenHandles,
    /// What the guest's monotonic clock may have shown at most.
    pub(crate) clock: Duration,
}

/// A component, and what its `build` hooks need to run.
pub(crate) struct Building<'a> {
    pub(crate) component: &'a [u8],
    pub(crate) linker: &'a Linker<State>,
    pub(crate) kind: EngineKind,
    /// The hooks in their order, with the interface of each, or the root.
    pub(crate) hooks: &'a [(Option<String>, Arc<Function>)],
    pub(crate) wasi: &'a WasiSpec,
    /// Of an instance that is entered for no class.
    pub(crate) blueprint: &'a dyn Fn(Setup) -> Blueprint,
    pub(crate) output: Arc<Output>,
    /// Called when a step begins, and with its time when it has ended.
    pub(crate) step: &'a mut dyn FnMut(PreparePhase, Option<Duration>),
}

impl Building<'_> {
    fn step<T>(&mut self, phase: PreparePhase, work: impl FnOnce(&Self) -> T) -> T {
        let began = Instant::now();
        (self.step)(phase, None);
        let done = work(self);
        (self.step)(phase, Some(began.elapsed()));
        done
    }
}

/// Runs the `build` hooks and takes a snapshot. Blocks for as long as they run, and compiling takes: call it off the runtime's
/// workers, on a thread of the runtime.
///
/// # Errors
///
/// `build-failed`, `memory-exceeded` or `overloaded`, from the hooks.
pub(crate) fn take(building: &mut Building<'_>) -> Result<Taken> {
    let mut wizer = Wizer::new();
    // Hooks and methods stay what they are.
    wizer.keep_init_func(true);
    let bytes = building.component;
    let accessible = match building.step(PreparePhase::Instrument, |_| caught(|| accessor::append(bytes))) {
        Ok(accessible) => accessible,
        Err(reason) => return Ok(Taken::Refused(reason)),
    };
    let instrumented = building.step(PreparePhase::Instrument, |building| {
        let instrumented = || wizer.instrument_component(&accessible.bytes).map_err(|error| format!("{error:#}"));
        let (context, bytes) = caught(instrumented)?;
        let (blueprint, accessors) = caught(|| instrumented_blueprint(building, &bytes, &accessible))?;
        Ok((context, blueprint, accessors))
    });
    let (context, blueprint, accessors) = match instrumented {
        Ok(instrumented) => instrumented,
        Err(reason) => return Ok(Taken::Refused(reason)),
    };
    let runtime = Handle::current();
    let began = Instant::now();
    let output = building.output.clone();
    let live = building.step(PreparePhase::Build, |_| {
        runtime.block_on(Live::start_unentered(Arc::new(blueprint), output, Arc::default()))
    });
    let mut live = live?;
    let clock = began.elapsed();
    let kind = building.kind;
    let captured = building.step(PreparePhase::Capture, |_| {
        let component = caught(|| {
            let (store, instance) = live.unlimited();
            ensure_at_rest(store)?;
            let mut access = Access::new(store, instance);
            let taken = wizer.snapshot_component(&context, &mut access);
            let component = runtime.block_on(taken).map_err(|error| format!("{error:#}"))?;
            access.into_told().same(&Contents::of(&component)?)?;
            Ok(component)
        })?;
        let open = caught(|| runtime.block_on(live.open_handles(&accessors, kind)));
        let open = open.map_err(|what| format!("`build` left something open that no other instance has: {what}"))?;
        let component = caught(|| accessor::append_give_all(component, &open.types()))?;
        Ok((component, open))
    });
    Ok(match captured {
        Ok((component, open)) => {
            Taken::Snapshot(Box::new(Snapshot { component, resources: accessible.resources, open, clock }))
        }
        Err(reason) => Taken::Refused(reason),
    })
}

/// The blueprint of an instance of the instrumented component.
fn instrumented_blueprint(
    building: &Building<'_>,
    instrumented: &[u8],
    accessible: &Accessible,
) -> Result<(Blueprint, Accessors), String> {
    let engine = building.linker.engine();
    let component = Component::from_binary(engine, instrumented).map_err(|error| format!("{error:#}"))?;
    let missing = || "a function is missing after it was instrumented".to_owned();
    let accessors = Accessors::find(&component, &accessible.resources, accessible.may_have_own).ok_or_else(missing)?;
    let pre = building.linker.instantiate_pre(&component).map_err(|error| format!("{error:#}"))?;
    let builds = building.hooks.iter().map(|(export, hook)| Linked::find(&component, export.as_deref(), hook));
    let builds = builds.collect::<Option<Vec<_>>>().ok_or_else(missing)?;
    let wasi = WasiSpec { notes_streams: true, ..building.wasi.clone() };
    let blueprint = (building.blueprint)(Setup { pre, wasi, handles: None });
    Ok((Blueprint { builds, ..blueprint }, accessors))
}

/// Runs what may panic over somebody's bytes.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // Whatever a panic leaves half done is thrown away with what it was made of.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(of_panic("the snapshotter failed on it", &*panic)))
}
