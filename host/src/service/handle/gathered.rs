//! The body of an answer, as far as it was taken before anybody waited for it.
//!
//! A guest writes into a small buffer and waits until it is read. What it has written is taken here at once, so that one
//! with a short answer comes to its end without a task of its own, and its answer is one piece.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

/// Bytes that are taken before their client asks for them, per request. A guest that has written as much goes on only as its
/// client reads.
const MOST_BYTES: usize = 64 << 10;

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
        while self.bytes < MOST_BYTES
            && let Rest::Open(body) = &mut self.rest
            && let Poll::Ready(frame) = Pin::new(body).poll_frame(context)
        {
            is_news = true;
            match frame {
                Some(Ok(frame)) => {
                    self.bytes += PIECE_BYTES + frame.data_ref().map_or(0, Bytes::len);
                    self.pieces.push_back(frame);
                }
                Some(Err(error)) => self.rest = Rest::Ended(Some(error)),
                None => self.rest = Rest::Ended(None),
            }
        }
        is_news
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

    /// Whether all of it is there. The guest has ended, and writes no more.
    pub(super) fn is_complete(&mut self) -> bool {
        self.gather(&mut Context::from_waker(Waker::noop()));
        matches!(self.rest, Rest::Ended(_))
    }
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match &mut self.rest {
            Rest::Open(body) => Pin::new(body).poll_frame(context),
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

    #[test]
    fn no_more_is_taken_than_may_be_kept() {
        let mut gathered = Gathered::new(body(100));
        assert!(gather(&mut gathered));
        assert_eq!(gathered.pieces.len(), MOST_BYTES.div_ceil(PIECE_BYTES + 1024));
        assert!(!gather(&mut gathered));
    }
}
