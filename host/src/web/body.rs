//! Bodies: the one of an answer, and reading that of a request whole, within its limits.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::respond::Problem;
use crate::error::{Error, ErrorKind};
use crate::service::GuestBody;

/// The body of an answer of the web front: of the host's own in one piece, or a guest's, which may break off.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Own(Option<Bytes>),
    Guest(GuestBody),
}

impl Default for Body {
    fn default() -> Self {
        Self(Kind::Own(None))
    }
}

impl Body {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Kind::Own((!bytes.is_empty()).then_some(bytes)))
    }

    pub(super) fn of_guest(body: GuestBody) -> Self {
        Self(Kind::Guest(body))
    }

    /// The bytes of a body of the host's own.
    pub(super) fn length(&self) -> Option<usize> {
        match &self.0 {
            Kind::Own(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Kind::Guest(_) => None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Kind::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Guest(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(bytes) => bytes.is_none(),
            Kind::Guest(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Kind::Guest(body) => body.size_hint(),
        }
    }
}

/// Limits of a request's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// `max-body` of the host.
    pub(super) max_bytes: usize,
    /// Time for the whole body.
    pub(super) timeout: Duration,
}

/// Reads a body whole.
///
/// # Errors
///
/// 413 as soon as it is known to be too large, which with a length is before the first byte; 408 when it takes too long; 400
/// when it breaks off.
pub(super) async fn read<B>(body: B, limits: BodyLimits) -> Result<Bytes, Problem>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = limits.max_bytes;
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > max) {
        return Err(too_large(max));
    }
    let mut body = pin!(body);
    let whole = async {
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.map_err(|error| broken(&*error.into()))?;
            let Ok(mut data) = frame.into_data() else { continue };
            let bytes = data.remaining();
            if first.len() + more.len() + bytes > max {
                return Err(too_large(max));
            }
            // Almost every body is one piece, which is taken as it is.
            if first.is_empty() {
                first = data.copy_to_bytes(bytes);
            } else {
                more.extend_from_slice(&data.copy_to_bytes(bytes));
            }
        }
        if more.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&more);
        Ok(whole.freeze())
    };
    match tokio::time::timeout(limits.timeout, whole).await {
        Ok(read) => read,
        Err(_) => Err(late(limits.timeout)),
    }
}

fn too_large(max: usize) -> Problem {
    let message = format!("the body is larger than {max} bytes; the setting is `max-body`");
    Error::new(ErrorKind::TooLarge, message).with_limit("max-body", max.to_string()).into()
}

fn late(timeout: Duration) -> Problem {
    let error = Error::bad_request(format!("the body was not there within {timeout:?}"))
        .with_limit("body-timeout", format!("{timeout:?}"));
    Problem::new(StatusCode::REQUEST_TIMEOUT, error).closing()
}

fn broken(error: &(dyn std::error::Error + Send + Sync)) -> Problem {
    Problem::from(Error::bad_request(format!("the body could not be read: {error}"))).closing()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A body of these pieces; without an end if it is to stand still.
    struct Pieces(VecDeque<&'static str>, bool);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
            match self.0.pop_front() {
                Some("!") => Poll::Ready(Some(Err(std::io::Error::other("reset")))),
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
                None if self.1 => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    async fn reading(pieces: &[&'static str], stands_still: bool) -> Result<Bytes, (u16, bool)> {
        let limits = BodyLimits { max_bytes: 6, timeout: Duration::from_secs(30) };
        let read = read(Pieces(pieces.iter().copied().collect(), stands_still), limits).await;
        read.map_err(|problem| (problem.status.as_u16(), problem.closes))
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_are_put_together_up_to_the_limit() {
        assert_eq!(reading(&[], false).await.unwrap(), "");
        assert_eq!(reading(&["abcdef"], false).await.unwrap(), "abcdef");
        assert_eq!(reading(&["ab", "", "cd", "ef"], false).await.unwrap(), "abcdef");
        assert_eq!(reading(&["abc", "def", "g"], true).await, Err((413, false)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_or_breaks_off_ends_the_connection() {
        assert_eq!(reading(&["ab"], true).await, Err((408, true)));
        assert_eq!(reading(&["ab", "!"], false).await, Err((400, true)));
    }
}
