//! Bodies of requests and answers, on their way between a guest and a connection.
//!
//! A connection is given back when an answer was read to its end, and closed when it was broken off.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime_wasi_http::{Error, WasiBody};

use super::pool::Link;
use super::target::Target;
use super::{Outbound, http::explain};

/// The body of a request, which the guest can write to its end whatever becomes of the connection.
///
/// A server may answer and hang up before it has read all. Guests that write first and look for an answer then would be told
/// that the stream is closed, and never what the server said; so the rest is taken from them and thrown away.
///
/// WASI's own bodies end in the same way when their guest dies. This one fails then, unless it has the mark of a finished
/// body, which is not sent (see [`inbound`](crate::state)). The last piece of one whose length was said is held back until
/// then, because the server would take it for the end.
pub(super) struct HeardOut {
    /// `None` once it has ended.
    body: Option<WasiBody>,
    /// What was taken of it before it was sent.
    first: Option<Result<Frame<Bytes>, Error>>,
    /// Bytes still to come, where the head says how many.
    left: Option<u64>,
    /// The last piece of them.
    held: Option<Bytes>,
    unheard: Weak<Unheard>,
    _let_go: DropGuard,
}

impl HeardOut {
    /// `length` is what the head says of it. `let_go` is cancelled when the connection has taken all of the body that it wants.
    pub(super) fn new(body: WasiBody, length: Option<u64>, unheard: Weak<Unheard>, let_go: CancellationToken) -> Self {
        Self { body: Some(body), first: None, left: length, held: None, unheard, _let_go: let_go.drop_guard() }
    }

    /// Waits until it is known whether there is anything in it.
    pub(super) async fn begun(&mut self) {
        if self.first.is_none() {
            self.first = poll_fn(|context| Pin::new(&mut *self).poll_frame(context)).await;
        }
    }

    /// Counts a piece, and holds it back if the server would take it for the last.
    fn pass(&mut self, data: Bytes) -> Option<Bytes> {
        let Some(left) = &mut self.left else { return Some(data) };
        *left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if *left > 0 || data.is_empty() {
            return Some(data);
        }
        self.held = Some(data);
        None
    }
}

/// What takes the rest of such bodies. Ends with the instance.
#[derive(Default)]
pub(super) struct Unheard {
    tasks: Mutex<JoinSet<()>>,
    /// Whether the guest is done for. Set before anything of its store goes.
    is_over: AtomicBool,
}

impl Unheard {
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    fn take(&self, mut body: WasiBody) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(async move { while let Some(Ok(_)) = body.frame().await {} }, &runtime);
    }
}

impl Body for HeardOut {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let frame = ready!(Pin::new(body).poll_frame(context));
            let frame = match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => match self.pass(data) {
                    Some(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    None => continue,
                },
                Some(Ok(Err(mark))) if mark.trailers_ref().is_some_and(HeaderMap::is_empty) => None,
                Some(Ok(Err(trailers))) => Some(Ok(trailers)),
                None if self.unheard.upgrade().is_none_or(|unheard| unheard.is_over.load(Ordering::Acquire)) => {
                    Some(Err(Error::ConnectionTerminated))
                }
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
            self.body = None;
            return Poll::Ready(match (self.held.take(), frame) {
                // A body of known length has no trailers.
                (Some(held), None | Some(Ok(_))) => Some(Ok(Frame::data(held))),
                (_, frame) => frame,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.held.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.body, self.left) {
            _ if self.first.is_some() => SizeHint::default(),
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => {
                SizeHint::with_exact(left + self.held.as_ref().map_or(0, |held| held.len() as u64))
            }
            (Some(body), None) => body.size_hint(),
        }
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if let (Some(body), Some(unheard)) = (self.body.take(), self.unheard.upgrade()) {
            unheard.take(body);
        }
    }
}

/// A connection while a request goes over it. Closed when dropped.
pub(super) struct Exchange {
    pub(super) link: Link,
    pub(super) outbound: Arc<Outbound>,
    pub(super) target: Target,
    /// Whether the connection is done with the request's body.
    pub(super) let_go: CancellationToken,
    /// One of those that the instance may have.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Exchange {
    /// Gives the connection back, its answer read to the end.
    fn end(self) {
        self.outbound.pool.put(self.target, self.link);
        drop(self.permit);
    }
}

/// The body of an answer, whose next piece may be waited for only so long.
pub(super) struct AnswerBody {
    incoming: Incoming,
    limit: Duration,
    /// Since the guest waits for a piece.
    waited: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    /// `None` once the connection was given back or closed.
    exchange: Option<Exchange>,
}

impl AnswerBody {
    pub(super) fn new(incoming: Incoming, limit: Duration, exchange: Exchange) -> Self {
        let mut body = Self { incoming, limit, waited: None, has_ended: false, exchange: Some(exchange) };
        body.end_if_over();
        body
    }

    /// Gives the connection back, if the answer is over and the request as well: a server may say all that it has to say, and
    /// go on to read.
    fn end_if_over(&mut self) {
        self.has_ended |= self.incoming.is_end_stream();
        if self.has_ended
            && let Some(exchange) = self.exchange.take_if(|exchange| exchange.let_go.is_cancelled())
        {
            exchange.end();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let failure = match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Err(error))) => explain(error),
            Poll::Ready(frame) => {
                this.waited = None;
                this.has_ended |= frame.is_none();
                this.end_if_over();
                return Poll::Ready(frame.map(|frame| frame.map_err(explain)));
            }
            Poll::Pending => {
                let limit = this.limit;
                let waited = this.waited.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                std::task::ready!(waited.as_mut().poll(context));
                Error::ConnectionReadTimeout
            }
        };
        this.exchange = None;
        Poll::Ready(Some(Err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.end_if_over();
    }
}
