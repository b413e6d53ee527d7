//! Which idle instance goes for the sake of others: because memory is short, or because a start waits for a place.
//!
//! Choosing takes a look through all pools that have instances, and a host that is full is asked to choose after every
//! call. So a look that found nothing is not repeated before something has happened that may have changed its answer.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{AppBudget, Budget, lock};
use crate::pool::AnyPool;

/// What looks through all pools are worth.
#[derive(Debug, Default)]
pub(super) struct Looks {
    for_memory: News,
    for_places: News,
}

/// Whether something has happened since the last look that found nothing.
#[derive(Debug, Default)]
struct News(AtomicBool);

impl News {
    fn tell(&self) {
        // After nearly every call: what is shared by all cores is written only if it changes.
        if !self.0.load(Ordering::SeqCst) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Taken before the look, so that what happens meanwhile is not overlooked.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Looks {
    /// The apps' numbers of instances have changed, or an app has asked for a place that did not before.
    pub(super) fn shares_changed(&self) {
        self.for_places.tell();
    }
}

/// An idle instance that its pool can do without.
struct Idle {
    pool: Arc<dyn AnyPool>,
    since: Instant,
}

impl Budget {
    /// Evicts what has to go, after an instance of this pool has become idle or is gone.
    pub(in crate::pool) fn relieve_after(&self, pool: &dyn AnyPool) {
        if !self.is_strained() {
            // It may still be idle when memory is short. For a place it is looked at when somebody asks for one.
            self.looks.for_memory.tell();
            return;
        }
        if pool.oldest_idle().is_some() {
            self.looks.for_memory.tell();
            if lock(&self.places).asking().any(|asking| asking.may_take_from(pool.app())) {
                self.looks.for_places.tell();
            }
        }
        self.relieve();
    }

    /// Evicts idle instances while there is less memory than there should be, or somebody waits for a place.
    pub(super) fn relieve(&self) {
        while self.is_over_memory() && self.evict_for_memory() {}
        while self.starved.load(Ordering::Acquire) > self.leaving.load(Ordering::Relaxed) && self.evict_for_place() {}
        // Memory may have come back without a place.
        if self.starved.load(Ordering::Acquire) > 0 {
            self.grant();
        }
    }

    /// Whether [`relieve`](Self::relieve) has anything to do.
    fn is_strained(&self) -> bool {
        self.starved.load(Ordering::Acquire) > 0 || self.is_over_memory()
    }

    fn is_over_memory(&self) -> bool {
        let staying =
            self.charged_bytes.load(Ordering::Relaxed).saturating_sub(self.leaving_bytes.load(Ordering::Relaxed));
        staying > self.limits.memory_bytes
    }

    fn evict_for_memory(&self) -> bool {
        if !self.looks.for_memory.take() {
            return false;
        }
        let idle = self.idle();
        let Some(victim) = greediest(idle.iter(), |app| app.charged_bytes.load(Ordering::Relaxed)) else {
            return false;
        };
        // There may be more, and a caller may have this one first.
        self.looks.for_memory.tell();
        victim.pool.clone().evict(false)
    }

    /// On behalf of the app with the fewest instances for which there is one.
    fn evict_for_place(&self) -> bool {
        if !self.looks.for_places.take() {
            return false;
        }
        let mut asking: Vec<_> = lock(&self.places).asking().cloned().collect();
        asking.sort_by_key(|app| app.instances.load(Ordering::Relaxed));
        let idle = self.idle();
        let victim = asking.iter().find_map(|asking| {
            let allowed = idle.iter().filter(|idle| asking.may_take_from(idle.pool.app()));
            greediest(allowed, |app| app.instances.load(Ordering::Relaxed).into())
        });
        let Some(victim) = victim else { return false };
        self.looks.for_places.tell();
        victim.pool.clone().evict(true)
    }

    fn idle(&self) -> Vec<Idle> {
        let pools: Vec<_> = lock(&self.populated).values().cloned().collect();
        let idle = |pool: Arc<dyn AnyPool>| pool.oldest_idle().map(|since| Idle { pool, since });
        pools.into_iter().filter_map(idle).collect()
    }
}

/// The least recently used one of the app that uses most.
fn greediest<'a>(idle: impl Iterator<Item = &'a Idle>, usage: impl Fn(&AppBudget) -> u64) -> Option<&'a Idle> {
    idle.max_by_key(|idle| (usage(idle.pool.app()), Reverse(idle.since)))
}

impl AppBudget {
    /// Whether an instance of the other app may go for one of this app: only what is its own, or of an app that has more
    /// than it. Who keeps to a share keeps it.
    fn may_take_from(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let instances = |app: &Self| app.instances.load(Ordering::Relaxed);
        Arc::ptr_eq(self, other) || instances(other) > instances(self)
    }
}
