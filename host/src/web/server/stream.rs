//! A TCP stream as hyper uses it, that counts what it reads, and gives up on a peer that does not, or that has gone unread.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::heads::Heads;
use super::watch::{Watch, Watched};

/// What a stream is made of.
pub(super) trait Socket: Watched {
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
    /// What was read last.
    last: [u8; 4],
    watch: Watch,
}

impl<S: Socket> Stream<S> {
    pub(super) fn new(inner: S, heads: Arc<Heads>, write_timeout: Duration) -> Self {
        Self { inner, heads, write_timeout, stalled: None, last: [0; 4], watch: Watch::default() }
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

    /// Fails if the peer has gone while nobody reads from it.
    fn look_after_peer(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.heads.is_unread() {
            self.watch.rest();
            return Ok(());
        }
        match self.watch.is_gone(cx, &self.inner, (&self.heads, self.last)) {
            true => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client went before its request was read"))
            }
            false => Ok(()),
        }
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
        self.heads.wants();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let came = &buf.filled()[before..];
        self.heads.came(came);
        self.heads.read(read.is_ready().then_some(came.len()));
        push(&mut self.last, came);
        read
    }
}

impl<S: Socket + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Hyper comes here whenever it has looked at what there is to do, also if there is nothing to write.
        self.look_after_peer(cx)?;
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

/// Keeps the last bytes of a stream.
fn push(last: &mut [u8; 4], came: &[u8]) {
    if let Some(came) = came.last_chunk() {
        *last = *came;
    } else {
        last.rotate_left(came.len());
        last[4 - came.len()..].copy_from_slice(came);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::watch::Peer;
    use super::*;

    impl Socket for tokio::io::DuplexStream {
        fn reset_at_end(&self) {}
    }

    impl Watched for tokio::io::DuplexStream {
        fn peer(&self) -> Option<Peer> {
            None
        }
    }

    #[test]
    fn the_last_bytes_are_kept_whatever_pieces_they_come_in() {
        let mut last = [0; 4];
        for (came, kept) in [("ab", "\0\0ab"), ("c", "\0abc"), ("", "\0abc"), ("de", "bcde"), ("123456", "3456")] {
            push(&mut last, came.as_bytes());
            assert_eq!(last, kept.as_bytes());
        }
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
