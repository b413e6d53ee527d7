//! Writing a body piece by piece, as fast as somebody reads it.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;

use super::body::{Body, Boxed};
use super::error::BodyError;

/// Where the bytes of a body go.
pub(super) trait Sink {
    /// Writes bytes, all of them, and waits until there is room for more.
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), BodyError>>;
}

/// What a streaming body is written with.
pub struct Writer {
    sink: Box<dyn Sink>,
    trailers: HeaderMap,
}

impl Writer {
    pub(super) fn new(sink: impl Sink + 'static) -> Self {
        Self { sink: Box::new(sink), trailers: HeaderMap::new() }
    }

    /// Writes bytes or text, and waits while the client has enough to read.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// A write that is dropped while it waits may have written a part.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), BodyError> {
        let bytes = bytes.into();
        // A piece without bytes is nothing: in HTTP it would be the end.
        if bytes.is_empty() { Ok(()) } else { self.sink.write(bytes).await }
    }

    /// Sets what follows the last byte. The response announces it in its header `trailer`.
    pub fn set_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = trailers;
    }

    /// The end: what follows the last byte, and nowhere to write any more.
    pub(super) fn into_trailers(self) -> HeaderMap {
        self.trailers
    }
}

/// Passes on a body as it comes, and returns what follows it.
pub(super) async fn forward(mut body: Body, mut writer: Writer) -> Result<HeaderMap, String> {
    let told = |error: BodyError| error.to_string();
    while let Some(chunk) = body.chunk().await.map_err(told)? {
        writer.write(chunk).await.map_err(told)?;
    }
    body.trailers().await.map(Option::unwrap_or_default).map_err(told)
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("trailers", &self.trailers.len()).finish_non_exhaustive()
    }
}
