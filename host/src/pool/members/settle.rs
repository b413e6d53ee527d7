//! What follows in a pool from whatever has happened to it: decided under its lock, done once that is released.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Instant;

use super::{Inner, Pool, Seated, Waiter};
use crate::pool::lease::Lease;
use crate::pool::passage::{Leaving, Start};
use crate::pool::policy::Slot;
use crate::pool::tasks::Lent;
use crate::pool::{AnyPool, Exit, Keeper, PoolsShared, Task, now};

/// What is to be done once the lock is released.
pub(super) struct Tasks<K: Keeper> {
    grants: Vec<(Slot, Seated<K>, Waiter<K>)>,
    starts: Vec<Slot>,
    exits: Vec<(Slot, Seated<K>)>,
    /// Callers wait for the app to run less, and the app is to know.
    pub(super) is_held_up: bool,
    /// There is a right to have one more instance at work that turned out not to be needed.
    pub(super) is_right_left: bool,
    visit: Option<Instant>,
    populate: bool,
    close: bool,
}

/// Whether a pool comes with the right to have one more instance at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    None,
    Given,
}

impl<K: Keeper> Pool<K> {
    /// Does what the policy wants done after anything has happened.
    pub(in crate::pool) fn settle(self: &Arc<Self>, inner: MutexGuard<'_, Inner<K>>, now: Instant) {
        let tasks = self.decide(inner, now, Right::None);
        self.carry_out(tasks);
    }

    pub(super) fn decide(&self, mut inner: MutexGuard<'_, Inner<K>>, now: Instant, right: Right) -> Tasks<K> {
        let app = &self.shared.app;
        let mut tasks = Tasks {
            grants: Vec::new(),
            starts: Vec::new(),
            exits: Vec::new(),
            is_held_up: false,
            is_right_left: right == Right::Given,
            visit: None,
            populate: false,
            close: false,
        };
        while inner.policy.could_grant() {
            // Pools of the app that have waited for longer have their turn first: or one that is always asked for would
            // take each right that its own calls give back.
            let depth = inner.policy.next_depth();
            tasks.is_right_left = tasks.is_right_left || ((depth > 0 || !app.is_held_up()) && app.try_wake_for(depth));
            let Some((slot, wakes, waiter)) = inner.policy.next_grant(tasks.is_right_left) else {
                tasks.is_held_up = !tasks.is_right_left && !std::mem::replace(&mut inner.is_held_up, true);
                break;
            };
            tasks.is_right_left &= !wakes;
            let seated = inner.take(slot);
            tasks.grants.push((slot, seated, waiter));
        }
        while let Some(slot) = inner.policy.next_start(now) {
            tasks.starts.push(slot);
        }
        while let Some(slot) = inner.policy.next_surplus() {
            let seated = inner.seats[slot].take();
            tasks.exits.extend(seated.map(|seated| (slot, seated)));
        }
        tasks.visit = inner.next_visit(now);
        let has_members = inner.policy.has_members();
        if has_members != inner.is_populated {
            inner.is_populated = has_members;
            tasks.populate = true;
        }
        if inner.policy.is_vacant(now) {
            tasks.close = true;
        }
        tasks
    }

    /// As [`settle`](Self::settle), for a caller who waits: a start that follows is for it to run, if it is the only one.
    pub(super) fn settle_for_caller(self: &Arc<Self>, inner: MutexGuard<'_, Inner<K>>, now: Instant) -> Option<Lent> {
        let mut tasks = self.decide(inner, now, Right::None);
        let only = if tasks.starts.len() == 1 { tasks.starts.pop() } else { None };
        let lent = only.map(|slot| {
            let span = self.shared.keeper.span(Task::Start);
            self.shared.app.host.tasks.lend(span, Start::new(self.clone(), slot).run())
        });
        self.carry_out(tasks);
        lent
    }

    pub(super) fn carry_out(self: &Arc<Self>, tasks: Tasks<K>) {
        let Tasks { grants, starts, exits, is_held_up, is_right_left, visit, populate, close } = tasks;
        let PoolsShared { keeper, app, .. } = &*self.shared;
        let host = &app.host;
        if populate {
            self.tell_populated();
        }
        for (slot, seated, waiter) in grants {
            // A caller who went away meanwhile drops the lease, and the next one gets it.
            drop(waiter.send(Ok(Lease::after_waiting(self.clone(), slot, seated))));
        }
        for slot in starts {
            host.tasks.spawn(keeper.span(Task::Start), Start::new(self.clone(), slot).run());
        }
        for (slot, seated) in exits {
            self.exit(slot, seated, false);
        }
        if let Some(at) = visit {
            host.tasks.visit(at, self.weak());
        }
        if is_right_left {
            app.rest();
        }
        if is_held_up {
            app.hold_up(self.weak());
        }
        if close {
            self.close();
        }
    }

    pub(super) fn weak(self: &Arc<Self>) -> Weak<dyn AnyPool> {
        Arc::downgrade(&(self.clone() as Arc<dyn AnyPool>))
    }

    /// Tells the budget whether there is anything to evict here, as it is now and not as it was when that was noticed.
    fn tell_populated(self: &Arc<Self>) {
        let host = &self.shared.app.host;
        loop {
            let is_populated = self.lock().is_populated;
            if is_populated {
                host.populate(self.clone());
            } else {
                host.depopulate(&**self);
            }
            if self.lock().is_populated == is_populated {
                return;
            }
        }
    }

    /// Takes the pool out of the map, if it is still empty.
    fn close(&self) {
        let is_closed_now = match self.map.upgrade() {
            Some(map) => {
                let is_this = |pool: &Arc<Self>| std::ptr::eq(Arc::as_ptr(pool), self);
                map.remove_if(&self.key, |_, pool| is_this(pool) && pool.close_if_vacant()).is_some()
            }
            // The class is gone, and its map with it.
            None => self.close_if_vacant(),
        };
        if is_closed_now {
            self.shared.app.forget_tuple();
        }
    }

    /// Whether the pool is closed by this call.
    fn close_if_vacant(&self) -> bool {
        let mut inner = self.lock();
        let closes = !inner.is_closed && inner.policy.is_vacant(now());
        inner.is_closed |= closes;
        let totals = inner.policy.counts();
        drop(inner);
        if closes {
            self.shared.departed(|departed| departed.leave(self.key.clone(), totals));
        }
        closes
    }

    /// As [`exit`](Self::exit), for the call that was the instance's last: what runs nothing at its end takes no task.
    pub(super) fn exit_after_call(self: &Arc<Self>, slot: Slot, seated: Seated<K>) {
        if !self.shared.keeper.exits_silently(&seated.instance) {
            return self.exit(slot, seated, false);
        }
        let Seated { instance, stake, .. } = seated;
        let leaving = Leaving { pool: self.clone(), slot, stake, exit: Exit::Ok };
        drop(instance);
        drop(leaving);
    }

    pub(super) fn exit(self: &Arc<Self>, slot: Slot, mut seated: Seated<K>, makes_room: bool) {
        if let Some(stake) = &mut seated.stake {
            stake.leave(makes_room);
        }
        let pool = self.clone();
        let span = self.shared.keeper.span(Task::Exit(seated.id));
        self.shared.app.host.tasks.spawn(span, async move {
            let mut leaving = Leaving { pool, slot, stake: seated.stake, exit: Exit::Failed };
            leaving.exit = leaving.pool.shared.keeper.exit(seated.instance).await;
        });
    }
}

impl<K: Keeper> Inner<K> {
    /// When the pool has to be looked at, if it is sooner than was asked for.
    fn next_visit(&mut self, now: Instant) -> Option<Instant> {
        let due = [self.policy.next_due(), self.policy.backoff_ends(now)].into_iter().flatten().min()?;
        if self.next_visit.is_some_and(|at| at <= due) {
            return None;
        }
        self.next_visit = Some(due);
        Some(due)
    }
}
