//! One pool: its policy, and the instances and callers that the policy decides about.
//!
//! The lock is held for decisions only. What they ask for, handing over, starting, exiting, dropping, is done after it is
//! released (`settle`), because all of it may come back here.

mod queue;
mod settle;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::budget::{AppBudget, Stake};
use super::key::Key;
use super::lease::Lease;
use super::passage::drawn;
use super::policy::{Acquired, Asks, Counts, Fate, Policy, Released, Slot};
use super::waits::{InTheWay, PoolNumber, Room};
use super::{AnyPool, Condition, Event, Held, Keeper, PoolMap, PoolsShared, Started, Starts, home, now};
use crate::error::{Error, Result};
use queue::Waiting;
use settle::Right;

/// The instances of one class with one set of parameters.
pub(crate) struct Pool<K: Keeper> {
    pub(super) shared: Arc<PoolsShared<K>>,
    key: Key,
    pub(super) parameters: K::Parameters,
    /// Where the pool is found, and taken out of when it is empty.
    map: Weak<PoolMap<K>>,
    inner: Mutex<Inner<K>>,
}

pub(super) struct Inner<K: Keeper> {
    pub(super) policy: Policy<Waiter<K>>,
    /// By slot; an exclusive instance is away while it is leased.
    seats: Vec<Option<Seated<K>>>,
    /// Bytes charged for the instance in each slot, also while it is leased.
    charged: Vec<u64>,
    /// What the last start failed with, while none has gone well since.
    last_error: Option<Error>,
    /// Starts that wait for a place in the host.
    pub(super) unplaced: usize,
    /// When the pool is to be looked at next; `None` when nothing was asked for.
    next_visit: Option<Instant>,
    /// Noted with the app as one that waits for it to run less.
    is_held_up: bool,
    /// Known to the budget as one that has instances.
    is_populated: bool,
    /// Out of the map: callers look for another.
    is_closed: bool,
}

/// An instance with what was set aside for it.
pub(super) struct Seated<K: Keeper> {
    pub(super) id: u64,
    pub(super) instance: Held<K>,
    /// With the pool, while a shared instance is leased. Dropped after the instance: only then is its place free.
    pub(super) stake: Option<Stake>,
}

/// How a waiting caller is told.
type Waiter<K> = oneshot::Sender<Result<Lease<K>>>;

/// What a caller gets at once.
pub(super) enum Step<K: Keeper> {
    Leased(Lease<K>),
    Waiting(Waiting<K>),
    Refused(Error),
    /// The pool is being taken away.
    Closed,
}

impl<K: Keeper> Pool<K> {
    pub(super) fn new(shared: Arc<PoolsShared<K>>, key: Key, parameters: K::Parameters, map: &Arc<PoolMap<K>>) -> Self {
        let totals = shared.departed(|departed| departed.come_back(&key));
        let inner = Inner {
            policy: Policy::new(shared.settings.limits).after(totals),
            seats: Vec::new(),
            charged: Vec::new(),
            last_error: None,
            unplaced: 0,
            next_visit: None,
            is_held_up: false,
            is_populated: false,
            is_closed: false,
        };
        Self { shared, key, parameters, map: Arc::downgrade(map), inner: Mutex::new(inner) }
    }

    /// What the instances are entered with.
    pub(crate) fn parameters(&self) -> &K::Parameters {
        &self.parameters
    }

    /// The canonical bytes of [`parameters`](Self::parameters).
    #[cfg(feature = "cli")]
    pub(crate) fn key(&self) -> &[u8] {
        self.key.bytes()
    }

    /// The instances, the callers and what happened.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().policy.counts()
    }

    /// As [`counts`](Self::counts), with the bytes charged for entered instances.
    pub(crate) fn usage(&self) -> (Counts, u64) {
        self.lock().usage()
    }

    /// As [`usage`](Self::usage), with the words of the last start's error.
    pub(crate) fn report(&self) -> (Counts, u64, Option<String>) {
        let inner = self.lock();
        let (counts, bytes) = inner.usage();
        (counts, bytes, inner.last_error.as_ref().map(|error| error.message().to_owned()))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn acquire(self: Arc<Self>, depth: u32, starts: Starts) -> Step<K> {
        let app = &self.shared.app;
        let may_wake = app.try_wake_for(depth);
        let asks = Asks { may_wake, home: Some(home()), depth };
        let mut inner = self.lock();
        let (step, woke) = if inner.is_closed {
            drop(inner);
            (Step::Closed, false)
        } else {
            match inner.policy.acquire(now, asks) {
                Acquired::Leased { slot, wakes } => {
                    let seated = inner.take(slot);
                    drop(inner);
                    (Step::Leased(Lease::new(self.clone(), slot, seated)), wakes)
                }
                otherwise => (self.queue_up(inner, &otherwise, (depth, starts), now()), false),
            }
        };
        if may_wake && !woke {
            self.shared.app.rest();
        }
        step
    }

    /// Keeps that many instances from now on.
    pub(super) fn keep(self: &Arc<Self>, instances: u32) {
        let mut inner = self.lock();
        inner.policy.keep(instances);
        self.settle(inner, now());
    }

    /// Takes back what a lease held.
    pub(super) fn give_back(self: &Arc<Self>, slot: Slot, seated: Seated<K>) {
        let keeper = &self.shared.keeper;
        let condition = keeper.condition(&seated.instance);
        let memory_bytes = keeper.memory_bytes(&seated.instance);
        let now = now();
        let mut inner = self.lock();
        if condition == Condition::Worn {
            inner.policy.retire_member(slot);
        }
        let is_sound = condition != Condition::Broken;
        let Released { fate, rests } = inner.policy.release(slot, is_sound, now, Some(home()));
        if rests {
            // Before callers of this pool are looked at, who may be waiting for it, and for nobody else of the app.
            self.shared.app.rested();
        }
        // What is left to drop is dropped after the lock.
        let (left, exits) = match fate {
            Fate::Stays => (inner.put_back(slot, seated, memory_bytes), None),
            Fate::Exits => (None, Some(inner.seats[slot].take().unwrap_or(seated))),
            Fate::Gone => {
                let handle = inner.seats.get_mut(slot).and_then(Option::take);
                (Some(handle.unwrap_or(seated)), None)
            }
        };
        // Nobody waits, nothing is to start, and the pool will be looked at: the usual case.
        if exits.is_none() && left.is_none() && inner.policy.is_quiet() && inner.next_visit.is_some() {
            drop(inner);
        } else {
            let tasks = self.decide(inner, now, Right::None);
            // Its place is free before another start asks for one.
            drop(left);
            self.carry_out(tasks);
        }
        if let Some(seated) = exits {
            self.exit_after_call(slot, seated);
        }
        if rests {
            self.shared.app.wake_held_up();
        }
        self.shared.app.host.relieve_after(&**self);
    }

    /// Lets a shared instance take no more calls, if it is this one and has calls in it.
    pub(super) fn retire_instance(&self, slot: Slot, id: u64) {
        let mut inner = self.lock();
        if inner.seats.get(slot).is_some_and(|seat| seat.as_ref().is_some_and(|seated| seated.id == id)) {
            inner.policy.retire_member(slot);
        }
    }

    pub(super) fn started(self: &Arc<Self>, slot: Slot, started: Started<K>, stake: Stake) {
        let max_calls = self.shared.settings.max_calls.map(|(least, most)| drawn(least, most));
        let memory_bytes = self.shared.keeper.memory_bytes(&started.instance);
        let seated = Seated { id: started.id, stake: Some(stake), instance: started.instance };
        let now = now();
        let mut inner = self.lock();
        inner.policy.started(slot, max_calls, now);
        inner.last_error = None;
        let rest = inner.put_back(slot, seated, memory_bytes);
        self.settle(inner, now);
        drop(rest);
        self.shared.app.host.relieve_after(&**self);
    }

    pub(super) fn start_failed(self: &Arc<Self>, slot: Slot, error: &Error) {
        let now = now();
        let mut inner = self.lock();
        let told: Vec<_> = inner.policy.start_failed(slot, now).collect();
        inner.last_error = Some(error.clone());
        let retry_after = inner.policy.backoff_remaining(now).unwrap_or_default();
        self.settle(inner, now);
        for waiter in told {
            // Whoever went away need not know.
            drop(waiter.send(Err(error.clone().with_retry_after(retry_after))));
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Keeper> Inner<K> {
    fn usage(&self) -> (Counts, u64) {
        let bytes = self.policy.live().map(|slot| self.charged.get(slot).copied().unwrap_or(0)).sum();
        (self.policy.counts(), bytes)
    }

    /// What a lease gets: an exclusive instance with all that belongs to it, or a handle of a shared one.
    fn take(&mut self, slot: Slot) -> Seated<K> {
        let seat = self.seats[slot].take_if(|seated| matches!(seated.instance, Held::Exclusive(_)));
        seat.unwrap_or_else(|| {
            let seated = self.seats[slot].as_ref().expect("the policy leases what is there");
            let Held::Shared(handle) = &seated.instance else { unreachable!("an exclusive instance was taken above") };
            Seated { id: seated.id, stake: None, instance: Held::Shared(handle.clone()) }
        })
    }

    /// Puts an instance where it belongs, and charges what it has now; a handle of one that is there already comes back, to
    /// be dropped.
    fn put_back(&mut self, slot: Slot, seated: Seated<K>, memory_bytes: u64) -> Option<Seated<K>> {
        if self.seats.len() <= slot {
            self.seats.resize_with(slot + 1, || None);
            self.charged.resize(slot + 1, 0);
        }
        let seat = &mut self.seats[slot];
        let handle = if seat.is_some() { Some(seated) } else { seat.replace(seated) };
        if let Some(stake) = seat.as_mut().and_then(|seated| seated.stake.as_mut()) {
            stake.charge(memory_bytes);
            self.charged[slot] = stake.bytes();
        }
        handle
    }
}

impl<K: Keeper> AnyPool for Pool<K> {
    fn app(&self) -> &Arc<AppBudget> {
        &self.shared.app
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn oldest_idle(&self) -> Option<Instant> {
        self.lock().policy.oldest_idle()
    }

    fn evict(self: Arc<Self>, makes_room: bool) -> bool {
        let mut inner = self.lock();
        let Some(slot) = inner.policy.evict() else { return false };
        let seated = inner.seats[slot].take();
        drop(inner);
        self.shared.keeper.note(Event::Evicted);
        if let Some(seated) = seated {
            self.exit(slot, seated, makes_room);
        }
        true
    }

    fn poke(self: Arc<Self>) -> bool {
        let mut inner = self.lock();
        inner.is_held_up = false;
        let mut tasks = self.decide(inner, now(), Right::Given);
        // Whoever gave the right takes it back, and goes on with the next pool, perhaps with this one.
        let is_left = std::mem::take(&mut tasks.is_right_left);
        if std::mem::take(&mut tasks.is_held_up) {
            self.shared.app.note_held_up(self.weak());
        }
        self.carry_out(tasks);
        !is_left
    }

    fn visit(self: Arc<Self>, now: Instant) {
        let mut inner = self.lock();
        // A later visit was asked for since, or this one was made already.
        if inner.next_visit.is_none_or(|at| at > now) {
            return;
        }
        inner.next_visit = None;
        let mut exits = Vec::new();
        while let Some(slot) = inner.policy.next_overdue(now) {
            let seated = inner.seats[slot].take();
            exits.extend(seated.map(|seated| (slot, seated)));
        }
        self.settle(inner, now);
        for (slot, seated) in exits {
            self.exit(slot, seated, false);
        }
    }

    fn retire(self: Arc<Self>) {
        let mut inner = self.lock();
        inner.policy.retire();
        self.settle(inner, now());
    }

    fn abandon(self: Arc<Self>) {
        let mut inner = self.lock();
        let waiting: Vec<_> = inner.policy.dismiss_waiting().collect();
        inner.policy.retire();
        let mut dropped = Vec::new();
        while let Some(slot) = inner.policy.next_surplus() {
            dropped.push(inner.seats[slot].take());
            inner.policy.gone(slot);
        }
        drop(inner);
        drop((dropped, waiting));
    }
}

impl<K: Keeper> Room for Pool<K> {
    fn number(&self) -> PoolNumber {
        self.address()
    }

    fn in_the_way(&self) -> Option<InTheWay> {
        let (calls, needs_place) = {
            let inner = self.lock();
            inner.policy.in_the_way(inner.unplaced)?
        };
        // Where more than instances at work have places, one of the others will make room.
        let at_work = if needs_place { Some(self.shared.app.host.all_at_work()?) } else { None };
        Some(InTheWay { calls, at_work })
    }
}

impl<K: Keeper> fmt::Debug for Pool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("key", &self.key).field("counts", &self.counts()).finish()
    }
}
