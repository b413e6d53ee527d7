//! The output stream of a bounded file, for `wasi:filesystem` 0.2. One write at a time is under way.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::change::At;
use super::tree::Tree;

/// Bytes a guest may hand over at once.
const WRITE_PERMIT_BYTES: usize = 64 << 10;

pub(super) struct FileStream {
    tree: Arc<Tree>,
    file: Arc<std::fs::File>,
    at: At,
    state: Writing,
}

enum Writing {
    Ready,
    Busy(JoinHandle<(usize, io::Result<()>)>),
    Failed(io::Error),
    Closed,
}

impl FileStream {
    pub(super) fn new(tree: Arc<Tree>, file: Arc<std::fs::File>, at: At) -> Self {
        Self { tree, file, at, state: Writing::Ready }
    }

    /// Tells of a failure, once.
    fn check(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
            Writing::Closed => Err(StreamError::Closed),
            state => {
                self.state = state;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl OutputStream for FileStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        if matches!(self.state, Writing::Busy(_)) {
            return Err(StreamError::trap("a write is under way: `check-write` did not allow another one"));
        }
        let (file, at) = (self.file.clone(), self.at);
        self.state = Writing::Busy(self.tree.begin(move |change| change.write_all(&file, at, &bytes)));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Nothing is held back but what is under way, which `check_write` waits for.
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        Ok(if matches!(self.state, Writing::Ready) { WRITE_PERMIT_BYTES } else { 0 })
    }

    /// A guest that drops its stream waits for the write under way, so that there is never more than one for each.
    async fn cancel(&mut self) {
        self.ready().await;
        self.state = Writing::Closed;
    }
}

#[async_trait]
impl Pollable for FileStream {
    async fn ready(&mut self) {
        let Writing::Busy(write) = &mut self.state else { return };
        self.state = match write.await {
            Ok((written, result)) => {
                self.at = self.at.after(written);
                result.map_or_else(Writing::Failed, |()| Writing::Ready)
            }
            Err(error) => Writing::Failed(io::Error::other(error)),
        };
    }
}
