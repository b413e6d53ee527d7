//! A body: bytes that are there, that come in, or that are still to be written.
//!
//! It must not know which `wasi:http` carries it: that is behind [`Source`] and [`Sink`](super::writer::Sink).

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;

use super::error::BodyError;
use super::writer::Writer;
use crate::error::Result;
use crate::json;
use crate::value::Value;

/// A future in a box, which may lend what it has been made of.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Waits for a future with all of the instance.
pub(super) type Block = fn(Pin<&mut dyn Future<Output = ()>>);

/// What writes a body, once somebody reads it.
pub(super) type Write = Box<dyn FnOnce(Writer) -> Boxed<'static, (Writer, Result<()>)>>;

/// Where the bytes of a body come from.
pub(super) trait Source {
    /// The next bytes, never none of them; `None` at the end.
    fn chunk(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>>;

    /// What follows the last byte.
    fn trailers(&mut self) -> Boxed<'_, Result<Option<HeaderMap>, BodyError>>;

    /// How to wait without `async`, where that is possible.
    fn block(&self) -> Option<Block>;
}

/// The body of a request or a response.
///
/// Text, bytes, and with [`json`](Body::json) every [`Value`] is one as a whole; [`stream`](Body::stream) is one that
/// is written piece by piece. The body of a request is read by [`chunk`](Body::chunk) or [`bytes`](Body::bytes).
#[derive(Default)]
pub struct Body(pub(super) Inner);

/// The kinds of bodies.
#[derive(Default)]
pub(super) enum Inner {
    #[default]
    Empty,
    Whole(Bytes),
    Json(Bytes),
    Incoming(Box<dyn Source>),
    Written(Write),
}

impl Body {
    /// Makes a body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Makes a body of a value, as JSON. A response with it has that `content-type`, unless it has one of its own.
    #[must_use]
    pub fn json<T: Value>(value: &T) -> Self {
        Self(Inner::Json(json::Writer::text(value).into()))
    }

    /// Makes a body that is written piece by piece, once its head is on the way to the client.
    ///
    /// The body ends well when `write` returns `Ok`. If it fails, the client sees a stream that was cut, and the log
    /// is told why.
    ///
    /// In a handler without `async` it may wait for the body of its request and for its own writes, but makes calls by
    /// [`wait`](crate::Call::wait).
    #[must_use]
    pub fn stream<F>(write: F) -> Self
    where
        F: AsyncFnOnce(&mut Writer) -> Result<()> + 'static,
    {
        Self(Inner::Written(Box::new(move |mut writer| {
            Box::pin(async move {
                let result = write(&mut writer).await;
                (writer, result)
            })
        })))
    }

    /// A body that comes in.
    pub(super) fn incoming(source: impl Source + 'static) -> Self {
        Self(Inner::Incoming(Box::new(source)))
    }

    /// The number of its bytes, as far as that is known before they are read or written.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match &self.0 {
            Inner::Empty => Some(0),
            Inner::Whole(bytes) | Inner::Json(bytes) => Some(bytes.len() as u64),
            Inner::Incoming(_) | Inner::Written(_) => None,
        }
    }

    /// Whether it is known to have no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body(empty)"),
            Inner::Whole(bytes) | Inner::Json(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Incoming(_) => f.write_str("Body(incoming)"),
            Inner::Written(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Whole(bytes)) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from(Bytes::from_static(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_knows_its_length_if_it_is_whole() {
        assert_eq!(Body::from("four").len(), Some(4));
        assert_eq!(Body::from(Vec::new()).len(), Some(0));
        assert!(Body::empty().is_empty());
        assert_eq!(Body::stream(async |_| Ok(())).len(), None);
    }

    #[test]
    fn a_value_is_a_body_of_json() {
        let body = Body::json(&vec![Some(1_u8), None]);
        assert_eq!(body.len(), Some("[1,null]".len() as u64));
    }
}
