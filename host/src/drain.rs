//! Shutdown: no new work, a grace for what runs, then a stop for the rest.
//!
//! ```text
//!  open ── begin ──▶ draining ── all work done, or the grace is over ──▶ stopped
//! ```
//! Work is anything that holds a [`Working`]; it is counted, not listed. This module must not know what the work is.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::error::{Error, ErrorKind, Result};

/// The shutdown of one host.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    draining: AtomicBool,
    work: TaskTracker,
    stop: CancellationToken,
    drivers: TaskTracker,
}

/// Held while a piece of work is under way.
#[derive(Debug)]
pub(crate) struct Working {
    _token: TaskTrackerToken,
}

/// Work that runs as a task of its own; it is cancelled when this is dropped.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.0).poll(cx).map(|ended| {
            ended.map_err(|error| match error.is_cancelled() {
                true => Error::new(ErrorKind::Draining, "the host has shut down"),
                false => Error::internal(format!("a task failed: {error}")),
            })
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drain {
    /// Registers a piece of work.
    ///
    /// # Errors
    ///
    /// `draining` once the shutdown has begun.
    pub(crate) fn work(&self) -> Result<Working> {
        // Registered first and checked after, so that no work slips in between the check and a wait for it.
        let working = Working { _token: self.work.token() };
        if self.draining.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Draining, "the host is shutting down"));
        }
        Ok(working)
    }

    /// Runs a piece of work as a task on `runtime`.
    ///
    /// # Errors
    ///
    /// As [`work`](Self::work).
    pub(crate) fn spawn_on<F>(&self, runtime: &Handle, work: F) -> Result<Task<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let working = self.work()?;
        let task = async move {
            let done = work.await;
            drop(working);
            done
        };
        Ok(Task(self.work.spawn_on(task, runtime)))
    }

    /// Runs a piece of work as a task on `runtime` for work that is under way, also once a shutdown has begun.
    pub(crate) fn spawn_nested_on<F>(&self, runtime: &Handle, work: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Task(self.work.spawn_on(work, runtime))
    }

    /// Registers work that a shutdown has to wait for even after it began: the exit of an instance.
    pub(crate) fn last_work(&self) -> Working {
        Working { _token: self.work.token() }
    }

    /// Whether the shutdown has begun.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Cancelled when work is no longer waited for.
    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The tasks that shared instances run in, each of which ends with its instance, and what looks after the store.
    pub(crate) fn drivers(&self) -> &TaskTracker {
        &self.drivers
    }

    /// Refuses new work, waits up to `grace` for what runs and tells the rest to stop.
    pub(crate) async fn run(&self, grace: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        self.work.close();
        let is_cut = tokio::time::timeout(grace, self.work.wait()).await.is_err();
        // Also when all callers have their answers: what guests still do, they do for nobody.
        self.stop.cancel();
        if is_cut {
            self.work.wait().await;
        }
    }

    /// Waits until the last shared instance is gone, and nobody uses the store.
    pub(crate) async fn wait_for_drivers(&self) {
        self.drivers.close();
        self.drivers.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_work_and_refuses_more() {
        let drain = Drain::default();
        let working = drain.work().unwrap();
        let grace = Duration::from_secs(30);
        tokio::select! {
            biased;
            () = drain.run(grace) => unreachable!("work is under way"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(drain.work().unwrap_err().kind(), ErrorKind::Draining);
        drop(working);
        drain.run(grace).await;
        assert!(drain.stop_token().is_cancelled(), "what runs for nobody ends");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_work_until_it_ends_or_is_dropped() {
        let drain = Drain::default();
        let runtime = Handle::current();
        assert_eq!(drain.spawn_on(&runtime, async { 7 }).unwrap().await.unwrap(), 7);
        let held = drain.work().unwrap();
        let task = drain.spawn_on(&runtime, async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(task);
        drain.run(Duration::from_secs(30)).await;
        assert_eq!(drain.spawn_on(&runtime, async {}).unwrap_err().kind(), ErrorKind::Draining);
    }

    #[tokio::test(start_paused = true)]
    async fn work_beyond_the_grace_is_told_to_stop() {
        let drain = Drain::default();
        let working = drain.work().unwrap();
        let stop = drain.stop_token().clone();
        let stubborn = async {
            stop.cancelled().await;
            drop(working);
        };
        tokio::join!(drain.run(Duration::from_secs(30)), stubborn);
    }
}
