//! Web requests in an instance where several are under way: a handler of WASI 0.3.
//!
//! A request keeps its slot until the body of its answer has ended, or nobody reads it any more: the guest writes it by a
//! task that goes on after the head. What must not be known here: who asked, and what the answer is sent through.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::super::handler::{self, HANDLE, P3};
use super::super::{Span, WAITING_GRACE};
use super::{Attempt, CallSlot, Command, Inside, SharedLive, failure, renew_ticks};
use crate::error::{Error, Result};
use crate::instance::Head;
use crate::state::{Frame as CallFrame, State};

/// A request on its way into the instance.
pub(super) struct Asked {
    request: Request<WasiBody>,
    head: oneshot::Sender<Head>,
    done: oneshot::Sender<Result<()>>,
    slot: Box<dyn CallSlot>,
    frame: CallFrame,
    deadline: Option<Instant>,
}

impl SharedLive {
    /// Lets the guest answer a request, as one of several. It fails as [`Live::handle`](super::Live::handle) does, and by
    /// another call's trap.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the guest's task goes on, and keeps its slot, unless it was alone.
    pub(crate) async fn handle(
        &self,
        request: Request<WasiBody>,
        head: oneshot::Sender<Head>,
        slot: Box<dyn CallSlot>,
        frame: CallFrame,
    ) -> Result<()> {
        let blueprint = &self.inside.blueprint;
        let span = Span::method(&blueprint.bounds);
        let deadline = span.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (done, is_done) = oneshot::channel();
        let retire = slot.retirer();
        let frame = CallFrame { deadline: frame.deadline.into_iter().chain(deadline).min(), ..frame };
        let asked = Asked { request, head, done, slot, frame, deadline };
        // If nobody is there to take it, it is dropped with its sender.
        drop(self.commands.send(Command::Handle(Box::new(asked))));
        let over = async {
            match deadline.and_then(|deadline| deadline.checked_add(WAITING_GRACE)) {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let attempt = tokio::select! {
            biased;
            done = is_done => return done.unwrap_or_else(|_| Err(self.inside.failed())),
            () = blueprint.stop.cancelled() => Attempt::Stopped,
            // Polled here too: a guest that does not yield the store keeps the driver from its timers.
            () = over => Attempt::TimedOut,
        };
        retire();
        Err(failure::of_waiting(attempt, HANDLE, &span))
    }
}

/// One request, from its command to the end of its answer.
pub(super) struct HandleTask {
    pub(super) asked: Box<Asked>,
    pub(super) handle: P3,
    pub(super) inside: Arc<Inside>,
}

impl AccessorTask<State> for HandleTask {
    async fn run(self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let Self { asked, handle, inside } = self;
        let Asked { request, head, done, slot, frame, deadline } = *asked;
        // Dropped with this task, however it ends: then what the guest made of others for it ends as well.
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let frame = CallFrame { gone: Some(gone.clone()), is_shared: true, ..frame };
        let blueprint = &inside.blueprint;
        let _ticking = blueprint.ticker.guest_runs();
        renew_ticks(accessor, blueprint);
        let (tail, read) = oneshot::channel();
        let answering = async {
            let (answer, task) = handler::answer(accessor, handle, request, Some(frame)).await?;
            let watched = |body| WasiBody::new(Watched { body, inside: inside.clone(), _tail: tail });
            let answer = answer.map(|mut answered| {
                answered.response = answered.response.map(watched);
                answered
            });
            // Whoever asked may be gone. Either way its body is, once it was read or dropped, and nothing is ever sent.
            drop(head.send(answer));
            drop(read.await);
            accessor.with(|mut access| access.get().calls.end_task(task));
            Ok::<_, wasmtime::Error>(())
        };
        let mut guest = pin!(answering);
        let mut over = pin!(async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        });
        let mut caller = Some(done);
        let mut is_overdue = false;
        loop {
            let hung_up = async {
                match &mut caller {
                    Some(done) => done.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                answered = &mut guest => break answered?,
                () = &mut over, if !is_overdue => {
                    is_overdue = true;
                    slot.retirer()();
                    if let Some(done) = caller.take() {
                        let span = Span::method(&blueprint.bounds);
                        drop(done.send(Err(failure::of_waiting(Attempt::TimedOut, HANDLE, &span))));
                        gone.cancel();
                        inside.abandon();
                    }
                }
                () = hung_up => {
                    caller = None;
                    gone.cancel();
                    inside.abandon();
                }
            }
        }
        renew_ticks(accessor, blueprint);
        let used = accessor.with(|mut access| access.get().memory.used_bytes());
        inside.grown_bytes.store(used.saturating_sub(inside.image_bytes), Ordering::Relaxed);
        inside.end(caller.is_none());
        // The slot first: whoever has the answer finds it free.
        drop(slot);
        if let Some(done) = caller {
            drop(done.send(Ok(())));
        }
        Ok(())
    }
}

/// A body that tells when nobody reads it any more, and that does not end well when its instance has died.
struct Watched {
    body: WasiBody,
    inside: Arc<Inside>,
    _tail: oneshot::Sender<()>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, WasiError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // The instance is given up before its store goes, and with the store every body ends.
        if frame.is_none() && !self.inside.is_sound.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(WasiError::ConnectionTerminated)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The handler of an instance that is to be shared, if it has one.
///
/// # Errors
///
/// `internal` for one of WASI 0.2, which was refused when the class was loaded.
pub(super) fn of(live: &mut super::Live) -> Result<Option<P3>> {
    if live.blueprint.handler.is_none() {
        return Ok(None);
    }
    match live.handler()? {
        handler::Handler::P3(handle) => Ok(Some(handle)),
        handler::Handler::P2(_) => Err(Error::internal("a handler of WASI 0.2 in an instance that requests share")),
    }
}
