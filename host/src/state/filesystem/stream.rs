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

#[cfg(test)]
mod tests {
    use super::super::properties::Sandbox;
    use super::*;

    #[tokio::test]
    async fn a_stream_that_finds_no_space_says_so_once_and_is_closed() {
        let mut sandbox = Sandbox::new();
        let file = sandbox.create("a");
        let mut stream = FileStream::new(sandbox.tree.clone(), file.clone(), At::Offset(0));
        let room = sandbox.room_bytes();
        stream.blocking_write_and_flush(vec![1; room].into()).await.unwrap();
        let error = stream.blocking_write_and_flush(Bytes::from_static(b"1")).await.unwrap_err();
        let StreamError::LastOperationFailed(error) = error else { panic!("{error}") };
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::StorageFull);
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        assert_eq!(file.metadata().unwrap().len(), room as u64);
    }

    #[tokio::test]
    async fn two_streams_at_the_end_of_one_file_share_what_room_there_is() {
        let mut sandbox = Sandbox::new();
        let file = sandbox.create("a");
        let mut streams = [(); 2].map(|()| FileStream::new(sandbox.tree.clone(), file.clone(), At::End));
        let room = sandbox.room_bytes();
        for stream in &mut streams {
            stream.write(vec![1; room / 2 + 1].into()).unwrap();
        }
        let [first, second] = &mut streams;
        tokio::join!(first.ready(), second.ready());
        assert_eq!(streams.iter_mut().filter_map(|stream| stream.check_write().ok()).count(), 1);
        assert_eq!(file.metadata().unwrap().len(), room as u64);
    }
}
