//! Instances on their way into a pool and out of it.

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::budget::{Stake, Waited};
use super::members::Pool;
use super::policy::Slot;
use super::{Event, Exit, Keeper, now};
use crate::error::{Error, ErrorKind, Result};

/// A start under way; dropped before its end, because the host goes, it has failed.
pub(super) struct Start<K: Keeper> {
    pool: Arc<Pool<K>>,
    slot: Slot,
    is_over: bool,
}

impl<K: Keeper> Start<K> {
    pub(super) fn new(pool: Arc<Pool<K>>, slot: Slot) -> Self {
        Self { pool, slot, is_over: false }
    }

    pub(super) async fn run(mut self) {
        let host = self.pool.shared.app.host.clone();
        tokio::select! {
            biased;
            () = host.tasks.stopping().cancelled() => {}
            () = self.start() => {}
        }
    }

    async fn start(&mut self) {
        let pool = self.pool.clone();
        let app = &pool.shared.app;
        let placed = {
            let _unplaced = Unplaced::new(&pool);
            app.place().await
        };
        let Some((stake, waited)) = placed else { return };
        if waited == Waited::Yes && !pool.lock().policy.is_start_wanted() {
            return self.give_up();
        }
        let began = Instant::now();
        let started = caught(pool.shared.keeper.start(&pool.parameters)).await;
        let took = began.elapsed();
        pool.shared.keeper.note(Event::Started { took, error: started.as_ref().err() });
        self.is_over = true;
        match started {
            Ok(started) => pool.started(self.slot, started, stake),
            Err(error) => {
                drop(stake);
                pool.start_failed(self.slot, &error);
            }
        }
    }

    /// Nobody needs the instance any more: its place goes to somebody else.
    fn give_up(&mut self) {
        self.is_over = true;
        let mut inner = self.pool.lock();
        inner.policy.gone(self.slot);
        self.pool.settle(inner, now());
    }
}

impl<K: Keeper> Drop for Start<K> {
    fn drop(&mut self) {
        if !self.is_over {
            let error = match self.pool.shared.app.host.tasks.stopping().is_cancelled() {
                true => Error::new(ErrorKind::Draining, "the host is shutting down"),
                false => Error::internal("the tokio runtime that the host's instances start on has ended"),
            };
            self.pool.start_failed(self.slot, &error);
        }
    }
}

/// A start that waits for a place, if need be: whoever waits for it in vain is told.
struct Unplaced<'a, K: Keeper>(&'a Pool<K>);

impl<'a, K: Keeper> Unplaced<'a, K> {
    fn new(pool: &'a Pool<K>) -> Self {
        pool.lock().unplaced += 1;
        Self(pool)
    }
}

impl<K: Keeper> Drop for Unplaced<'_, K> {
    fn drop(&mut self) {
        self.0.lock().unplaced -= 1;
    }
}

/// Runs a start that may panic: whoever waits for it is told as of any other that failed, and of no shutdown.
async fn caught<T>(start: impl Future<Output = Result<T>>) -> Result<T> {
    let mut start = pin!(start);
    // What a panic leaves half done is dropped with the future, which is not polled again.
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| start.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
    })
    .await
}

/// The panic's own words are in the log, by the hook for panics: they are about the host, and not for callers.
fn panicked() -> Error {
    Error::internal("the host panicked while it started an instance")
}

/// An instance on its way out; its place is free when it is gone, whichever way that was.
pub(super) struct Leaving<K: Keeper> {
    pub(super) pool: Arc<Pool<K>>,
    pub(super) slot: Slot,
    pub(super) stake: Option<Stake>,
    /// A failure until its end has come: it may be dropped before.
    pub(super) exit: Exit,
}

impl<K: Keeper> Drop for Leaving<K> {
    fn drop(&mut self) {
        self.pool.shared.keeper.note(Event::Exited(self.exit));
        // First of all, so that a start which comes next finds the place free.
        self.stake = None;
        let mut inner = self.pool.lock();
        inner.policy.gone(self.slot);
        self.pool.settle(inner, now());
    }
}

/// A number between two, both included. So that guests do not come to depend on it, and need not be secret.
pub(super) fn drawn(least: u32, most: u32) -> u32 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let span = u64::from(most - least) + 1;
    least + u32::try_from(random % span).unwrap_or(0)
}
