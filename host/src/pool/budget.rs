//! What all pools of a host share: places for instances, memory, and each app's bounds. No pool is locked while anything
//! here is, so that both may be asked from anywhere.
//!
//! ```text
//!  an app's call  ── bounds ──▶ may it wait, may another instance be at work, may there be another pool?
//!  a start        ── places ──▶ Stake: a place and memory ◀── eviction, when there is none
//! ```

mod bounds;
mod eviction;
mod places;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::AnyPool;
use super::tasks::Tasks;
use crate::config::PoolLimits;
use crate::error::{Error, ErrorKind};
pub(crate) use bounds::AppBudget;
pub(super) use bounds::Queued;
use eviction::Looks;
use places::Places;
pub(crate) use places::Stake;
pub(super) use places::Waited;

/// The budget of one host.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(super) limits: PoolLimits,
    pub(super) tasks: Arc<Tasks>,
    places: Mutex<Places>,
    /// Starts that wait in `places`, so that those who give something back need not lock to see that nobody waits.
    starved: AtomicUsize,
    charged_bytes: AtomicU64,
    /// What of it is about to come back: instances that exit.
    leaving_bytes: AtomicU64,
    looks: Looks,
    /// Instances that exit for the sake of a start that waits.
    leaving: AtomicUsize,
    /// Instances of no pool that have places.
    outside: AtomicUsize,
    apps: Mutex<HashMap<String, Weak<AppBudget>>>,
    /// The pools that have instances, by their address.
    populated: Mutex<HashMap<usize, Arc<dyn AnyPool>>>,
}

impl Budget {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::new(Places::new(limits.max_instances)),
            limits,
            tasks: Arc::default(),
            starved: AtomicUsize::new(0),
            charged_bytes: AtomicU64::new(0),
            leaving_bytes: AtomicU64::new(0),
            looks: Looks::default(),
            leaving: AtomicUsize::new(0),
            outside: AtomicUsize::new(0),
            apps: Mutex::default(),
            populated: Mutex::default(),
        })
    }

    /// The share of the app of this name, made if there is none.
    pub(crate) fn app(self: &Arc<Self>, name: &str, now: Instant) -> Arc<AppBudget> {
        let mut apps = lock(&self.apps);
        if let Some(app) = apps.get(name).and_then(Weak::upgrade) {
            return app;
        }
        apps.retain(|_, app| app.strong_count() > 0);
        let app = Arc::new(AppBudget::new(self.clone(), now));
        apps.insert(name.to_owned(), Arc::downgrade(&app));
        app
    }

    /// Instances of all apps' pools that are at work.
    fn running(&self) -> usize {
        let apps = lock(&self.apps);
        apps.values().filter_map(Weak::upgrade).map(|app| app.running()).sum()
    }

    /// Bytes that may be charged.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.limits.memory_bytes
    }

    /// Bytes charged for all instances, and the instances there are.
    pub(crate) fn usage(&self) -> (u64, u32) {
        (self.charged_bytes.load(Ordering::Relaxed), self.limits.max_instances - lock(&self.places).free)
    }

    /// The tasks alive on the runtime that instances live on, whoever spawned them; `None` before the first pool.
    pub(crate) fn tasks_alive(&self) -> Option<usize> {
        self.tasks.alive()
    }

    /// Lets every pool exit what it has, and waits until the last instance is gone. For a host that takes no more calls.
    pub(crate) async fn exit_all(&self) {
        let pools: Vec<_> = lock(&self.populated).values().cloned().collect();
        for pool in pools {
            pool.retire();
        }
        self.tasks.finish().await;
    }

    /// Drops all instances without `exit`, and says how many there were.
    pub(crate) fn abandon(&self) -> u32 {
        let (_, lost) = self.usage();
        self.tasks.abandon();
        let pools: Vec<_> = lock(&self.populated).drain().collect();
        for (_, pool) in pools {
            pool.abandon();
        }
        lost
    }

    pub(super) fn populate(&self, pool: Arc<dyn AnyPool>) {
        lock(&self.populated).insert(pool.address(), pool);
    }

    pub(super) fn depopulate(&self, pool: &dyn AnyPool) {
        lock(&self.populated).remove(&pool.address());
    }
}

/// `overloaded`, to be tried again after a while.
pub(super) fn overloaded(message: String, retry_after: Duration) -> Error {
    Error::new(ErrorKind::Overloaded, message).with_retry_after(retry_after)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
