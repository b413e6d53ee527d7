//! What a guest may ask of its host besides WASI: who it is and what it does (`wasmhost:host/context`), and to call others
//! (`wasmhost:host/calls`).
//!
//! ```text
//!  guest ── call ──▶ the frame of its own call ── Peers ──▶ another instance, on a task of its own
//! ```
//! A frame is one call as those see it that are made from it. An instance that runs one call at a time has one, else the
//! guest's task says which it is. What must not be known here: classes, pools, who is called and how.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, ComponentType, GuestTaskId, Linker, Lower};
use wasmtime::{AsContextMut, StoreContextMut};

use super::State;
use crate::engine::EngineKind;
use crate::error::{Error, ErrorKind, Result};

/// The interfaces and their version.
const CONTEXT: &str = "wasmhost:host/context@0.1.0";
const CALLS: &str = "wasmhost:host/calls@0.1.0";

/// Who an instance is.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) app: Arc<str>,
    /// None of an instance that is entered for no class.
    pub(crate) class: Option<Arc<str>>,
    /// What it is entered with, as a JSON object.
    pub(crate) parameters: String,
    /// None where nobody can be called.
    pub(crate) peers: Option<Arc<dyn Peers>>,
}

/// The way from a guest to the others of its host.
pub(crate) trait Peers: Send + Sync {
    /// A number for a call, unique in the host.
    fn number(&self) -> u64;

    /// Makes a call, as a task of its own that ends with what is given back. Gives the method's result as JSON.
    fn call(&self, frame: &Frame, request: Request) -> Pending;
}

/// The answer of a call that is under way.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<String>> + Send>>;

/// What a guest asks for; parameters and arguments are JSON.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) class: String,
    pub(crate) method: String,
    pub(crate) parameters: String,
    pub(crate) arguments: String,
}

/// A call, as those see it that are made from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// Unique in the host; 0 until somebody asks.
    pub(crate) number: u64,
    /// Calls above it.
    pub(crate) depth: u32,
    /// The pool of its instance, by a number of that pool's; 0 is none.
    pub(crate) pool: usize,
    /// Whether other calls may be in its instance.
    pub(crate) is_shared: bool,
    /// When its callers no longer wait for it.
    pub(crate) deadline: Option<Instant>,
    /// Cancelled when that is so, where the guest goes on all the same.
    pub(crate) gone: Option<CancellationToken>,
}

/// The calls of one instance.
#[derive(Default)]
pub(crate) struct Calls {
    identity: Arc<Identity>,
    /// Of an instance that runs one at a time.
    alone: Option<Frame>,
    /// Of one that runs several.
    together: BTreeMap<GuestTaskId, Frame>,
}

impl Calls {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self { identity, ..Self::default() }
    }

    /// A call begins in an instance that has no other.
    pub(crate) fn begin(&mut self, frame: Frame) {
        self.alone = Some(frame);
    }

    /// It has ended.
    pub(crate) fn end(&mut self) {
        self.alone = None;
    }

    /// A call begins beside others, as this task of the guest's.
    pub(crate) fn begin_task(&mut self, task: GuestTaskId, frame: Frame) {
        self.together.insert(task, frame);
    }

    /// It has ended.
    pub(crate) fn end_task(&mut self, task: GuestTaskId) {
        self.together.remove(&task);
    }
}

/// The call that asks; none between calls.
fn frame<'a>(store: &'a mut StoreContextMut<'_, State>) -> Option<&'a mut Frame> {
    if store.data().calls.together.is_empty() {
        return store.data_mut().calls.alone.as_mut();
    }
    let tasks: Vec<_> = store.async_call_stack().ok()?.collect();
    let together = &mut store.data_mut().calls.together;
    let task = tasks.into_iter().find(|task| together.contains_key(task))?;
    together.get_mut(&task)
}

/// As [`frame`], with a number.
fn numbered<'a>(store: &'a mut StoreContextMut<'_, State>) -> Option<&'a mut Frame> {
    let peers = store.data().calls.identity.peers.clone();
    let frame = frame(store)?;
    if let (0, Some(peers)) = (frame.number, peers) {
        frame.number = peers.number();
    }
    Some(frame)
}

/// When the time of a call is over: its own, where its instance has no other, or that of its callers.
fn deadline(store: &StoreContextMut<'_, State>, frame: &Frame) -> Option<Instant> {
    store.data().deadline.at().into_iter().chain(frame.deadline).min()
}

/// Links both interfaces.
///
/// # Errors
///
/// If one is linked already.
pub(crate) fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    link_context(linker)?;
    let mut calls = linker.instance(CALLS)?;
    calls.func_wrap_async("call", |store: StoreContextMut<'_, State>, request: RawRequest| {
        let pending = call(store, request, Form::Blocks);
        Box::new(async move { Ok((pending.await,)) })
    })?;
    if kind == EngineKind::Async {
        calls.func_wrap_concurrent("call-async", |accessor: &Accessor<State>, request: RawRequest| {
            Box::pin(async move {
                let pending = accessor.with(|mut access| call(access.as_context_mut(), request, Form::Waits));
                Ok((pending.await,))
            })
        })?;
    }
    Ok(())
}

fn link_context(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Store<'a> = StoreContextMut<'a, State>;
    let mut context = linker.instance(CONTEXT)?;
    context.func_wrap("app", |store: Store<'_>, (): ()| Ok((store.data().calls.identity.app.to_string(),)))?;
    // Versions are those of deployed apps.
    context.func_wrap("version", |_: Store<'_>, (): ()| Ok((None::<u64>,)))?;
    context.func_wrap("class", |store: Store<'_>, (): ()| {
        Ok((store.data().calls.identity.class.as_ref().map(ToString::to_string),))
    })?;
    context.func_wrap("parameters", |store: Store<'_>, (): ()| {
        let parameters = &store.data().calls.identity.parameters;
        Ok((if parameters.is_empty() { "{}".to_owned() } else { parameters.clone() },))
    })?;
    context.func_wrap("call-id", |mut store: Store<'_>, (): ()| {
        Ok((numbered(&mut store).map(|frame| frame.number.to_string()),))
    })?;
    context.func_wrap("deadline", |mut store: Store<'_>, (): ()| {
        let frame = frame(&mut store).cloned().unwrap_or_default();
        let left = |at: Instant| at.saturating_duration_since(Instant::now()).as_nanos();
        Ok((deadline(&store, &frame).map(|at| u64::try_from(left(at)).unwrap_or(u64::MAX)),))
    })
}

/// Class, method, parameters, arguments.
type RawRequest = (String, String, String, String);

/// In which form a call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing else runs in the instance meanwhile.
    Blocks,
    /// Its caller alone waits.
    Waits,
}

/// Begins a call, in the name of the one that asks for it.
fn call(
    mut store: StoreContextMut<'_, State>,
    (class, method, parameters, arguments): RawRequest,
    form: Form,
) -> impl Future<Output = Result<String, Failure>> + Send + use<> {
    let begun = (|| {
        let peers = store.data().calls.identity.peers.clone();
        let peers = peers.ok_or_else(|| Error::new(ErrorKind::Conflict, "nobody can be called from `build`"))?;
        let mut frame = numbered(&mut store).cloned().ok_or_else(|| {
            let message = "calls are made from methods and entrypoints, while these run, and from no hook";
            Error::new(ErrorKind::Conflict, message)
        })?;
        if form == Form::Blocks && frame.is_shared {
            // Others would wait with it, those among them that it waits for, and nobody could stop it.
            let message = "`call` holds up all calls of the instance, and others may be in this one, whose class has a \
                           `concurrency` over 1; make the call with `call-async`";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        frame.deadline = deadline(&store, &frame);
        let pending = peers.call(&frame, Request { class, method, parameters, arguments });
        Ok::<_, Error>((pending, frame.gone))
    })();
    async move {
        let (pending, gone) = begun?;
        let Some(gone) = gone else { return Ok(pending.await?) };
        tokio::select! {
            biased;
            answer = pending => Ok(answer?),
            () = gone.cancelled() => Err(Error::new(ErrorKind::TimedOut, "nobody waits for the calling method any more"))?,
        }
    }
}

/// Why a call failed, as its caller is told.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Failure {
    kind: String,
    message: String,
    value: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let value = error.value().map(ToString::to_string);
        let message = match &value {
            Some(value) => format!("{}: {value}", error.message()),
            None => error.message().to_owned(),
        };
        // Of a hook it is in the words alone: its type is not one that the caller knows.
        let value = value.filter(|_| error.kind() == ErrorKind::ReturnedError);
        Self { kind: error.kind().as_str().to_owned(), message, value }
    }
}
