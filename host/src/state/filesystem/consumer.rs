//! The far end of a stream into a bounded file, for `wasi:filesystem` 0.3. One write at a time is under way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};
use wasmtime_wasi::p3::bindings::filesystem::types::ErrorCode;

use super::change::At;
use super::tree::Tree;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 << 10;

pub(super) struct FileConsumer {
    tree: Arc<Tree>,
    file: Arc<std::fs::File>,
    at: At,
    /// Told how it ended, once.
    ended: Option<oneshot::Sender<Result<(), ErrorCode>>>,
    write: Option<JoinHandle<io::Result<usize>>>,
}

impl FileConsumer {
    pub(super) fn new(
        tree: Arc<Tree>,
        file: Arc<std::fs::File>,
        at: At,
        ended: oneshot::Sender<Result<(), ErrorCode>>,
    ) -> Self {
        Self { tree, file, at, ended: Some(ended), write: None }
    }

    fn end(&mut self, result: Result<(), ErrorCode>) {
        // Nobody may care.
        let _ = self.ended.take().map(|ended| ended.send(result));
    }
}

impl<D> StreamConsumer<D> for FileConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let me = &mut *self;
        let write = me.write.get_or_insert_with(|| {
            let bytes = source.remaining();
            let bytes = bytes[..bytes.len().min(BUFFER_BYTES)].to_vec();
            let (file, at) = (me.file.clone(), me.at);
            me.tree.begin(move |change| change.write(&file, at, &bytes))
        });
        // Also when the guest wants its bytes back: what has begun is written.
        let written = ready!(Pin::new(write).poll(context));
        me.write = None;
        Poll::Ready(match written {
            Ok(Ok(bytes)) => {
                source.mark_read(bytes);
                me.at = me.at.after(bytes);
                Ok(StreamResult::Completed)
            }
            Ok(Err(error)) => {
                me.end(Err(error.into()));
                Ok(StreamResult::Dropped)
            }
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for FileConsumer {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}
