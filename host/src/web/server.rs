//! The server: a listener, its connections, and how they end.
//!
//! ```text
//!  open ── drain ──▶ draining ── all connections done, or the grace is over ──▶ cut
//! ```
//! While it drains, idle connections close and a request whose head was read gets its whole answer, the last of its
//! connection. It must not know what the answers are.

mod connection;
mod heads;
mod stage;
mod stream;
mod timer;
mod watch;

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::WebService;
use connection::Connections;
use stage::{Stage, Stages};

/// Limits of a server. Each has a default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Time for the head of a request, from its first byte; for the first of a connection from its beginning. Default 10 s.
    pub(crate) header_timeout: Duration,
    /// Time that a connection may be idle between two requests. Default 75 s, longer than proxies keep theirs.
    pub(crate) idle_timeout: Duration,
    /// Time that a client may take to read a bit more of its answer. Default 30 s.
    pub(crate) write_timeout: Duration,
    /// Bytes of a request's head. Default 64 KiB.
    pub(crate) max_header_bytes: usize,
    /// Header fields of a request. Default 100.
    pub(crate) max_headers: usize,
    /// Connections at a time; more wait in the listener's queue. Default 10,000.
    pub(crate) max_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            max_header_bytes: 64 << 10,
            max_headers: 100,
            max_connections: 10_000,
        }
    }
}

/// A server that runs until it is drained. One that is dropped goes on.
#[derive(Debug)]
pub(crate) struct Server {
    tasks: TaskTracker,
    stages: Arc<Stages>,
}

/// How long to leave the listener alone when the machine has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// How often the log says that connections cannot be accepted.
const COMPLAINTS_APART: Duration = Duration::from_secs(1);

impl Server {
    /// Starts to answer what `listener` accepts.
    pub(crate) fn start(listener: TcpListener, service: WebService, options: Options) -> Self {
        let server = Self { tasks: TaskTracker::new(), stages: Arc::default() };
        let connections = Connections::new(service, options, server.stages.clone());
        let accepting = Accepting {
            listener,
            permits: Arc::new(Semaphore::new(options.max_connections)),
            connections,
            tasks: server.tasks.clone(),
            stages: server.stages.clone(),
        };
        server.tasks.spawn(accepting.run().instrument(tracing::debug_span!("accept")));
        server
    }

    /// Accepts nothing more, lets requests end that have begun, and after `grace` cuts off what is left. Returns how many
    /// connections that were.
    ///
    /// # Cancel safety
    ///
    /// The drain goes on when the future is dropped, but nothing is cut off.
    pub(crate) async fn drain(&self, grace: Duration) -> usize {
        self.begin_drain();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        self.stages.advance(Stage::Cut);
        self.tasks.wait().await;
        left
    }

    /// Begins what [`drain`](Self::drain) waits for.
    pub(crate) fn begin_drain(&self) {
        self.stages.advance(Stage::Draining);
        self.tasks.close();
    }

    /// Connections that are open. While the server drains, these are the ones with a request.
    pub(crate) fn connections(&self) -> usize {
        self.tasks.len()
    }
}

/// The listener and all that a new connection needs.
struct Accepting {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections: Connections,
    tasks: TaskTracker,
    stages: Arc<Stages>,
}

impl Accepting {
    async fn run(self) {
        let mut complained = None;
        loop {
            // Before accepting: what there is no room for waits in the kernel's queue, or goes to another process.
            let accepted = async {
                let permit = self.permits.clone().acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                biased;
                () = self.stages.reached(Stage::Draining) => break,
                accepted = accepted => accepted,
            };
            match (permit, accepted) {
                (Ok(permit), Ok((stream, _))) => self.serve(stream, permit),
                (Err(_), _) => break,
                (_, Err(error)) => self.recover(&error, &mut complained).await,
            }
        }
        self.sweep().await;
    }

    /// Takes connections that were made before the drain began: their clients could not know.
    async fn sweep(&self) {
        // Lets the runtime look for them.
        tokio::task::yield_now().await;
        while let Ok(permit) = self.permits.clone().try_acquire_owned() {
            let accepted = std::future::poll_fn(|cx| match self.listener.poll_accept(cx) {
                Poll::Ready(Ok((stream, _))) => Poll::Ready(Some(stream)),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
            });
            let Some(stream) = accepted.await else { break };
            self.serve(stream, permit);
        }
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Answers are written whole, so there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let connection = self.connections.serve(stream);
        let holding = async move {
            connection.await;
            drop(permit);
        };
        self.tasks.spawn(holding.instrument(tracing::debug_span!("connection")));
    }

    async fn recover(&self, error: &io::Error, complained: &mut Option<Instant>) {
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINTS_APART) {
            *complained = Some(Instant::now());
            tracing::warn!(%error, "a connection could not be accepted");
        }
        if is_no_room(error) {
            tokio::select! {
                () = self.stages.reached(Stage::Draining) => {}
                () = tokio::time::sleep(NO_ROOM) => {}
            }
        }
    }
}

/// Whether accepting fails for want of something that others have to give back; otherwise that one connection was broken.
#[cfg(unix)]
fn is_no_room(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    error.raw_os_error().is_some_and(|code| codes.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(not(unix))]
fn is_no_room(_: &io::Error) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_a_lack_of_room_makes_the_listener_wait() {
        for (errno, expected) in [(Errno::MFILE, true), (Errno::NOBUFS, true), (Errno::CONNABORTED, false)] {
            assert_eq!(is_no_room(&io::Error::from_raw_os_error(errno.raw_os_error())), expected, "{errno}");
        }
    }
}
