//! A TCP stream as hyper uses it, that counts what it reads and gives up on a peer that does not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::timer::Heads;

/// What a stream is made of.
pub(super) trait Socket {
    /// Lets the end of the stream be a reset, which no peer takes for the end of what was sent.
    fn reset_at_end(&self);
}

impl Socket for TcpStream {
    fn reset_at_end(&self) {
        // One that is closed already cannot be told, and needs not.
        let _ = self.set_zero_linger();
    }
}

/// The stream of one connection.
#[derive(Debug)]
pub(super) struct Stream<S: Socket = TcpStream> {
    inner: S,
    heads: Arc<Heads>,
    write_timeout: Duration,
    /// Set while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: Socket> Stream<S> {
    pub(super) fn new(inner: S, heads: Arc<Heads>, write_timeout: Duration) -> Self {
        Self { inner, heads, write_timeout, stalled: None }
    }

    /// Passes on what a write came to; one that has waited too long for its peer fails.
    fn written<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, format!("the client read nothing for {timeout:?}"))))
    }
}

impl<S: Socket> Drop for Stream<S> {
    fn drop(&mut self) {
        if self.heads.is_broken_off() {
            self.inner.reset_at_end();
        }
    }
}

impl<S: Socket + AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.heads.read(buf.filled().len() - before);
        read
    }
}

impl<S: Socket + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.written(cx, wrote)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    impl Socket for tokio::io::DuplexStream {
        fn reset_at_end(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_given_up_and_one_that_reads_slowly_is_not() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut stream = Stream::new(near, Arc::default(), Duration::from_secs(30));
        let slowly = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                far.read_u8().await.unwrap();
            }
        };
        let (wrote, ()) = tokio::join!(stream.write_all(b"abcd"), slowly);
        wrote.unwrap();
        let error = stream.write_all(b"e").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
