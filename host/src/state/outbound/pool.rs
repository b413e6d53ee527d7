//! Connections of one class that wait for its next request to the same place. No other class ever has them.
//!
//! ```text
//! connect ─▶ Link ── request, whole answer ──▶ put ─▶ idle ── take ─▶ Link ─▶ …
//!             └── broken off, or in doubt ─▶ closed      └── too long, too many ─▶ closed
//! ```
//! A connection stays with the address that was checked when it was made. It knows no guests and no policy.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use wasmtime_wasi_http::WasiBody;

use super::target::Target;

/// How long a connection waits for its next request: less than most servers wait, who close it otherwise.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// How long a connection is used, so that a name that has moved to another address is followed there.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Connections that wait, of one class and of one place; those that have waited longest are closed first.
const MAX_WAITING: usize = 64;
const MAX_WAITING_AT_ONE: usize = 16;

/// How long a connection may take to become ready: its task has only to see that the answer has ended.
const SETTLE: Duration = Duration::from_millis(100);

/// A connection to a place, for one request at a time. Closed when dropped.
pub(super) struct Link {
    pub(super) sender: SendRequest<WasiBody>,
    /// Where it leads: what was checked.
    pub(super) address: IpAddr,
    /// Whether an answer has come over it before.
    pub(super) is_used: bool,
    made: Instant,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections of one class.
#[derive(Default)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// What reads and writes connections, idle ones too, and closes those that waited too long. Ends with the class.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Waiting {
    /// Those that have waited longest first.
    links: Vec<Idle>,
    sweeper: Option<AbortHandle>,
}

struct Idle {
    target: Target,
    link: Link,
    since: Instant,
}

impl Pool {
    /// Begins to speak HTTP over a connection.
    ///
    /// # Errors
    ///
    /// When the connection is closed at once.
    pub(super) async fn link(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: IpAddr,
    ) -> hyper::Result<Link> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = self.0.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "a connection ended");
            }
        });
        Ok(Link { sender, address, is_used: false, made: Instant::now(), task })
    }

    /// A connection to this place that waits, with an address that is admitted.
    pub(super) async fn take(&self, target: &Target, admits: impl Fn(IpAddr) -> bool) -> Option<Link> {
        loop {
            let mut link = self.0.waiting().take(target)?;
            if admits(link.address) && matches!(timeout(SETTLE, link.sender.ready()).await, Ok(Ok(()))) {
                return Some(link);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, target: Target, mut link: Link) {
        if link.sender.is_closed() || link.made.elapsed() > MAX_AGE || Handle::try_current().is_err() {
            return;
        }
        link.is_used = true;
        let mut waiting = self.0.waiting();
        waiting.put(Idle { target, link, since: Instant::now() });
        if waiting.sweeper.as_ref().is_none_or(AbortHandle::is_finished) {
            waiting.sweeper = Some(self.0.spawn(sweep(Arc::downgrade(&self.0))));
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }
}

impl Waiting {
    /// The one that has waited least, which is the least likely to be closed at the other end.
    fn take(&mut self, target: &Target) -> Option<Link> {
        let now = Instant::now();
        self.links.retain(|idle| !idle.is_over(now));
        let newest = self.links.iter().rposition(|idle| idle.target == *target)?;
        Some(self.links.remove(newest).link)
    }

    fn put(&mut self, idle: Idle) {
        let mut same = self.links.iter().enumerate().filter(|(_, other)| other.target == idle.target);
        let oldest = same.next().map(|(place, _)| place);
        if oldest.is_some() && same.count() + 1 >= MAX_WAITING_AT_ONE {
            self.links.remove(oldest.unwrap_or_default());
        } else if self.links.len() >= MAX_WAITING {
            self.links.remove(0);
        }
        self.links.push(idle);
    }

    /// Closes what has waited too long. When there is more to close; `None` where nothing waits.
    fn sweep(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.links.retain(|idle| !idle.is_over(now));
        let next = self.links.first().map(|idle| idle.since + MAX_IDLE);
        if next.is_none() {
            self.sweeper = None;
        }
        next
    }
}

impl Idle {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.since + MAX_IDLE || now > self.link.made + MAX_AGE || self.link.sender.is_closed()
    }
}

/// Ends with the pool, and when nothing waits.
async fn sweep(shared: Weak<Shared>) {
    while let Some(next) = shared.upgrade().and_then(|shared| shared.waiting().sweep()) {
        tokio::time::sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, DuplexStream};

    use super::*;
    use crate::manifest::{HostName, Scheme};

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));

    fn target(port: u16) -> Target {
        Target { scheme: Scheme::Http, host: HostName::Name("a.example".into()), port }
    }

    /// A connection that waits, and its other end.
    async fn put(pool: &Pool, port: u16) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1024);
        let mut link = pool.link(near, ADDRESS).await.unwrap();
        link.sender.ready().await.unwrap();
        pool.put(target(port), link);
        far
    }

    async fn is_closed(far: &mut DuplexStream) -> bool {
        far.read(&mut [0]).await.unwrap() == 0
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_taken_once_and_by_its_place_alone() {
        let pool = Pool::default();
        let _far = put(&pool, 1).await;
        assert!(pool.take(&target(2), |_| true).await.is_none());
        let other = Target { scheme: Scheme::Https, ..target(1) };
        assert!(pool.take(&other, |_| true).await.is_none());
        assert!(pool.take(&target(1), |_| true).await.is_some_and(|link| link.is_used && link.address == ADDRESS));
        assert!(pool.take(&target(1), |_| true).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_to_an_address_that_is_not_admitted_is_closed() {
        let pool = Pool::default();
        let mut far = put(&pool, 1).await;
        assert!(pool.take(&target(1), |address| address != ADDRESS).await.is_none());
        assert!(is_closed(&mut far).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_waits_too_long_is_closed_though_nobody_asks_for_it() {
        let pool = Pool::default();
        let (mut first, began) = (put(&pool, 1).await, Instant::now());
        assert!(is_closed(&mut first).await && began.elapsed() >= MAX_IDLE);
        // The sweeper has ended, and another one begins.
        let (mut second, began) = (put(&pool, 1).await, Instant::now());
        assert!(is_closed(&mut second).await && began.elapsed() >= MAX_IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_used_for_ever() {
        let pool = Pool::default();
        let mut far = put(&pool, 1).await;
        let link = pool.take(&target(1), |_| true).await.unwrap();
        tokio::time::advance(MAX_AGE + Duration::from_secs(1)).await;
        pool.put(target(1), link);
        assert!(is_closed(&mut far).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_closed_at_the_other_end_is_not_given_out() {
        let pool = Pool::default();
        drop(put(&pool, 1).await);
        let _far = put(&pool, 1).await;
        assert!(pool.take(&target(1), |_| true).await.is_some());
        assert!(pool.take(&target(1), |_| true).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_those_that_waited_longest_go_first() {
        let pool = Pool::default();
        let mut ends = Vec::new();
        for _ in 0..=MAX_WAITING_AT_ONE {
            ends.push(put(&pool, 1).await);
        }
        assert_eq!(pool.0.waiting().links.len(), MAX_WAITING_AT_ONE);
        assert!(is_closed(&mut ends[0]).await);
        for port in 2..100 {
            ends.push(put(&pool, port).await);
        }
        assert_eq!(pool.0.waiting().links.len(), MAX_WAITING);
    }

    #[tokio::test(start_paused = true)]
    async fn all_go_with_the_class() {
        let pool = Pool::default();
        let mut far = put(&pool, 1).await;
        drop(pool);
        assert!(is_closed(&mut far).await);
    }
}
