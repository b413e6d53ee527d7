//! The time for the head of a request, as hyper's timer: hyper has one deadline for waiting and reading, and we have two.
//!
//! ```text
//!  accepted ─ header-timeout ─▶ ·        answered ─ idle-timeout ─▶ ·        first byte ─ header-timeout ─▶ ·
//! ```
//! A busy connection sets a deadline for each request and meets them all, so what sleeps is kept from one to the next and
//! only moved when it wakes too early: setting a deadline takes no look at the runtime's timers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use super::heads::Heads;

/// The timer of one connection.
pub(super) struct HeadTimer {
    heads: Arc<Heads>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl HeadTimer {
    pub(super) fn new(heads: Arc<Heads>, header_timeout: Duration, idle_timeout: Duration) -> Self {
        Self { heads, header_timeout, idle_timeout }
    }
}

impl fmt::Debug for HeadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadTimer")
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    /// Hyper sets the header timeout alone: `header_deadline` is that far away.
    fn sleep_until(&self, header_deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.heads.look_for_head();
        let read_bytes = self.heads.read_bytes();
        let is_first = read_bytes == 0;
        let deadline =
            if is_first { header_deadline } else { header_deadline - self.header_timeout + self.idle_timeout };
        let header_timeout = (!is_first).then_some(self.header_timeout);
        let sleep = self.heads.spare().take();
        Box::pin(Deadline { heads: self.heads.clone(), read_bytes, deadline, header_timeout, sleep })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// The deadline of one head.
struct Deadline {
    heads: Arc<Heads>,
    /// What was read before it.
    read_bytes: u64,
    deadline: Instant,
    /// The time from the first byte on; none once that has come.
    header_timeout: Option<Duration>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timeout) = self.header_timeout
            && self.heads.read_bytes() != self.read_bytes
        {
            self.header_timeout = None;
            self.deadline = (tokio::time::Instant::now() + timeout).into_std();
        }
        let deadline = tokio::time::Instant::from_std(self.deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        *self.heads.spare() = self.sleep.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timer() -> (Arc<Heads>, HeadTimer) {
        let heads = Arc::<Heads>::default();
        (heads.clone(), HeadTimer::new(heads, 10 * SECOND, 75 * SECOND))
    }

    /// Sets a deadline as hyper does and waits for it; `events` are bytes that come at some second.
    async fn waits(heads: &Heads, timer: &HeadTimer, events: &[u64]) -> u64 {
        let start = tokio::time::Instant::now();
        let mut sleep = timer.sleep_until(timer.now() + 10 * SECOND);
        for at in events {
            let until = start + Duration::from_secs(*at);
            tokio::select! {
                biased;
                () = &mut sleep => return start.elapsed().as_secs(),
                () = tokio::time::sleep_until(until) => heads.read(Some(1)),
            }
        }
        sleep.await;
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_the_header_timeout_whatever_it_sends() {
        let (heads, timer) = timer();
        assert_eq!(waits(&heads, &timer, &[]).await, 10);
        assert_eq!(waits(&heads, &timer, &[1, 2, 3, 9]).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_has_it_from_its_first_byte_on() {
        let (heads, timer) = timer();
        heads.read(Some(100));
        assert_eq!(waits(&heads, &timer, &[]).await, 75);
        assert_eq!(waits(&heads, &timer, &[20, 25, 29]).await, 30);
        assert_eq!(waits(&heads, &timer, &[]).await, 75, "what slept before sleeps again, for longer");
    }
}
