//! A guest's standard input: closed, and known to be it.

use tokio::io::AsyncRead;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::handles::{Standard, Streams};

/// Standard input that has ended.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    /// Where a guest that takes it is noted, if somebody wants to know.
    pub(super) taken: Option<Streams>,
}

impl Drop for Closed {
    fn drop(&mut self) {
        if let Some(taken) = &self.taken {
            taken.dropped(self);
        }
    }
}

impl IsTerminal for Closed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Closed {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        let closed = Box::new(self.clone());
        if let Some(taken) = &self.taken {
            taken.taken(&*closed, Standard::Input);
        }
        closed
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Closed {
    async fn ready(&mut self) {}
}

impl InputStream for Closed {
    fn read(&mut self, _: usize) -> StreamResult<bytes::Bytes> {
        Err(StreamError::Closed)
    }
}
