//! The body of an answer, as far as it was taken before anybody waited for it.
//!
//! A guest writes into a small buffer and waits until it is read. What it has written is taken here at once, so that one
//! with a short answer comes to its end without a task of its own, and its answer is one piece.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::unconstrained;
use wasmtime_wasi_http::{Error, WasiBody};

/// Bytes that are taken before their client asks for them, per request. A guest that has written as much goes on only as its
/// client reads.
const MOST_BYTES: usize = 64 << 10;

/// Pieces and the end that may be under way of what a guest of WASI 0.3 has written: its stream has room for one, and whoever
/// ends it has put that after them.
const ON_THE_WAY: usize = 3;

/// What a piece takes beside its bytes.
const PIECE_BYTES: usize = 128;

/// A body, with what was taken of it in front.
pub(super) struct Gathered {
    pieces: VecDeque<Frame<Bytes>>,
    bytes: usize,
    is_looked_at: bool,
    rest: Rest,
}

enum Rest {
    Open(WasiBody),
    /// It ends, with an error if there is one.
    Ended(Option<Error>),
}

impl Gathered {
    pub(super) fn new(body: WasiBody) -> Self {
        Self { pieces: VecDeque::new(), bytes: 0, is_looked_at: false, rest: Rest::Open(body) }
    }

    /// Takes what is there, and says whether the guest may go on for it.
    pub(super) fn gather(&mut self, context: &mut Context<'_>) -> bool {
        // To be looked at is what some guests wait for.
        let mut is_news = !std::mem::replace(&mut self.is_looked_at, true);
        while self.bytes < MOST_BYTES && self.take(context) {
            is_news = true;
        }
        is_news
    }

    /// Takes the next piece, or its end, if it is there.
    fn take(&mut self, context: &mut Context<'_>) -> bool {
        let Rest::Open(body) = &mut self.rest else { return false };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else { return false };
        match frame {
            Some(Ok(frame)) => {
                self.bytes += PIECE_BYTES + frame.data_ref().map_or(0, Bytes::len);
                self.pieces.push_back(frame);
            }
            Some(Err(error)) => self.rest = Rest::Ended(Some(error)),
            None => self.rest = Rest::Ended(None),
        }
        true
    }

    /// What it has ended with, if that is known by now.
    pub(super) fn failure(&self) -> Option<&Error> {
        if let Rest::Ended(Some(error)) = &self.rest { Some(error) } else { None }
    }

    /// Whether nothing that a client would read has come so far.
    pub(super) fn is_blank(&self) -> bool {
        !self.pieces.iter().filter_map(Frame::data_ref).any(|data| !data.is_empty())
    }

    /// Whether its guest has finished it, where the end of a finished one is marked or its guest is alive.
    pub(super) fn is_finished(&self, marks_end: bool) -> bool {
        self.is_end_stream()
            || self.pieces.iter().any(Frame::is_trailers)
            || !marks_end && matches!(self.rest, Rest::Ended(None))
    }

    /// Whether all of it is there. The guest has ended, and writes no more: what is on its way of its own is little, and taken
    /// also where enough was taken before.
    pub(super) fn is_complete(&mut self, context: &mut Context<'_>) -> bool {
        let look = |context: &mut Context<'_>| {
            self.gather(context);
            for _ in 0..ON_THE_WAY {
                self.take(context);
            }
            Poll::Ready(matches!(self.rest, Rest::Ended(_)))
        };
        at_once(look, context) == Poll::Ready(true)
    }

    /// The next piece, if it is there: for those who take what is not there for what will never be.
    pub(super) fn poll_at_once(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        at_once(|context| Pin::new(&mut *self).poll_frame(context), context)
    }
}

/// Polls aside from the budget of the task. Channels are never ready where that is used up, so that others get their turn.
fn at_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>, context: &mut Context<'_>) -> Poll<T> {
    pin!(unconstrained(poll_fn(|context| poll(context)))).poll(context)
}

/// The same in the hands of its client.
pub(super) struct Read(Arc<Mutex<Both>>);

/// What whoever looks after the guest knows of it.
pub(super) struct Watched(Weak<Mutex<Both>>);

struct Both {
    body: Gathered,
    /// Whom the next piece wakes.
    reader: Option<Waker>,
}

impl Gathered {
    /// Both ends of it.
    pub(super) fn shared(self) -> (Read, Watched) {
        let both = Arc::new(Mutex::new(Both { body: self, reader: None }));
        let watched = Watched(Arc::downgrade(&both));
        (Read(both), watched)
    }
}

impl Read {
    /// The next piece; `is_at_once` as for [`poll_at_once`](Gathered::poll_at_once).
    pub(super) fn poll_frame(
        &self,
        is_at_once: bool,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut both = lock(&self.0);
        let polled = match is_at_once {
            true => both.body.poll_at_once(context),
            false => Pin::new(&mut both.body).poll_frame(context),
        };
        if polled.is_pending() {
            match &mut both.reader {
                Some(reader) => reader.clone_from(context.waker()),
                reader => *reader = Some(context.waker().clone()),
            }
        }
        polled
    }
}

impl Watched {
    /// Whether the client has gone, or all of it is there: the guest has ended.
    pub(super) fn is_complete(&self) -> bool {
        let Some(both) = self.0.upgrade() else { return true };
        let Both { body, reader } = &mut *lock(&both);
        // A body knows one that waits for it.
        body.is_complete(&mut Context::from_waker(reader.as_ref().unwrap_or(Waker::noop())))
    }
}

fn lock(both: &Mutex<Both>) -> MutexGuard<'_, Both> {
    both.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match &mut self.rest {
            Rest::Open(body) => {
                let polled = Pin::new(body).poll_frame(context);
                if let Poll::Ready(None | Some(Err(_))) = polled {
                    // Not every body can be asked again.
                    self.rest = Rest::Ended(None);
                }
                polled
            }
            Rest::Ended(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    /// Never of one that has come to an end here: whoever asks has to look whether it ended well.
    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && matches!(&self.rest, Rest::Open(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Open(body) if self.pieces.is_empty() => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    /// A body that has this many pieces of 1 KiB at once, and then waits for ever.
    struct Pieces(usize);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            if self.0 == 0 {
                return Poll::Pending;
            }
            self.0 -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 1024])))))
        }
    }

    fn body(pieces: usize) -> WasiBody {
        Pieces(pieces).boxed_unsync()
    }

    fn gather(gathered: &mut Gathered) -> bool {
        gathered.gather(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_waits_is_looked_at_twice_and_no_more() {
        let mut gathered = Gathered::new(body(0));
        assert!(gather(&mut gathered));
        assert!(!gather(&mut gathered));
    }

    /// A body that comes through a channel, as those of guests do.
    struct Sent(mpsc::Receiver<Bytes>);

    impl Body for Sent {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    #[tokio::test]
    async fn what_is_there_is_seen_in_a_task_that_others_wait_for() {
        let (sender, receiver) = mpsc::channel(3);
        let mut sent = Gathered::new(Sent(receiver).boxed_unsync());
        for piece in ["a", "b", "c"] {
            sender.try_send(Bytes::from(piece)).unwrap();
        }
        drop(sender);
        let (busy, mut never) = mpsc::channel::<()>(1000);
        (0..1000).for_each(|_| busy.try_send(()).unwrap());
        poll_fn(|context| {
            while never.poll_recv(context).is_ready() {}
            assert!(Pin::new(&mut sent).poll_frame(context).is_pending(), "its turn is over");
            let first = sent.poll_at_once(context).map(|frame| frame.unwrap().unwrap().into_data().unwrap());
            assert_eq!(first, Poll::Ready(Bytes::from("a")));
            assert!(sent.is_complete(context));
            Poll::Ready(())
        })
        .await;
        assert_eq!(sent.pieces.len(), 2);
    }

    #[test]
    fn no_more_is_taken_than_may_be_kept() {
        let mut gathered = Gathered::new(body(100));
        assert!(gather(&mut gathered));
        assert_eq!(gathered.pieces.len(), MOST_BYTES.div_ceil(PIECE_BYTES + 1024));
        assert!(!gather(&mut gathered));
    }
}
