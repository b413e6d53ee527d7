//! The body of a guest's answer, which ends well only if its guest finished it.
//!
//! WASI's own bodies end in the same way when their guest dies. In 0.2 a finished body has a mark (see
//! [`state::inbound`](crate::state)); in 0.3 the guest's life tells: it is told ended before its store goes. The last piece
//! of a body whose length was said is held back until then, because who reads it would take it for the end.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::gathered::{Gathered, Read};
use super::loan::Loan;
use super::{Kept, Reader, broken, unfinished};
use crate::error::{Error, ErrorKind};

/// The body of a guest's answer.
#[derive(Debug)]
pub(crate) enum GuestBody {
    /// All of it, in one piece.
    Whole(Bytes),
    /// Its pieces, of a guest that has ended.
    Pieces(VecDeque<Frame<Bytes>>),
    /// Of a guest that goes on.
    Streamed(Box<Streamed>),
    /// One that nobody gets, of this many bytes if that was said.
    Unsent(Option<u64>),
}

/// A body whose guest goes on.
pub(crate) struct Streamed {
    body: Read,
    marks_end: bool,
    /// Bytes still to come, where the head said how many.
    left: Option<u64>,
    /// The last piece of them.
    held: Option<Bytes>,
    /// Trailers for the next frame.
    trailers: Option<Frame<Bytes>>,
    end: oneshot::Receiver<()>,
    guest: Life,
    is_over: bool,
    /// Told once all was read; dropped before, its reader has gone.
    client: Option<oneshot::Sender<()>>,
    /// The guest's instance, once that has ended before its body.
    loan: Loan<Kept>,
    /// How long a piece may take that the guest has left to somebody else.
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

/// How far a guest's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Returned,
    Died,
}

/// Says when an answer is dropped before it was read to its end.
pub(super) struct Gone(oneshot::Receiver<()>);

impl Gone {
    /// It, and what is dropped with the answer.
    pub(super) fn new() -> (Self, oneshot::Sender<()>) {
        let (client, gone) = oneshot::channel();
        (Self(gone), client)
    }

    pub(super) async fn wait(&mut self) {
        if (&mut self.0).await.is_ok() {
            std::future::pending().await
        }
    }

    /// Waits until the answer is no more, read or not.
    pub(super) async fn is_over(&mut self) {
        if !self.0.is_terminated() {
            let _ = (&mut self.0).await;
        }
    }
}

impl GuestBody {
    /// The body of a guest that has ended.
    ///
    /// # Errors
    ///
    /// `returned-error` if it was not finished, or came to a bad end. For a head alone (`is_head`) it may be of another length
    /// than it was said to be.
    pub(super) fn ended(mut body: Gathered, marks_end: bool, is_head: bool) -> Result<Self, Error> {
        let mut context = Context::from_waker(Waker::noop());
        let mut pieces = VecDeque::new();
        let mut is_finished = !marks_end || body.is_end_stream();
        while !body.is_end_stream() {
            match body.poll_at_once(&mut context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => pieces.push_back(Frame::data(data)),
                    Err(trailers) => {
                        is_finished = true;
                        if trailers.trailers_ref().is_some_and(|trailers| !trailers.is_empty()) {
                            pieces.push_back(trailers);
                        }
                        break;
                    }
                },
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(_))) if is_head => {
                    is_finished = true;
                    break;
                }
                Poll::Ready(Some(Err(error))) => return Err(broken(&error)),
                Poll::Pending => return Err(unfinished()),
            }
        }
        if is_finished { Ok(Self::of_pieces(pieces)) } else { Err(unfinished()) }
    }

    /// The body of a guest that goes on, and has finished it: there is nothing in it to be read.
    pub(super) fn finished(client: oneshot::Sender<()>) -> Self {
        // Whoever looks after the guest may have gone with it.
        let _ = client.send(());
        Self::Whole(Bytes::new())
    }

    fn of_pieces(mut pieces: VecDeque<Frame<Bytes>>) -> Self {
        if pieces.iter().any(Frame::is_trailers) {
            return Self::Pieces(pieces);
        }
        if pieces.len() <= 1 {
            let only = pieces.pop_front().and_then(|frame| frame.into_data().ok());
            return Self::Whole(only.unwrap_or_default());
        }
        let data = pieces.iter().filter_map(Frame::data_ref);
        let mut whole = BytesMut::with_capacity(data.clone().map(Bytes::len).sum());
        data.for_each(|data| whole.extend_from_slice(data));
        Self::Whole(whole.freeze())
    }

    /// The body of a guest that goes on, or that has left it to somebody else: then a piece may take as long as `patience`.
    /// `length` is what the head says of it, `end` is told when the guest returns and dropped when it dies, before its store
    /// goes; the `reader`'s client is told when all was read, and dropped with the body, and what is lent goes back then.
    pub(super) fn streamed(
        body: Read,
        marks_end: bool,
        length: Option<u64>,
        end: oneshot::Receiver<()>,
        ((client, loan), patience): (Reader, Duration),
    ) -> Self {
        Self::Streamed(Box::new(Streamed {
            body,
            marks_end,
            left: length,
            held: None,
            trailers: None,
            end,
            guest: Life::Running,
            is_over: false,
            client: Some(client),
            loan,
            patience,
            waiting: None,
        }))
    }
}

impl Streamed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(trailers)));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        // Looked at first: what a guest did before its end is there once the end is.
        self.look_after_guest(context);
        loop {
            let polled = self.body.poll_frame(self.guest != Life::Running, context);
            if polled.is_ready() {
                self.waiting = None;
            }
            match polled {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    // Hyper would write an empty chunk, which ends a body.
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        if let Some(data) = self.pass(data) {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Err(trailers) => return self.finished(Some(trailers)),
                },
                Poll::Ready(Some(Err(error))) => return self.cut(&format!("{error:?}")),
                Poll::Ready(None) if self.marks_end || self.is_dead() => {
                    return self.cut("its guest did not finish it");
                }
                Poll::Ready(None) => return self.finished(None),
                Poll::Pending if self.guest == Life::Running => return Poll::Pending,
                // A stream of a request, or of another server's answer, may be passed on in WASI 0.3: it goes on by itself.
                Poll::Pending if self.guest == Life::Returned && !self.marks_end => {
                    let patience = self.patience;
                    let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                    if waiting.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    return self.cut(&format!("no more of it came within {patience:?}; the setting is `timeout`"));
                }
                Poll::Pending => return self.cut("its guest ended without finishing it"),
            }
        }
    }

    fn look_after_guest(&mut self, context: &mut Context<'_>) {
        if self.guest == Life::Running
            && let Poll::Ready(end) = Pin::new(&mut self.end).poll(context)
        {
            self.guest = if end.is_ok() { Life::Returned } else { Life::Died };
        }
    }

    /// Whether the guest has died by now. It is told dead before its bodies end for that reason.
    fn is_dead(&mut self) -> bool {
        if self.guest == Life::Running {
            match self.end.try_recv() {
                Ok(()) => self.guest = Life::Returned,
                Err(oneshot::error::TryRecvError::Closed) => self.guest = Life::Died,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
        self.guest == Life::Died
    }

    /// Counts a piece, and holds it back if the client would take it for the last.
    fn pass(&mut self, data: Bytes) -> Option<Bytes> {
        let Some(left) = &mut self.left else { return Some(data) };
        *left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if *left > 0 {
            return Some(data);
        }
        self.held = Some(data);
        None
    }

    fn finished(&mut self, trailers: Option<Frame<Bytes>>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.is_over = true;
        self.loan.end();
        if let Some(client) = self.client.take() {
            // Whoever looks after the guest may have gone with it.
            let _ = client.send(());
        }
        let trailers = trailers.filter(|frame| frame.trailers_ref().is_some_and(|trailers| !trailers.is_empty()));
        match self.held.take() {
            Some(held) => {
                self.trailers = trailers;
                Poll::Ready(Some(Ok(Frame::data(held))))
            }
            None => Poll::Ready(trailers.map(Ok)),
        }
    }

    fn cut(&mut self, why: &str) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.is_over = true;
        self.loan.end();
        Poll::Ready(Some(Err(Error::new(ErrorKind::Trapped, format!("the answer broke off: {why}")))))
    }
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Whole(data) if data.is_empty() => Poll::Ready(None),
            Self::Whole(data) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(Ok)),
            Self::Streamed(streamed) => streamed.poll(context),
            Self::Unsent(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_empty(),
            Self::Pieces(pieces) => pieces.is_empty(),
            Self::Streamed(streamed) => streamed.is_over && streamed.trailers.is_none(),
            // Its head is that of an answer which has one.
            Self::Unsent(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
            Self::Streamed(streamed) => streamed.left.map_or_else(SizeHint::default, |left| {
                SizeHint::with_exact(left + streamed.held.as_ref().map_or(0, |held| held.len() as u64))
            }),
            Self::Unsent(bytes) => bytes.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").field("left", &self.left).field("guest", &self.guest).finish_non_exhaustive()
    }
}
