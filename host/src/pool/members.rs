//! One pool: its policy, and the instances and callers that the policy decides about.
//!
//! The lock is held for decisions only. What they ask for, handing over, starting, exiting, dropping, is done after it is
//! released, because all of it may come back here.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::budget::{AppBudget, Queued, Stake, overloaded};
use super::key::Key;
use super::lease::Lease;
use super::passage::{Leaving, Start, drawn};
use super::policy::{Acquired, Counts, Fate, Policy, Released, Slot, Ticket};
use super::{AnyPool, Event, Exit, Held, Keeper, PoolMap, PoolsShared, Started, home, now};
use crate::error::{Error, ErrorKind, Result};

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

/// A caller's place in the queue.
pub(super) struct Waiting<K: Keeper> {
    pool: Arc<Pool<K>>,
    ticket: Ticket,
    lease: oneshot::Receiver<Result<Lease<K>>>,
    _queued: Queued,
}

/// What is to be done once the lock is released.
struct Tasks<K: Keeper> {
    grants: Vec<(Slot, Seated<K>, Waiter<K>)>,
    starts: Vec<Slot>,
    exits: Vec<(Slot, Seated<K>)>,
    is_held_up: bool,
    /// Rights to have one more instance at work that turned out not to be needed.
    unused_wakes: usize,
    visit: Option<Instant>,
    populate: bool,
    close: bool,
}

impl<K: Keeper> Pool<K> {
    pub(super) fn new(shared: Arc<PoolsShared<K>>, key: Key, parameters: K::Parameters, map: &Arc<PoolMap<K>>) -> Self {
        let inner = Inner {
            policy: Policy::new(shared.settings.limits),
            seats: Vec::new(),
            charged: Vec::new(),
            last_error: None,
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

    /// As [`counts`](Self::counts), with the bytes charged for entered instances and the last start's error.
    pub(crate) fn report(&self) -> (Counts, u64, Option<Error>) {
        let inner = self.lock();
        let bytes = inner.policy.live().map(|slot| inner.charged.get(slot).copied().unwrap_or(0)).sum();
        (inner.policy.counts(), bytes, inner.last_error.clone())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn acquire(self: Arc<Self>) -> Step<K> {
        let app = &self.shared.app;
        let may_wake = app.try_wake();
        let now = now();
        let mut inner = self.lock();
        let (step, woke) = if inner.is_closed {
            drop(inner);
            (Step::Closed, false)
        } else {
            match inner.policy.acquire(now, may_wake, Some(home())) {
                Acquired::Leased { slot, wakes } => {
                    let seated = inner.take(slot);
                    drop(inner);
                    (Step::Leased(Lease::new(self.clone(), slot, seated)), wakes)
                }
                otherwise => (self.queue_up(inner, &otherwise, now), false),
            }
        };
        if may_wake && !woke {
            self.shared.app.rest();
        }
        step
    }

    /// What is left for a caller who did not get an instance at once.
    fn queue_up(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner<K>>, acquired: &Acquired, now: Instant) -> Step<K> {
        let refusal = match *acquired {
            Acquired::BackingOff(left) => {
                let message = "no instance is started after the last failure";
                let error = inner.last_error.clone().unwrap_or_else(|| Error::internal(message));
                Some(error.with_retry_after(left))
            }
            Acquired::Full => {
                let max = self.shared.settings.limits.max_waiting;
                let message = format!("{max} callers wait for an instance already; the setting is `max-waiting`");
                let error = overloaded(message, Duration::from_secs(1));
                Some(error.with_limit("max-waiting", max.to_string()))
            }
            Acquired::Leased { .. } | Acquired::Wait => None,
        };
        let queued = match refusal {
            Some(error) => Err(error),
            None => self.shared.app.queue(),
        };
        let queued = match queued {
            Ok(queued) => queued,
            Err(error) => {
                // A pool that was made for this caller alone has nothing to be kept for.
                self.settle(inner, now);
                return Step::Refused(error);
            }
        };
        let (grant, lease) = oneshot::channel();
        let ticket = inner.policy.enqueue(grant);
        self.settle(inner, now);
        Step::Waiting(Waiting { pool: self.clone(), ticket, lease, _queued: queued })
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
        let is_sound = keeper.is_sound(&seated.instance);
        let memory_bytes = keeper.memory_bytes(&seated.instance);
        let now = now();
        let mut inner = self.lock();
        let Released { fate, rests } = inner.policy.release(slot, is_sound, now, Some(home()));
        if rests {
            // Before callers of this pool are looked at, who may be waiting for it.
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
            let tasks = self.decide(inner, now);
            // Its place is free before another start asks for one.
            drop(left);
            self.carry_out(tasks);
        }
        if let Some(seated) = exits {
            self.exit(slot, seated, false);
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

    /// Does what the policy wants done after anything has happened.
    pub(super) fn settle(self: &Arc<Self>, inner: MutexGuard<'_, Inner<K>>, now: Instant) {
        let tasks = self.decide(inner, now);
        self.carry_out(tasks);
    }

    fn decide(&self, mut inner: MutexGuard<'_, Inner<K>>, now: Instant) -> Tasks<K> {
        let app = &self.shared.app;
        let mut tasks = Tasks {
            grants: Vec::new(),
            starts: Vec::new(),
            exits: Vec::new(),
            is_held_up: false,
            unused_wakes: 0,
            visit: None,
            populate: false,
            close: false,
        };
        while inner.policy.could_grant() {
            let may_wake = app.try_wake();
            let granted = inner.policy.next_grant(may_wake);
            tasks.unused_wakes += usize::from(may_wake && granted.as_ref().is_none_or(|(_, wakes, _)| !wakes));
            let Some((slot, _, waiter)) = granted else {
                tasks.is_held_up = !may_wake && !std::mem::replace(&mut inner.is_held_up, true);
                break;
            };
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

    fn carry_out(self: &Arc<Self>, tasks: Tasks<K>) {
        let Tasks { grants, starts, exits, is_held_up, unused_wakes, visit, populate, close } = tasks;
        let host = &self.shared.app.host;
        let weak = || -> Weak<dyn AnyPool> { Arc::downgrade(&(self.clone() as Arc<dyn AnyPool>)) };
        if populate {
            self.tell_populated();
        }
        for (slot, seated, waiter) in grants {
            // A caller who went away meanwhile drops the lease, and the next one gets it.
            drop(waiter.send(Ok(Lease::new(self.clone(), slot, seated))));
        }
        for slot in starts {
            host.tasks.spawn(Start::new(self.clone(), slot).run());
        }
        for (slot, seated) in exits {
            self.exit(slot, seated, false);
        }
        if let Some(at) = visit {
            host.tasks.visit(at, weak());
        }
        (0..unused_wakes).for_each(|_| self.shared.app.rest());
        if is_held_up {
            self.shared.app.hold_up(weak());
        }
        if close {
            self.close();
        }
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
        closes
    }

    fn exit(self: &Arc<Self>, slot: Slot, mut seated: Seated<K>, makes_room: bool) {
        if let Some(stake) = &mut seated.stake {
            stake.leave(makes_room);
        }
        let pool = self.clone();
        self.shared.app.host.tasks.spawn(async move {
            let mut leaving = Leaving { pool, slot, stake: seated.stake, exit: Exit::Failed };
            leaving.exit = leaving.pool.shared.keeper.exit(seated.instance).await;
        });
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

    fn poke(self: Arc<Self>) {
        let mut inner = self.lock();
        inner.is_held_up = false;
        self.settle(inner, now());
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

impl<K: Keeper> fmt::Debug for Pool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("key", &self.key).field("counts", &self.counts()).finish()
    }
}

impl<K: Keeper> Waiting<K> {
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place, or the lease that came meanwhile.
    pub(super) async fn lease(mut self) -> Result<Lease<K>> {
        let limit = self.pool.shared.settings.wait_timeout;
        match tokio::time::timeout(limit, &mut self.lease).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(_)) => Err(Error::new(ErrorKind::Draining, "the host is shutting down")),
            Err(_) => {
                let message = format!("no instance became free within {limit:?}, which is the class's `wait-timeout`");
                let error = overloaded(message, Duration::from_secs(1));
                Err(error.with_limit("wait-timeout", format!("{limit:?}")))
            }
        }
    }
}

impl<K: Keeper> Drop for Waiting<K> {
    fn drop(&mut self) {
        let waiter = self.pool.lock().policy.cancel(self.ticket);
        drop(waiter);
    }
}
