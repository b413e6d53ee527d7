//! The tasks of pools, and the times at which pools are looked at although nobody calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use super::AnyPool;

/// The tasks of one host's pools: starts, exits, and the one that looks after idle instances.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    runtime: Mutex<Option<Runtime>>,
    tracker: TaskTracker,
    /// No start is waited for any longer.
    stopping: CancellationToken,
    /// Instances are dropped as they are.
    abandoned: CancellationToken,
    visits: Arc<Visits>,
}

/// The runtime that tasks run on.
#[derive(Debug)]
struct Runtime {
    handle: Handle,
    /// Of what the task that visits pools holds: it is dropped with its runtime.
    alive: Weak<()>,
}

/// Which pool is to be looked at, and when.
#[derive(Debug, Default)]
struct Visits {
    agenda: Mutex<Agenda>,
    sooner: Notify,
}

/// A heap with one entry per pool that has something to come, and some for pools that are gone.
#[derive(Debug, Default)]
struct Agenda {
    heap: BinaryHeap<Reverse<Visit>>,
    /// The length at which entries of pools that are gone are thrown out. Each keeps the pool's memory, and until it is due
    /// any number of pools may come and go.
    prune_at: usize,
}

/// Entries that are not worth a look through all of them.
const FEW: usize = 256;

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
    /// Remembers the runtime that the caller is in.
    pub(super) fn enter_runtime(&self) {
        self.runtime();
    }

    /// The first runtime that a caller was in, for as long as it lives: what is dropped elsewhere later still finds it. After
    /// that the one of whoever comes next.
    fn runtime(&self) -> Option<Handle> {
        let mut runtime = self.known_runtime();
        let known = runtime.as_ref().map(|known| (known.handle.clone(), known.alive.strong_count() > 0));
        let handle = match (known, Handle::try_current()) {
            (Some((known, true)), _) | (Some((known, _)), Err(_)) => return Some(known),
            (_, Ok(current)) => current,
            (None, Err(_)) => return None,
        };
        let alive = Arc::new(());
        *runtime = Some(Runtime { handle: handle.clone(), alive: Arc::downgrade(&alive) });
        drop(runtime);
        let (visits, abandoned) = (self.visits.clone(), self.abandoned.clone());
        let visiting = async move {
            let _alive = alive;
            visit_when_due(visits, abandoned).await;
        };
        // Not tracked: it ends with the pools, and nobody waits for it.
        drop(TaskTracker::new().spawn_on(visiting, &handle));
        Some(handle)
    }

    fn known_runtime(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks alive on the runtime of the pools, those of others included; `None` before there is one.
    pub(super) fn alive(&self) -> Option<usize> {
        self.known_runtime().as_ref().map(|runtime| runtime.handle.metrics().num_alive_tasks())
    }

    /// Runs a start or an exit to its end in a span of its own, unless the host goes without waiting for it.
    pub(super) fn spawn(&self, span: Span, task: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.runtime() else { return };
        self.tracker.spawn_on(until_abandoned(self.abandoned.clone(), task).instrument(span), &runtime);
    }

    /// As [`spawn`](Self::spawn), but the caller runs it while it waits for it; it becomes a task when it is dropped before
    /// its end.
    pub(super) fn lend(self: &Arc<Self>, span: Span, task: impl Future<Output = ()> + Send + 'static) -> Lent {
        let task = until_abandoned(self.abandoned.clone(), task).instrument(span);
        Lent { task: Some(Box::pin(self.tracker.track_future(task))), tasks: self.clone() }
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
        let mut agenda = self.visits.lock();
        let is_sooner = agenda.first().is_none_or(|first| at < first);
        agenda.add(Visit { at, pool });
        drop(agenda);
        if is_sooner {
            self.visits.sooner.notify_one();
        }
    }
}

async fn until_abandoned(abandoned: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = abandoned.cancelled() => {}
        () = task => {}
    }
}

/// A task that somebody runs who waits for it, and that goes on without them.
pub(super) struct Lent {
    /// `None` once it has ended.
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tasks: Arc<Tasks>,
}

impl Lent {
    /// Runs it to its end.
    ///
    /// # Cancel safety
    ///
    /// It goes on where it was, here or as a task.
    pub(super) async fn run(&mut self) {
        if let Some(task) = &mut self.task {
            task.await;
            self.task = None;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(task) = self.task.take()
            && let Some(runtime) = self.tasks.runtime()
        {
            self.tasks.tracker.spawn_on(task, &runtime);
        }
    }
}

impl Visits {
    fn lock(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agenda {
    fn first(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(visit)| visit.at)
    }

    fn next_due(&mut self, now: Instant) -> Option<Weak<dyn AnyPool>> {
        self.first().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(visit)| visit.pool)
    }

    /// All that is due now.
    fn due(&mut self, now: Instant) -> Vec<Weak<dyn AnyPool>> {
        std::iter::from_fn(|| self.next_due(now)).collect()
    }

    fn add(&mut self, visit: Visit) {
        if self.heap.len() >= self.prune_at {
            self.heap.retain(|Reverse(visit)| visit.pool.strong_count() > 0);
            // Twice what is left: so that it costs each entry the same, however many there are.
            self.prune_at = FEW.max(2 * self.heap.len());
        }
        self.heap.push(Reverse(visit));
    }
}

/// Visits pools when their time has come. Costs nothing while nothing is to come.
async fn visit_when_due(visits: Arc<Visits>, abandoned: CancellationToken) {
    loop {
        let next = visits.lock().first();
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
        // Unlocked again at the end of this line: a visit may ask for the next one. That is for the next round, also when it
        // is due at once, so that no pool keeps others from theirs, or the thread from its other tasks.
        let due = visits.lock().due(now);
        for pool in due.iter().filter_map(Weak::upgrade) {
            pool.visit(now);
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::pool::AppBudget;

    /// A pool that does nothing, or asks to be looked at once more at a time that has passed, again and again.
    #[derive(Debug, Default)]
    struct Fake {
        again: Option<Arc<Tasks>>,
        visits: AtomicUsize,
    }

    impl AnyPool for Fake {
        fn app(&self) -> &Arc<AppBudget> {
            unreachable!("nobody asks")
        }
        fn address(&self) -> usize {
            0
        }
        fn oldest_idle(&self) -> Option<Instant> {
            None
        }
        fn evict(self: Arc<Self>, _: bool) -> bool {
            false
        }
        fn poke(self: Arc<Self>) -> bool {
            false
        }
        fn visit(self: Arc<Self>, now: Instant) {
            let visits = self.visits.fetch_add(1, Ordering::Relaxed);
            // Not without end, so that the test has one.
            if let Some(tasks) = self.again.as_ref().filter(|_| visits < 10_000) {
                let again: Arc<dyn AnyPool> = self.clone();
                tasks.visit(now, Arc::downgrade(&again));
            }
        }
        fn retire(self: Arc<Self>) {}
        fn abandon(self: Arc<Self>) {}
    }

    #[test]
    fn pools_that_are_gone_are_not_kept_for_their_visit() {
        let start = Instant::now();
        let mut agenda = Agenda::default();
        let mut kept = Vec::new();
        for index in 0..10_000u32 {
            let pool: Arc<dyn AnyPool> = Arc::<Fake>::default();
            agenda.add(Visit { at: start + Duration::from_secs(index.into()), pool: Arc::downgrade(&pool) });
            // Some stay, and none of these is lost.
            kept.extend((index % 100 == 0).then_some(pool));
        }
        assert!(agenda.heap.len() <= FEW.max(2 * kept.len()), "{}", agenda.heap.len());
        let late = start + Duration::from_secs(10_000);
        let due = agenda.due(late).into_iter().filter(|pool| pool.strong_count() > 0).count();
        assert_eq!(due, kept.len());
    }

    #[tokio::test]
    async fn a_pool_that_is_always_due_leaves_the_thread_to_others() {
        let tasks = Arc::<Tasks>::default();
        tasks.enter_runtime();
        let pool = Arc::new(Fake { again: Some(tasks.clone()), ..Fake::default() });
        let due: Arc<dyn AnyPool> = pool.clone();
        tasks.visit(super::super::now(), Arc::downgrade(&due));
        let visits = || pool.visits.load(Ordering::Relaxed);
        while visits() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(visits() < 100, "{} visits, and nobody else had a turn", visits());
        tasks.abandon();
    }
}
