//! What one app may have: instances at work, callers who wait, pools for different sets of parameters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::{Budget, lock, overloaded};
use crate::config::PoolLimits;
use crate::error::{Error, Result};
use crate::pool::AnyPool;
use crate::pool::rate::Bucket;

/// An app's share of the budget; versions of an app that follow each other have one.
#[derive(Debug)]
pub(crate) struct AppBudget {
    pub(in crate::pool) host: Arc<Budget>,
    running: AtomicU32,
    queued: AtomicU32,
    pub(super) instances: AtomicU32,
    pub(super) charged_bytes: AtomicU64,
    tuples: AtomicUsize,
    bucket: Mutex<Bucket>,
    /// Pools with callers who wait only because the app runs as many calls as it may.
    held_up: Mutex<VecDeque<Weak<dyn AnyPool>>>,
    is_held_up: AtomicBool,
}

/// Held while a caller waits.
#[derive(Debug)]
pub(in crate::pool) struct Queued(Arc<AppBudget>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AppBudget {
    pub(super) fn new(host: Arc<Budget>, now: Instant) -> Self {
        let PoolLimits { tuples_per_second, tuple_burst, .. } = host.limits;
        Self {
            host,
            running: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            instances: AtomicU32::new(0),
            charged_bytes: AtomicU64::new(0),
            tuples: AtomicUsize::new(0),
            bucket: Mutex::new(Bucket::new(tuples_per_second, tuple_burst, now)),
            held_up: Mutex::default(),
            is_held_up: AtomicBool::new(false),
        }
    }

    /// Takes the right to have one more instance at work; [`rest`](Self::rest) gives it back.
    pub(in crate::pool) fn try_wake(&self) -> bool {
        let one_more = |running: u32| (running < self.host.limits.max_running).then_some(running + 1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// As [`try_wake`](Self::try_wake), for a call with so many above it. One that another one made has the right without
    /// asking: its caller is at work for the app, and waits for it.
    pub(in crate::pool) fn try_wake_for(&self, depth: u32) -> bool {
        if depth == 0 {
            return self.try_wake();
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Gives back the right, to a pool that waits for it if there is one. Not while a pool is locked.
    pub(in crate::pool) fn rest(&self) {
        self.rested();
        self.wake_held_up();
    }

    /// Gives back the right; [`wake_held_up`](Self::wake_held_up) follows once no pool is locked.
    pub(in crate::pool) fn rested(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Instances at work.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst) as usize
    }

    /// Whether pools wait for the right: who comes now is behind them.
    pub(in crate::pool) fn is_held_up(&self) -> bool {
        self.is_held_up.load(Ordering::SeqCst)
    }

    /// Lets pools that wait for the right have it, one after another: one call each, and then the next has its turn.
    pub(in crate::pool) fn wake_held_up(&self) {
        // Taken first and offered then, so that nobody else comes in between.
        while self.is_held_up() && self.try_wake() {
            let pool = {
                let mut held_up = lock(&self.held_up);
                let pool = held_up.pop_front();
                self.is_held_up.store(!held_up.is_empty(), Ordering::SeqCst);
                pool
            };
            // Who waited in a pool may have gone.
            let is_used = pool.and_then(|pool| pool.upgrade()).is_some_and(|pool| pool.poke());
            if !is_used {
                self.rested();
            }
        }
    }

    /// Notes a pool whose callers wait for the app to run less, and looks once more whether it does already.
    pub(in crate::pool) fn hold_up(&self, pool: Weak<dyn AnyPool>) {
        self.note_held_up(pool);
        self.wake_held_up();
    }

    /// Notes it as the last in line; [`wake_held_up`](Self::wake_held_up) follows.
    pub(in crate::pool) fn note_held_up(&self, pool: Weak<dyn AnyPool>) {
        let mut held_up = lock(&self.held_up);
        held_up.push_back(pool);
        self.is_held_up.store(true, Ordering::SeqCst);
    }

    /// `overloaded`: for so long the app ran as many calls as it may.
    pub(in crate::pool) fn runs_too_much(&self, waited: Duration) -> Error {
        let max = self.host.limits.max_running;
        let message = format!(
            "an instance is free, but this app ran {max} calls at once, as many as it may, for {waited:?}; the setting is \
             `max-running-calls`"
        );
        overloaded(message, Duration::from_secs(1)).with_limit("max-running-calls", max.to_string())
    }

    /// Counts a caller who waits.
    ///
    /// # Errors
    ///
    /// `overloaded` when as many wait as may.
    pub(in crate::pool) fn queue(self: &Arc<Self>) -> Result<Queued> {
        let max = self.host.limits.max_queued;
        let queued = Queued(self.clone());
        if self.queued.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(queued);
        }
        Err(overloaded(
            format!("{max} calls of this app are waiting; the setting is `max-queued-calls`"),
            Duration::from_secs(1),
        )
        .with_limit("max-queued-calls", max.to_string()))
    }

    /// Counts a new pool; [`forget_tuple`](Self::forget_tuple) gives it back. `is_one_of_many` is whether callers choose it by
    /// parameters: then the rate at which there are new ones is bounded.
    ///
    /// # Errors
    ///
    /// `overloaded` when the app has as many as it may, or made too many of late.
    pub(in crate::pool) fn admit_tuple(&self, now: Instant, is_one_of_many: bool) -> Result<()> {
        let PoolLimits { max_tuples, tuples_per_second, .. } = self.host.limits;
        if self.tuples.fetch_add(1, Ordering::Relaxed) >= max_tuples {
            self.forget_tuple();
            let message = format!(
                "this app has pools for {max_tuples} different sets of parameters; the setting is `max-tuples`"
            );
            return Err(overloaded(message, Duration::from_secs(1)).with_limit("max-tuples", max_tuples.to_string()));
        }
        if !is_one_of_many {
            return Ok(());
        }
        lock(&self.bucket).take(now).map_err(|wait| {
            self.forget_tuple();
            let message = format!(
                "this app makes pools for new sets of parameters faster than {tuples_per_second} a second; the setting is \
                 `tuple-rate`"
            );
            overloaded(message, wait).with_limit("tuple-rate", tuples_per_second.to_string())
        })
    }

    pub(in crate::pool) fn forget_tuple(&self) {
        self.tuples.fetch_sub(1, Ordering::Relaxed);
    }

    /// Pools there are for this app.
    #[cfg(test)]
    pub(in crate::pool) fn tuples(&self) -> usize {
        self.tuples.load(Ordering::Relaxed)
    }

    /// Whether nothing of the app's share is taken but what idle instances take.
    #[cfg(test)]
    pub(in crate::pool) fn is_at_rest(&self) -> bool {
        let none = |count: &AtomicU32| count.load(Ordering::Relaxed) == 0;
        none(&self.running) && none(&self.queued) && lock(&self.host.places).asking().next().is_none()
    }
}
