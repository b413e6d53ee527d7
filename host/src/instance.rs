//! One live guest: a store with a whole component in it, entered for one class, used for many calls, exited once.
//!
//! The call runs on the caller's own task. Every piece of guest code goes through [`Blueprint::bounded`], which arms the deadline,
//! runs it, and decides from what came back whether the store may be used again. What must not be known here: pools, apps,
//! names of settings' files.

mod failure;
#[cfg(feature = "http")]
mod handler;
mod handles;
mod linked;
mod shared;
mod typed;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Func, InstancePre, Val};

use crate::component::Function;
use crate::config::InstanceLimits;
use crate::engine::{EngineKind, Ticker};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::{Lifecycle, Outcome, Step};
use crate::state::{Frame, Identity, Output, State, Turn, Turns, WasiSpec};
use crate::values::json::Json;
use crate::values::{Limits, Shape, Value};

use failure::Attempt;
#[cfg(feature = "http")]
pub(crate) use handler::{Answered, Head, LinkedHandler};
use handles::Table;
pub(crate) use handles::{Accessors, OpenHandles, Replay, ensure_at_rest};
pub(crate) use linked::Linked;
#[cfg(feature = "http")]
pub(crate) use shared::HandledShared;
pub(crate) use shared::{Arguments, CallSlot, Called, SharedLive};
use typed::{Callee, Prepared};

/// How much later than the epoch's deadline the timer fires that stops guests which wait: a guest that runs is stopped by
/// the epoch first, and its error says where it was.
const WAITING_GRACE: Duration = Duration::from_millis(5);

/// All that the instances of one class have in common; made once when its code is there.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) setup: Setup,
    /// The `build` hooks of every class of the component, in the order of its exports; none of an instance that begins where
    /// they ended.
    pub(crate) builds: Vec<Linked>,
    pub(crate) enter: Option<Linked>,
    pub(crate) exit: Option<Linked>,
    pub(crate) methods: Vec<Linked>,
    /// What answers `wasi:http` requests.
    #[cfg(feature = "http")]
    pub(crate) handler: Option<LinkedHandler>,
    pub(crate) bounds: Bounds,
    pub(crate) ticker: Arc<Ticker>,
    /// Those of the app.
    pub(crate) turns: Turns,
    /// Cancelled when the host stops waiting for running calls.
    pub(crate) stop: CancellationToken,
}

/// What an instance is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) pre: InstancePre<State>,
    pub(crate) wasi: WasiSpec,
    /// What an instance made from a snapshot has open before any of its code runs.
    pub(crate) handles: Option<Arc<Replay>>,
}

/// The numbers that hold for one instance.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) memory_bytes: u64,
    /// Of the whole host, for the error that names it.
    pub(crate) max_instances: u32,
    pub(crate) build_timeout: Duration,
    pub(crate) enter_timeout: Duration,
    pub(crate) method_timeout: Duration,
    pub(crate) exit_timeout: Duration,
    pub(crate) values: Limits,
    pub(crate) instance: InstanceLimits,
}

/// What a guest's function gave back.
#[derive(Debug)]
pub(crate) enum Returned {
    /// The result, or the ok side of a `result`.
    Value(Value),
    /// The err side of a `result`.
    Error(Value),
}

/// A live guest.
pub(crate) struct Live {
    store: Store<State>,
    instance: wasmtime::component::Instance,
    life: Lifecycle,
    blueprint: Arc<Blueprint>,
    /// What memories had when the component was instantiated: its initial image, which all instances map from one file.
    image_bytes: u64,
    /// The methods called so far, by their place in the blueprint: looking one up and checking its type is done once.
    methods: Vec<Option<Callee>>,
    #[cfg(feature = "http")]
    handler: Option<handler::Handler>,
}

/// How long a piece of guest code may run, and the setting that says so.
#[derive(Clone, Copy, Debug)]
struct Span {
    timeout: Option<Duration>,
    setting: &'static str,
    /// Whether a host that no longer waits ends it early. An exit it has to wait for.
    stoppable: bool,
}

impl Span {
    fn build(bounds: &Bounds) -> Self {
        Self { timeout: Some(bounds.build_timeout), setting: "build-timeout", stoppable: true }
    }

    fn enter(bounds: &Bounds) -> Self {
        Self { timeout: Some(bounds.enter_timeout), setting: "enter-timeout", stoppable: true }
    }

    fn method(bounds: &Bounds) -> Self {
        Self { timeout: Some(bounds.method_timeout), setting: "timeout", stoppable: true }
    }

    fn exit(bounds: &Bounds) -> Self {
        Self { timeout: Some(bounds.exit_timeout), setting: "exit-timeout", stoppable: false }
    }

    /// An entrypoint runs for as long as its user lets it.
    fn entrypoint() -> Self {
        Self { timeout: None, setting: "timeout", stoppable: true }
    }

    /// Starts the span: from here on the epoch stops the guest when it is over.
    fn arm(&self, store: &mut Store<State>) -> (Option<Instant>, Turn) {
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.memory.take_refusal();
        state.output.forget_tail();
        (state.deadline.set(self.timeout), state.turn.clone())
    }
}

impl Blueprint {
    /// Runs guest code until it is done, the host stops, or a guest that waits is over its time.
    async fn bounded<T>(
        &self,
        span: &Span,
        (deadline, turn): (Option<Instant>, Turn),
        guest: Pin<&mut (impl Future<Output = wasmtime::Result<T>> + Send)>,
    ) -> Attempt<T> {
        let _ticking = self.ticker.guest_runs();
        let stopped = async { self.stop.cancelled().await };
        let over = async {
            match deadline.and_then(|deadline| deadline.checked_add(WAITING_GRACE)) {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        // The first branch is polled first, so that a call which never waits pays for neither of the others.
        tokio::select! {
            biased;
            done = turn.run(guest) => Attempt::Done(done),
            () = stopped, if span.stoppable => Attempt::Stopped,
            () = over => Attempt::TimedOut,
        }
    }
}

impl Live {
    /// Instantiates the component, runs its `build` hooks and enters it with `parameters`.
    ///
    /// # Errors
    ///
    /// `build-failed`, `enter-failed`, `memory-exceeded` or `overloaded`; the instance is gone then, and no `exit` runs.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the instance is dropped without `exit`.
    pub(crate) async fn start(
        blueprint: Arc<Blueprint>,
        parameters: Vec<Value>,
        output: Arc<Output>,
        identity: Arc<Identity>,
    ) -> Result<Self> {
        let mut live = Self::instantiate(blueprint, output, identity).await?;
        live.build().await?;
        live.enter(parameters).await?;
        Ok(live)
    }

    /// Instantiates the component and runs its `build` hooks, for an entrypoint, which is entered for no class.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub(crate) async fn start_unentered(
        blueprint: Arc<Blueprint>,
        output: Arc<Output>,
        identity: Arc<Identity>,
    ) -> Result<Self> {
        let mut live = Self::instantiate(blueprint, output, identity).await?;
        live.build().await?;
        Ok(live)
    }

    async fn instantiate(blueprint: Arc<Blueprint>, output: Arc<Output>, identity: Arc<Identity>) -> Result<Self> {
        let bounds = &blueprint.bounds;
        let Setup { pre, wasi, handles } = &blueprint.setup;
        let (turns, memory_bytes) = (&blueprint.turns, bounds.memory_bytes);
        let mut store = State::store(pre.engine(), wasi, output, identity, turns, memory_bytes, &bounds.instance)?;
        // The core modules' own start functions run now; they are part of whatever hook comes first.
        let span = if blueprint.builds.is_empty() { Span::enter(bounds) } else { Span::build(bounds) };
        let armed = span.arm(&mut store);
        let made = async {
            let instance = pre.instantiate_async(&mut store).await?;
            if let Some(handles) = handles {
                handles.run(&mut store, &instance).await?;
            }
            Ok(instance)
        };
        let attempt = blueprint.bounded(&span, armed, pin!(made)).await;
        let instance = match attempt {
            Attempt::Done(Ok(instance)) => instance,
            other => {
                let error =
                    failure::explain(other.map(|_| ()), store.data_mut(), "the start of the instance", &span, bounds);
                return Err(error.wrap_hook(ErrorKind::EnterFailed, "the instance could not be started"));
            }
        };
        let methods = (0..blueprint.methods.len()).map(|_| None).collect();
        let image_bytes = store.data().memory.used_bytes();
        Ok(Self {
            store,
            instance,
            life: Lifecycle::new(),
            blueprint,
            image_bytes,
            methods,
            #[cfg(feature = "http")]
            handler: None,
        })
    }

    async fn build(&mut self) -> Result<()> {
        let blueprint = self.blueprint.clone();
        begin(&mut self.life, Step::Build)?;
        let mut built = Ok(());
        for build in &blueprint.builds {
            built = self.hook(build, Vec::new(), Span::build(&blueprint.bounds)).await;
            if built.is_err() {
                break;
            }
        }
        self.life.end(if built.is_ok() { Outcome::Returned } else { Outcome::Broke });
        built.map_err(|error| error.wrap_hook(ErrorKind::BuildFailed, "`build` failed"))
    }

    async fn enter(&mut self, parameters: Vec<Value>) -> Result<()> {
        let blueprint = self.blueprint.clone();
        begin(&mut self.life, Step::Enter)?;
        let entered = match &blueprint.enter {
            None => Ok(()),
            Some(enter) => self.hook(enter, parameters, Span::enter(&blueprint.bounds)).await,
        };
        self.life.end(if entered.is_ok() { Outcome::Returned } else { Outcome::Broke });
        entered.map_err(|error| error.wrap_hook(ErrorKind::EnterFailed, "`enter` failed"))
    }

    /// Calls a method by its place among the blueprint's. `frame` is the call as those see it that the guest makes.
    ///
    /// # Errors
    ///
    /// `returned-error` with the method's own error, or a refusal of the arguments: the instance goes on. Any other kind:
    /// [`is_ready`](Self::is_ready) is false from then on.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the instance is of no more use: drop it, without `exit`.
    pub(crate) async fn call(&mut self, method: usize, arguments: Vec<Value>, frame: Frame) -> Result<Value> {
        // Borrowed piece by piece: a call counts no references that other threads count too.
        let Self { store, instance, life, blueprint, methods, .. } = self;
        let function = &blueprint.methods[method];
        let callee = match &mut methods[method] {
            Some(callee) => callee,
            none => none.insert(callee(store, instance, function)?),
        };
        let arguments = callee.prepare(function, arguments, &blueprint.bounds.values)?;
        begin(life, Step::Call)?;
        store.data_mut().calls.begin(frame);
        let returned = run(store, blueprint, function, callee, arguments, Span::method(&blueprint.bounds)).await;
        store.data_mut().calls.end();
        life.end(match &returned {
            Ok(Returned::Value(_)) => Outcome::Returned,
            Ok(Returned::Error(_)) => Outcome::ReturnedError,
            Err(_) => Outcome::Broke,
        });
        unwrap(function, returned?)
    }

    /// Runs the `exit` hook if the instance is owed one, and drops the instance.
    ///
    /// # Errors
    ///
    /// What the hook failed with. The instance is gone all the same.
    pub(crate) async fn exit(mut self) -> Result<()> {
        let blueprint = self.blueprint.clone();
        match &blueprint.exit {
            Some(exit) if self.life.is_ready() => {
                begin(&mut self.life, Step::Exit)?;
                let exited = self.hook(exit, Vec::new(), Span::exit(&blueprint.bounds)).await;
                self.life.end(if exited.is_ok() { Outcome::Returned } else { Outcome::Broke });
                exited
            }
            _ => Ok(()),
        }
    }

    /// Runs the `run` function of this interface, of the type `func() -> result`, without a time limit. Gives its exit code.
    pub(crate) async fn run_command(&mut self, interface: &str) -> Result<i32> {
        let run = self.instance.get_export_index(&mut self.store, None, interface);
        let run = run.and_then(|run| self.instance.get_export_index(&mut self.store, Some(&run), "run"));
        let run = run.ok_or_else(|| Error::internal("a command without its function"))?;
        let func = lookup(&mut self.store, &self.instance, &run)?;
        let blueprint = self.blueprint.clone();
        let span = Span::entrypoint();
        let armed = span.arm(&mut self.store);
        self.store.data_mut().calls.begin(Frame::default());
        let mut results = [Val::Bool(false)];
        let attempt = blueprint.bounded(&span, armed, pin!(func.call_async(&mut self.store, &[], &mut results))).await;
        match attempt {
            Attempt::Done(Ok(())) => Ok(i32::from(!matches!(results[0], Val::Result(Ok(_))))),
            Attempt::Done(Err(error)) if error.is::<wasmtime_wasi::I32Exit>() => {
                Ok(error.downcast_ref::<wasmtime_wasi::I32Exit>().map_or(1, |exit| exit.0))
            }
            other => Err(failure::explain(other, self.store.data_mut(), "`run`", &span, &blueprint.bounds)),
        }
    }

    /// Calls an entrypoint `main`, the only method of its blueprint, without a time limit.
    pub(crate) async fn run_main(&mut self, arguments: Vec<Value>) -> Result<Value> {
        let Self { store, instance, blueprint, .. } = self;
        let [main] = &blueprint.methods[..] else { return Err(Error::internal("an entrypoint without its function")) };
        let callee = callee(store, instance, main)?;
        let arguments = callee.prepare(main, arguments, &blueprint.bounds.values)?;
        store.data_mut().calls.begin(Frame::default());
        unwrap(main, run(store, blueprint, main, &callee, arguments, Span::entrypoint()).await?)
    }

    /// What the guest has open, and the numbers that it knows it by. The guest is of no more use afterwards.
    ///
    /// # Errors
    ///
    /// What cannot be open in an instance made from a snapshot, in plain words.
    pub(crate) async fn open_handles(
        &mut self,
        accessors: &Accessors,
        kind: EngineKind,
    ) -> Result<OpenHandles, String> {
        self.life.end(Outcome::Broke);
        let open = self.store.data_mut().open_handles(&self.blueprint.setup.wasi)?;
        Table { store: &mut self.store, instance: &self.instance, accessors }.numbers(&open, kind).await
    }

    /// The store and the instance in it, for whoever takes a snapshot. No limit of the guest's holds any more.
    pub(crate) fn unlimited(&mut self) -> (&mut Store<State>, wasmtime::component::Instance) {
        self.store.set_hostcall_fuel(usize::MAX);
        self.store.set_epoch_deadline(u64::MAX / 2);
        self.store.data_mut().memory.lift();
        (&mut self.store, self.instance)
    }

    /// Whether the instance can take another call.
    pub(crate) fn is_ready(&self) -> bool {
        self.life.is_ready()
    }

    /// Whether the guest has left so much of its requests that another one had better take its place.
    pub(crate) fn is_worn(&self) -> bool {
        #[cfg(feature = "http")]
        let is_worn = self.store.data().is_worn();
        #[cfg(not(feature = "http"))]
        let is_worn = false;
        is_worn
    }

    /// Whether [`exit`](Self::exit) runs anything.
    pub(crate) fn has_exit(&self) -> bool {
        self.blueprint.exit.is_some()
    }

    /// Bytes in all of the guest's memories and tables.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().memory.used_bytes()
    }

    /// Bytes of it beyond those that were there when the component was instantiated.
    pub(crate) fn grown_bytes(&self) -> u64 {
        self.memory_bytes().saturating_sub(self.image_bytes)
    }

    /// Runs a hook: its own error is a failure like any other.
    async fn hook(&mut self, hook: &Linked, arguments: Vec<Value>, span: Span) -> Result<()> {
        let Self { store, instance, blueprint, .. } = self;
        let callee = Callee::Untyped(lookup(store, instance, &hook.index)?);
        let arguments = callee.prepare(hook, arguments, &blueprint.bounds.values)?;
        unwrap(hook, run(store, blueprint, hook, &callee, arguments, span).await?).map(|_| ())
    }
}

fn begin(life: &mut Lifecycle, step: Step) -> Result<()> {
    life.begin(step).map_err(|error| Error::new(ErrorKind::Conflict, error.to_string()))
}

fn lookup(
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
    index: &ComponentExportIndex,
) -> Result<Func> {
    instance
        .get_func(store, index)
        .ok_or_else(|| Error::internal("an exported function is not in the instance of its own component"))
}

fn callee(store: &mut Store<State>, instance: &wasmtime::component::Instance, function: &Linked) -> Result<Callee> {
    Ok(Callee::new(lookup(store, instance, &function.index)?, function, store))
}

/// Runs one function of the guest, within its time.
async fn run(
    store: &mut Store<State>,
    blueprint: &Blueprint,
    function: &Function,
    callee: &Callee,
    arguments: Prepared,
    span: Span,
) -> Result<Returned> {
    let armed = span.arm(store);
    #[cfg(feature = "http")]
    store.data_mut().forget_open();
    let attempt = blueprint.bounded(&span, armed, pin!(callee.call(store, arguments, &function.result))).await;
    match attempt {
        Attempt::Done(Ok(returned)) => Ok(returned),
        other => {
            let what = format!("`{}`", function.name);
            Err(failure::explain(other.map(|_| ()), store.data_mut(), &what, &span, &blueprint.bounds))
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Whatever way it went, its last line is printed and what was dropped is told.
        self.store.data().end();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("life", &self.life).finish_non_exhaustive()
    }
}

/// The value of a method, or the error it returned as `returned-error`.
fn unwrap(function: &Function, returned: Returned) -> Result<Value> {
    match returned {
        Returned::Value(value) => Ok(value),
        Returned::Error(value) => {
            let err = if let Shape::Result(_, err) = &function.result { err } else { &Shape::Unit };
            let error = Error::new(ErrorKind::ReturnedError, format!("`{}` returned an error", function.name));
            Err(error.with_value(json_of(&value, err)))
        }
    }
}

/// A guest's error as JSON; a number that JSON cannot write is the only reason for a null here.
fn json_of(value: &Value, shape: &Shape) -> serde_json::Value {
    serde_json::to_value(Json { value, shape }).unwrap_or_default()
}
