//! An instance in which several calls run at a time.
//!
//! ```text
//!  SharedLive::call ── command ──▶ driver: one `run_concurrent` over the store ── a task per call ──▶ guest
//!        ▲                                                                                              │
//!        └──────────────────────────── reply ◀──────────────────────────────────────────────────────────┘
//! ```
//! One call cannot be stopped without the others: wasmtime knows no way. So a caller who goes, or whose time is over, is
//! answered at once, and the guest's task keeps its slot until it ends. When nobody is left who waits for an answer, the
//! store is dropped. Only a trap fails all calls. What must not be known here: who hands out slots.

#[cfg(feature = "http")]
mod handler;

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime::component::{Accessor, AccessorTask};

use super::failure::{self, Attempt};
use super::typed::{Callee, Prepared};
use super::{Blueprint, Live, Span, WAITING_GRACE, unwrap};
use crate::component::Function;
use crate::engine::Ticking;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Frame, State};
use crate::values::Value;

#[cfg(feature = "http")]
pub(crate) use handler::HandledShared;

/// The right to be one of the calls in an instance. It is dropped when the guest's task has ended.
pub(crate) trait CallSlot: Send + 'static {
    /// Lets the instance take no more calls, if this is still one of those in it. For whoever has given the slot away.
    fn retirer(&self) -> Box<dyn FnOnce() + Send>;
}

/// A handle to an instance that runs several calls at a time.
pub(crate) struct SharedLive {
    commands: mpsc::UnboundedSender<Command>,
    inside: Arc<Inside>,
}

/// What the handle, the driver and the calls have in common.
struct Inside {
    blueprint: Arc<Blueprint>,
    callees: Box<[Callee]>,
    #[cfg(feature = "http")]
    handler: Option<super::handler::P3>,
    is_sound: AtomicBool,
    /// Why all calls failed; set before the instance is told gone.
    failure: OnceLock<Error>,
    gone: CancellationToken,
    image_bytes: u64,
    grown_bytes: AtomicU64,
    /// Guest tasks under way, and those of them whose callers are gone.
    running: AtomicUsize,
    abandoned: AtomicUsize,
    deserted: Notify,
}

enum Command {
    Call(Call),
    #[cfg(feature = "http")]
    Handle(Box<handler::Asked>),
    Exit(oneshot::Sender<Result<()>>),
}

struct Call {
    method: usize,
    deadline: Option<Instant>,
    frame: Frame,
    /// Taken out when the guest's task begins.
    begins: Option<Begins>,
}

struct Begins {
    arguments: Prepared,
    reply: oneshot::Sender<Called>,
    slot: Box<dyn CallSlot>,
}

/// What became of a call in a shared instance.
pub(crate) enum Called {
    /// It came to an end, good or bad.
    Ended(Result<Value>),
    /// The instance went before the call had begun, because of others: it can be made in another one, with these
    /// arguments.
    NotBegun(Arguments),
}

/// Arguments as a class's methods take them, in any of its instances.
pub(crate) struct Arguments(Prepared);

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(Begins { arguments, reply, slot }) = self.begins.take() {
            // The slot first: whoever asks for another one finds this one given back.
            drop(slot);
            drop(reply.send(Called::NotBegun(Arguments(arguments))));
        }
    }
}

/// Why the driver leaves the event loop of its store.
enum Left {
    Exit(oneshot::Sender<Result<()>>),
    /// No caller is left, but guest tasks are.
    Deserted,
    /// No handle is left.
    Dropped,
}

impl Live {
    /// Turns an entered instance into one that runs several calls at a time: its handle, and what has to be run as a task for
    /// it to do anything.
    ///
    /// # Errors
    ///
    /// `internal` when a method is not in the instance after all.
    pub(crate) fn share(mut self) -> Result<(SharedLive, impl Future<Output = ()> + Send + 'static)> {
        #[cfg(feature = "http")]
        let handler = handler::of(&mut self)?;
        let Self { store, instance, blueprint, .. } = &mut self;
        let callees = blueprint.methods.iter().map(|method| super::callee(store, instance, method));
        let callees = callees.collect::<Result<_>>()?;
        let inside = Arc::new(Inside {
            blueprint: self.blueprint.clone(),
            callees,
            #[cfg(feature = "http")]
            handler,
            is_sound: AtomicBool::new(true),
            failure: OnceLock::new(),
            gone: CancellationToken::new(),
            image_bytes: self.image_bytes,
            grown_bytes: AtomicU64::new(self.grown_bytes()),
            running: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            deserted: Notify::new(),
        });
        // Not bounded here: there are never more calls than slots.
        let (commands, received) = mpsc::unbounded_channel();
        let driver = Driver { live: Some(self), inside: inside.clone() };
        Ok((SharedLive { commands, inside }, driver.run(received)))
    }
}

impl SharedLive {
    /// Brings arguments into the form that a method takes, by its place among the blueprint's.
    ///
    /// # Errors
    ///
    /// `too-large` when bytes that would have to go as a list are longer than `max-list`.
    pub(crate) fn prepare(&self, method: usize, arguments: Vec<Value>) -> Result<Arguments> {
        let blueprint = &self.inside.blueprint;
        let callee = &self.inside.callees[method];
        callee.prepare(&blueprint.methods[method], arguments, &blueprint.bounds.values).map(Arguments)
    }

    /// Calls a method, as one of several calls. It fails as [`Live::call`] does, and by another call's trap.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the guest's task goes on, and keeps its slot, unless it was alone.
    pub(crate) async fn call(
        &self,
        method: usize,
        arguments: Arguments,
        slot: Box<dyn CallSlot>,
        frame: Frame,
    ) -> Called {
        let blueprint = &self.inside.blueprint;
        let function = &blueprint.methods[method];
        let span = Span::method(&blueprint.bounds);
        let deadline = span.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (reply, answer) = oneshot::channel();
        let retire = slot.retirer();
        let begins = Some(Begins { arguments: arguments.0, reply, slot });
        // If nobody is there to take it, the command comes back and is dropped, and says so as its answer.
        let frame = Frame { deadline: frame.deadline.into_iter().chain(deadline).min(), ..frame };
        drop(self.commands.send(Command::Call(Call { method, deadline, frame, begins })));
        match self.awaited(answer, deadline, (&span, &format!("`{}`", function.name)), retire).await {
            Ok(Some(called)) => called,
            Ok(None) => Called::Ended(Err(self.inside.failed().await)),
            Err(error) => Called::Ended(Err(error)),
        }
    }

    /// Waits for what a call in the instance came to; `None` if it went with the instance.
    ///
    /// # Errors
    ///
    /// Why it is no longer waited for.
    async fn awaited<T>(
        &self,
        answer: oneshot::Receiver<T>,
        deadline: Option<Instant>,
        (span, what): (&Span, &str),
        retire: Box<dyn FnOnce() + Send>,
    ) -> Result<Option<T>> {
        let attempt = tokio::select! {
            biased;
            answer = answer => return Ok(answer.ok()),
            () = self.inside.blueprint.stop.cancelled() => Attempt::Stopped,
            // Polled here too: a guest that does not yield the store keeps the driver from its timers.
            () = until(deadline.and_then(|deadline| deadline.checked_add(WAITING_GRACE))) => Attempt::TimedOut,
        };
        // Whatever holds up the driver, it will not answer the next caller in time either.
        retire();
        Err(failure::of_waiting(attempt, what, span))
    }

    /// Whether the instance can take calls.
    pub(crate) fn is_sound(&self) -> bool {
        self.inside.is_sound.load(Ordering::Acquire)
    }

    /// Bytes of memory beyond those that were there when the component was instantiated, after the last call.
    pub(crate) fn grown_bytes(&self) -> u64 {
        self.inside.grown_bytes.load(Ordering::Relaxed)
    }

    /// Runs the `exit` hook, when no call is left, and drops the instance.
    ///
    /// # Errors
    ///
    /// What the hook failed with, or why the instance was gone before it could run. It is gone all the same.
    pub(crate) async fn exit(&self) -> Result<()> {
        let (reply, exited) = oneshot::channel();
        // If nobody is there to take it, it comes back and is dropped.
        drop(self.commands.send(Command::Exit(reply)));
        match exited.await {
            Ok(exited) => exited,
            Err(_) => Err(self.inside.failed().await),
        }
    }
}

impl Inside {
    /// Why the instance is gone. Whoever is not answered hears of it before the driver, which knows why.
    async fn failed(&self) -> Error {
        self.gone.cancelled().await;
        let gone = || Error::new(ErrorKind::Conflict, "the instance is gone: it failed or has exited");
        self.failure.get().cloned().unwrap_or_else(gone)
    }

    /// A call's caller is gone.
    fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::AcqRel);
        self.look_around();
    }

    /// A guest's task has ended.
    fn end(&self, is_abandoned: bool) {
        self.abandoned.fetch_sub(usize::from(is_abandoned), Ordering::AcqRel);
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.look_around();
    }

    /// Tells the driver when nobody is left who waits for an answer.
    fn look_around(&self) {
        if self.is_deserted() {
            self.deserted.notify_one();
        }
    }

    fn is_deserted(&self) -> bool {
        let running = self.running.load(Ordering::Acquire);
        running > 0 && self.abandoned.load(Ordering::Acquire) >= running
    }

    /// From now on leases that come back bring an instance that is of no more use.
    fn give_up(&self) {
        self.is_sound.store(false, Ordering::Release);
    }
}

/// Owns the store.
struct Driver {
    live: Option<Live>,
    inside: Arc<Inside>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let Some(mut live) = self.live.take() else { return };
        let inside = self.inside.clone();
        live.store.set_epoch_deadline(1);
        let turn = live.store.data().turn.clone();
        // At the end of the host nobody is left who waits for a call, so that only `exit` is still worth its time.
        let stopped = async {
            inside.blueprint.stop.cancelled().await;
            if inside.running.load(Ordering::Acquire) == 0 {
                std::future::pending::<()>().await;
            }
        };
        let left = {
            let serve = async |accessor: &Accessor<State>| serve(accessor, &mut commands, &inside).await;
            let serving = pin!(live.store.run_concurrent(serve));
            tokio::select! {
                biased;
                left = turn.run(serving) => left,
                () = stopped => Ok(Ok(Left::Dropped)),
            }
        };
        match left {
            Ok(Ok(Left::Exit(reply))) => {
                let exited = live.exit().await;
                inside.give_up();
                // Whoever does not wait for it need not know.
                drop(reply.send(exited));
            }
            Ok(Ok(Left::Deserted | Left::Dropped)) => inside.give_up(),
            Ok(Err(error)) | Err(error) => {
                inside.give_up();
                let bounds = &inside.blueprint.bounds;
                let what = "a call in this instance";
                let span = Span::method(bounds);
                let error = failure::explain(Attempt::Done(Err(error)), live.store.data_mut(), what, &span, bounds);
                inside.failure.get_or_init(|| error);
            }
        }
        // Now the store is dropped, and with it the calls that were in it; then the commands that nobody took.
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.inside.give_up();
        self.inside.gone.cancel();
    }
}

async fn serve(
    accessor: &Accessor<State>,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    inside: &Arc<Inside>,
) -> wasmtime::Result<Left> {
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Call(call)) => {
                    inside.running.fetch_add(1, Ordering::AcqRel);
                    accessor.spawn(CallTask { call, inside: inside.clone() })?;
                }
                #[cfg(feature = "http")]
                Some(Command::Handle(asked)) => if let Some(handle) = inside.handler {
                    inside.running.fetch_add(1, Ordering::AcqRel);
                    accessor.spawn(handler::HandleTask { asked, handle, inside: inside.clone() })?;
                },
                Some(Command::Exit(reply)) => return Ok(Left::Exit(reply)),
                None => return Ok(Left::Dropped),
            },
            () = inside.deserted.notified() => {
                if inside.is_deserted() {
                    return Ok(Left::Deserted);
                }
            }
        }
    }
}

/// One call, from its command to the end of the guest's task.
struct CallTask {
    call: Call,
    inside: Arc<Inside>,
}

impl AccessorTask<State> for CallTask {
    async fn run(self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let Self { mut call, inside } = self;
        let (method, deadline) = (call.method, call.deadline);
        let Some(Begins { arguments, reply, slot }) = call.begins.take() else { return Ok(()) };
        let function: &Function = &inside.blueprint.methods[method];
        let mut task = GuestTask::begin(accessor, &inside, slot);
        let frame = task.frame(std::mem::take(&mut call.frame));
        let guest = pin!(inside.callees[method].call_concurrent(accessor, arguments, &function.result, frame));
        let overdue = |error| Called::Ended(Err(error));
        let (returned, caller) =
            task.attend(guest, (reply, deadline, &format!("`{}`", function.name)), overdue).await?;
        task.end(accessor, caller.is_none());
        if let Some(reply) = caller {
            drop(reply.send(Called::Ended(unwrap(function, returned))));
        }
        Ok(())
    }
}

/// A guest's task in the store, whatever it is: from its beginning it has a slot, and somebody who waits for it.
struct GuestTask<'a> {
    inside: &'a Inside,
    slot: Box<dyn CallSlot>,
    /// Cancelled when nobody waits any more, and when this is dropped: then what the guest made of others for it ends as well.
    gone: CancellationToken,
    _gone: DropGuard,
    _ticking: Ticking<'a>,
}

impl<'a> GuestTask<'a> {
    fn begin(accessor: &Accessor<State>, inside: &'a Inside, slot: Box<dyn CallSlot>) -> Self {
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let _ticking = inside.blueprint.ticker.guest_runs();
        renew_ticks(accessor, &inside.blueprint);
        Self { inside, slot, gone, _gone, _ticking }
    }

    /// The call as those see it that the guest makes.
    fn frame(&self, frame: Frame) -> Frame {
        Frame { gone: Some(self.gone.clone()), is_shared: true, ..frame }
    }

    /// Runs the guest to its end, and gives the caller back who still waits for it. One whose time is over is told so by
    /// `overdue`, and the guest goes on.
    async fn attend<T, R>(
        &mut self,
        mut guest: Pin<&mut impl Future<Output = wasmtime::Result<T>>>,
        (caller, deadline, what): (oneshot::Sender<R>, Option<Instant>, &str),
        overdue: impl Fn(Error) -> R,
    ) -> wasmtime::Result<(T, Option<oneshot::Sender<R>>)> {
        let mut over = pin!(until(deadline));
        let mut caller = Some(caller);
        let mut is_overdue = false;
        loop {
            let hung_up = async {
                match &mut caller {
                    Some(caller) => caller.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = &mut guest => return Ok((ended?, caller)),
                () = &mut over, if !is_overdue => {
                    is_overdue = true;
                    self.slot.retirer()();
                    if let Some(caller) = caller.take() {
                        let span = Span::method(&self.inside.blueprint.bounds);
                        // Whoever went away need not know.
                        drop(caller.send(overdue(failure::of_waiting(Attempt::TimedOut, what, &span))));
                        self.abandon();
                    }
                }
                () = hung_up => {
                    caller = None;
                    self.abandon();
                }
            }
        }
    }

    fn abandon(&self) {
        self.gone.cancel();
        self.inside.abandon();
    }

    /// The slot is free when this returns: whoever gets the answer finds it so.
    fn end(self, accessor: &Accessor<State>, is_abandoned: bool) {
        renew_ticks(accessor, &self.inside.blueprint);
        let used = accessor.with(|mut access| access.get().memory.used_bytes());
        self.inside.grown_bytes.store(used.saturating_sub(self.inside.image_bytes), Ordering::Relaxed);
        self.inside.end(is_abandoned);
    }
}

/// Waits for this moment, for ever where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Gives the guest a method's time to run from now on. All calls share it: which of them holds the store nobody can tell.
fn renew_ticks(accessor: &Accessor<State>, blueprint: &Blueprint) {
    let timeout = blueprint.bounds.method_timeout;
    accessor.with(|mut access| access.get().deadline.allow_ticks(timeout));
}

impl fmt::Debug for SharedLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLive").field("running", &self.inside.running).finish_non_exhaustive()
    }
}
