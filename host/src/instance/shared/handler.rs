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
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::super::handler::{self, Alone, HANDLE, P3};
use super::super::{Span, failure};
use super::{CallSlot, Command, GuestTask, Inside, SharedLive};
use crate::error::{Error, Result};
use crate::instance::Head;
use crate::state::{Frame as CallFrame, State};

/// A request on its way into the instance.
pub(super) struct Asked {
    frame: CallFrame,
    deadline: Option<Instant>,
    /// Taken out when the guest's task begins.
    begins: Option<Begins>,
}

struct Begins {
    request: Request<WasiBody>,
    head: oneshot::Sender<Head>,
    done: oneshot::Sender<HandledShared>,
    slot: Box<dyn CallSlot>,
}

/// What became of a request in a shared instance.
pub(crate) enum HandledShared {
    /// It came to an end, good or bad.
    Ended(Result<()>),
    /// The instance went before the request had begun, because of others: another one can have it, for nobody has read any of
    /// it.
    NotBegun(Box<Request<WasiBody>>),
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(Begins { request, done, slot, .. }) = self.begins.take() {
            // The slot first: whoever asks for another one finds this one given back.
            drop(slot);
            drop(done.send(HandledShared::NotBegun(Box::new(request))));
        }
    }
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
    ) -> HandledShared {
        let blueprint = &self.inside.blueprint;
        let span = Span::method(&blueprint.bounds);
        let deadline = span.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (done, is_done) = oneshot::channel();
        let retire = slot.retirer();
        let frame = CallFrame { deadline: frame.deadline.into_iter().chain(deadline).min(), ..frame };
        let begins = Some(Begins { request, head, done, slot });
        // If nobody is there to take it, it comes back and is dropped, and says so as its answer.
        drop(self.commands.send(Command::Handle(Box::new(Asked { frame, deadline, begins }))));
        match self.awaited(is_done, deadline, (&span, HANDLE), retire).await {
            Ok(Some(handled)) => handled,
            Ok(None) => HandledShared::Ended(Err(self.inside.failed().await)),
            Err(error) => HandledShared::Ended(Err(error)),
        }
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
        let Self { mut asked, handle, inside } = self;
        let Some(Begins { request, head, done, slot }) = asked.begins.take() else { return Ok(()) };
        let (frame, deadline) = (std::mem::take(&mut asked.frame), asked.deadline);
        let retire = slot.retirer();
        let mut task = GuestTask::begin(accessor, &inside, slot);
        let frame = task.frame(frame);
        let (tail, read) = oneshot::channel();
        let answering = async {
            let (answer, number) = match handler::answer(accessor, handle, request, Some(frame)).await? {
                Ok(answered) => answered,
                Err(Alone(error)) => {
                    // As a rule it has no room for more, and finds none: it is nobody's turn to close what others opened.
                    retire();
                    return Ok(Err(failure::of_guest(HANDLE, &error, &inside.blueprint.bounds)));
                }
            };
            let watched = |body| WasiBody::new(Watched { body, inside: inside.clone(), _tail: tail });
            let answer = answer.map(|mut answered| {
                answered.response = answered.response.map(watched);
                answered
            });
            // Whoever asked may be gone. Either way its body is, once it was read or dropped, and nothing is ever sent.
            drop(head.send(answer));
            drop(read.await);
            accessor.with(|mut access| access.get().calls.end_task(number));
            Ok::<_, wasmtime::Error>(Ok(()))
        };
        let (handled, caller) =
            task.attend(pin!(answering), (done, deadline, HANDLE), |error| HandledShared::Ended(Err(error))).await?;
        task.end(accessor, caller.is_none());
        if let Some(done) = caller {
            drop(done.send(HandledShared::Ended(handled)));
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
