//! Reading a body: piece by piece, whole up to a limit, and what follows it; awaited, or waited for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;

use super::body::{Block, Body, Boxed, Inner};
use super::error::BodyError;

/// A read of a body, which begins when it is awaited, or waited for.
#[must_use = "a read begins when it is awaited, or by `wait`"]
pub struct Reading<'a, T> {
    future: Boxed<'a, Result<T, BodyError>>,
    /// `None` where there is nothing to wait for.
    block: Option<Block>,
}

impl<T> Reading<'_, T> {
    /// Waits for it, in a handler without `async`.
    ///
    /// # Errors
    ///
    /// As the read; and in a handler that is an `async fn`, where it would hold up all that the instance does.
    pub fn wait(mut self) -> Result<T, BodyError> {
        if let Some(block) = self.block {
            let mut result = None;
            block(std::pin::pin!(async { result = Some(self.future.await) }));
            return result.unwrap_or_else(|| Err(BodyError::other("the wait for a body was given up")));
        }
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(BodyError::other("an `async` handler does not `wait` for its body; write `.await`")),
        }
    }
}

impl<T> Future for Reading<'_, T> {
    type Output = Result<T, BodyError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Reading<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Body {
    /// Reads the next bytes; `None` at the end. Who does not read holds the sender back.
    ///
    /// # Errors
    ///
    /// If the sender broke off.
    ///
    /// # Cancel safety
    ///
    /// A read that is dropped while it waits may lose what has just arrived.
    pub fn chunk(&mut self) -> Reading<'_, Option<Bytes>> {
        let block = self.block();
        Reading { future: Box::pin(self.next()), block }
    }

    /// Reads all that is left, up to `max_bytes`. More memory than that is never taken.
    ///
    /// # Errors
    ///
    /// If there is more: [`BodyError::is_too_large`]. Or if the sender broke off.
    pub fn bytes(&mut self, max_bytes: usize) -> Reading<'_, Bytes> {
        let block = self.block();
        let future = async move {
            let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
            if first.len() > max_bytes {
                return Err(BodyError::too_large(max_bytes));
            }
            let Some(second) = self.next().await? else { return Ok(first) };
            let mut all = Vec::from(first);
            let mut next = Some(second);
            while let Some(chunk) = next {
                if chunk.len() > max_bytes - all.len() {
                    return Err(BodyError::too_large(max_bytes));
                }
                all.extend_from_slice(&chunk);
                next = self.next().await?;
            }
            Ok(all.into())
        };
        Reading { future: Box::pin(future), block }
    }

    /// Reads what follows the last byte, and passes over bytes that nobody has read.
    ///
    /// # Errors
    ///
    /// If the sender broke off.
    pub fn trailers(&mut self) -> Reading<'_, Option<HeaderMap>> {
        let block = self.block();
        let future = async move {
            while self.next().await?.is_some() {}
            match &mut self.0 {
                Inner::Incoming(source) => source.trailers().await,
                _ => Ok(None),
            }
        };
        Reading { future: Box::pin(future), block }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match &mut self.0 {
            Inner::Empty => Ok(None),
            Inner::Incoming(source) => source.chunk().await,
            Inner::Whole(bytes) | Inner::Json(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Ok(Some(bytes))
            }
            Inner::Written(_) => Err(BodyError::other("a body that is still to be written cannot be read")),
        }
    }

    fn block(&self) -> Option<Block> {
        match &self.0 {
            Inner::Incoming(source) => source.block(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::body::Source;
    use super::*;

    /// What comes in, without anybody who sends it.
    struct Pieces(VecDeque<Result<Bytes, BodyError>>);

    impl Source for Pieces {
        fn chunk(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>> {
            let next = self.0.pop_front().transpose();
            Box::pin(async move { next })
        }

        fn trailers(&mut self) -> Boxed<'_, Result<Option<HeaderMap>, BodyError>> {
            assert!(self.0.is_empty(), "the last byte comes first");
            Box::pin(async { Ok(Some(HeaderMap::new())) })
        }

        fn block(&self) -> Option<Block> {
            None
        }
    }

    fn body(pieces: &[&'static str]) -> Body {
        Body::incoming(Pieces(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect()))
    }

    #[test]
    fn a_body_is_read_piece_by_piece_or_whole() {
        let mut pieces = body(&["on", "e"]);
        assert_eq!(pieces.chunk().wait().unwrap().unwrap(), "on");
        assert_eq!(pieces.bytes(1).wait().unwrap(), "e");
        assert_eq!(pieces.chunk().wait().unwrap(), None);
        assert_eq!(body(&["on", "e", " two"]).bytes(7).wait().unwrap(), "one two");
        assert_eq!(Body::from("whole").bytes(5).wait().unwrap(), "whole");
        assert_eq!(Body::empty().bytes(0).wait().unwrap(), "");
    }

    #[test]
    fn a_body_over_the_limit_is_refused_wherever_it_gets_there() {
        for mut body in [body(&["three"]), body(&["on", "e"]), body(&["o", "n", "e"]), Body::from("one")] {
            assert!(body.bytes(2).wait().unwrap_err().is_too_large());
        }
    }

    #[test]
    fn trailers_come_after_bytes_that_nobody_read() {
        assert_eq!(body(&["one", "two"]).trailers().wait().unwrap(), Some(HeaderMap::new()));
        assert_eq!(Body::from("one").trailers().wait().unwrap(), None);
    }

    #[test]
    fn a_sender_that_broke_off_is_an_error_and_no_end() {
        let mut body = Body::incoming(Pieces([Ok(Bytes::from_static(b"on")), Err(BodyError::gone())].into()));
        assert!(body.bytes(9).wait().unwrap_err().is_gone());
    }
}
