//! The tasks of pools, and the times at which pools are looked at although nobody calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::AnyPool;

/// The tasks of one host's pools: starts, exits, and the one that looks after idle instances.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    runtime: OnceLock<Handle>,
    tracker: TaskTracker,
    /// No start is waited for any longer.
    stopping: CancellationToken,
    /// Instances are dropped as they are.
    abandoned: CancellationToken,
    visits: Arc<Visits>,
}

/// Which pool is to be looked at, and when: a heap with one entry per pool that has something to come.
#[derive(Debug, Default)]
struct Visits {
    heap: Mutex<BinaryHeap<Reverse<Visit>>>,
    sooner: Notify,
}

#[derive(Debug)]
struct Visit {
    at: Instant,
    pool: Weak<dyn AnyPool>,
}

impl PartialEq for Visit {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Visit {}

impl PartialOrd for Visit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Visit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Tasks {
    /// Remembers the runtime that the caller is in. The first one stays: what is dropped elsewhere later still finds it.
    pub(super) fn enter_runtime(&self) {
        if self.runtime.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.runtime.set(runtime.clone()).is_ok() {
            let (visits, abandoned) = (self.visits.clone(), self.abandoned.clone());
            // Not tracked: it ends with the pools, and nobody waits for it.
            drop(TaskTracker::new().spawn_on(visit_when_due(visits, abandoned), &runtime));
        }
    }

    /// Runs a start or an exit to its end, unless the host goes without waiting for it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.runtime.get() else { return };
        let abandoned = self.abandoned.clone();
        let task = async move {
            tokio::select! {
                biased;
                () = abandoned.cancelled() => {}
                () = task => {}
            }
        };
        self.tracker.spawn_on(task.in_current_span(), runtime);
    }

    /// Cancelled once starts are of no more use.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Gives up starts, and waits for all exits.
    pub(super) async fn finish(&self) {
        self.stopping.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops every task where it is.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }

    /// Has a pool looked at.
    pub(super) fn visit(&self, at: Instant, pool: Weak<dyn AnyPool>) {
        let mut heap = self.visits.lock();
        let is_sooner = heap.peek().is_none_or(|Reverse(first)| at < first.at);
        heap.push(Reverse(Visit { at, pool }));
        drop(heap);
        if is_sooner {
            self.visits.sooner.notify_one();
        }
    }
}

impl Visits {
    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Visit>>> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_due(&self, now: Instant) -> Option<Weak<dyn AnyPool>> {
        let mut heap = self.lock();
        heap.peek().filter(|Reverse(visit)| visit.at <= now)?;
        heap.pop().map(|Reverse(visit)| visit.pool)
    }
}

/// Visits pools when their time has come. Costs nothing while nothing is to come.
async fn visit_when_due(visits: Arc<Visits>, abandoned: CancellationToken) {
    loop {
        let next = visits.lock().peek().map(|Reverse(visit)| visit.at);
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = visits.sooner.notified() => {}
            () = abandoned.cancelled() => return,
        }
        let now = super::now();
        while let Some(pool) = visits.next_due(now) {
            if let Some(pool) = pool.upgrade() {
                pool.visit(now);
            }
        }
    }
}
