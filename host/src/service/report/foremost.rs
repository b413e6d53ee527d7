//! Which pools are worth showing when there are more than anybody reads: chosen by counts, before any of them is described.
//!
//! A pool's counts cost a lock and a copy; its parameters as JSON cost many allocations. An app may have tens of thousands.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{PoolReport, report};
use crate::pool::Pool;
use crate::service::app::App;
use crate::service::class::Class;
use crate::service::keeper::ClassKeeper;

/// A pool with what it takes to choose it or not.
struct Candidate<'a> {
    class: &'a Class,
    pool: Arc<Pool<ClassKeeper>>,
    at_work: usize,
    calls: u64,
}

impl<'a> Candidate<'a> {
    fn all(class: &'a Class) -> impl Iterator<Item = Self> {
        class.inner.pools.iter().map(move |pool| {
            let counts = pool.counts();
            Self { class, pool, at_work: counts.busy + counts.waiting, calls: counts.calls }
        })
    }

    /// The lower, the sooner it is shown.
    fn rank(&self) -> impl Ord {
        (Reverse(self.at_work), Reverse(self.calls), self.class.name(), self.pool.key())
    }
}

impl App {
    /// Up to `limit` pools, those of one class if it is given, and how many there are. Those at work come first, so that
    /// what is left out is what matters least, and the same each time.
    pub(crate) fn foremost_pools(&self, class: Option<&Class>, limit: usize) -> (Vec<PoolReport>, usize) {
        let is_wanted = |of: &&Class| class.is_none_or(|class| class.name() == of.name());
        let mut candidates: Vec<_> = self.classes().filter(is_wanted).flat_map(Candidate::all).collect();
        let total = candidates.len();
        if limit < total {
            candidates.select_nth_unstable_by(limit, |one, other| one.rank().cmp(&other.rank()));
            candidates.truncate(limit);
        }
        let mut pools: Vec<_> = candidates.iter().map(|chosen| report(chosen.class, &chosen.pool)).collect();
        // By what is shown of them, which may be newer than what they were chosen by.
        pools.sort_by_cached_key(|pool| {
            let at_work = pool.instances.busy + pool.waiting;
            (Reverse(at_work), Reverse(pool.calls), pool.class.clone(), pool.parameters.to_string())
        });
        (pools, total)
    }
}
