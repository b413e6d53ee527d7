//! What all pools of a host share: places for instances, memory, and each app's bounds. No pool is locked while anything
//! here is, so that both may be asked from anywhere.
//!
//! ```text
//!  a start ── request ──▶ a place is free, memory is left ──▶ Stake
//!                │ none                                         ▲
//!                ▼                                              │ a stake is dropped
//!             queue, the app with the fewest instances first ───┘
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::AnyPool;
use super::rate::Bucket;
use super::tasks::Tasks;
use crate::config::PoolLimits;
use crate::error::{Error, ErrorKind, Result};

/// What an instance is charged beside its linear memory: its store, fiber stack and tables.
pub(crate) const INSTANCE_BYTES: u64 = 256 << 10;

/// The budget of one host.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(super) limits: PoolLimits,
    pub(super) tasks: Tasks,
    places: Mutex<Places>,
    /// Starts that wait in `places`, so that those who give something back need not lock to see that nobody waits.
    starved: AtomicUsize,
    charged_bytes: AtomicU64,
    /// What of it is about to come back: instances that exit.
    leaving_bytes: AtomicU64,
    /// False while no pool has an idle instance, so that those who look for one need not ask every pool.
    has_idle: AtomicBool,
    /// Instances that exit for the sake of a start that waits.
    leaving: AtomicUsize,
    apps: Mutex<HashMap<String, Weak<AppBudget>>>,
    /// The pools that have instances, by their address.
    populated: Mutex<HashMap<usize, Arc<dyn AnyPool>>>,
}

#[derive(Debug)]
struct Places {
    free: u32,
    /// One line for each app that has starts which wait.
    lines: Vec<Line>,
    next_ticket: u64,
}

/// The starts of one app that wait for places, the longest waiting first.
#[derive(Debug)]
struct Line {
    app: Arc<AppBudget>,
    starts: BTreeMap<u64, oneshot::Sender<Stake>>,
}

/// Takes what waits out of its line when it no longer waits.
struct Ticket<'a> {
    app: &'a Arc<AppBudget>,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let host = &self.app.host;
        let given_up = lock(&host.places).give_up(self.app, self.number);
        if given_up.is_some() {
            host.starved.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// An app's share of the budget; versions of an app that follow each other have one.
#[derive(Debug)]
pub(crate) struct AppBudget {
    pub(super) host: Arc<Budget>,
    running: AtomicU32,
    queued: AtomicU32,
    instances: AtomicU32,
    charged_bytes: AtomicU64,
    tuples: AtomicUsize,
    bucket: Mutex<Bucket>,
    /// Pools with callers who wait only because the app runs as many calls as it may.
    held_up: Mutex<VecDeque<Weak<dyn AnyPool>>>,
    is_held_up: AtomicBool,
}

/// A place in the host, and the memory charged for whoever has it.
#[derive(Debug)]
pub(crate) struct Stake {
    app: Arc<AppBudget>,
    bytes: u64,
    is_leaving: bool,
    is_making_room: bool,
    /// Whether its end hands the place on.
    grants: bool,
}

/// Held while a caller waits.
#[derive(Debug)]
pub(super) struct Queued(Arc<AppBudget>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::new(Places { free: limits.max_instances, lines: Vec::new(), next_ticket: 0 }),
            limits,
            tasks: Tasks::default(),
            starved: AtomicUsize::new(0),
            charged_bytes: AtomicU64::new(0),
            leaving_bytes: AtomicU64::new(0),
            has_idle: AtomicBool::new(false),
            leaving: AtomicUsize::new(0),
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
        let PoolLimits { tuples_per_second, tuple_burst, .. } = self.limits;
        let app = Arc::new(AppBudget {
            host: self.clone(),
            running: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            instances: AtomicU32::new(0),
            charged_bytes: AtomicU64::new(0),
            tuples: AtomicUsize::new(0),
            bucket: Mutex::new(Bucket::new(tuples_per_second, tuple_burst, now)),
            held_up: Mutex::default(),
            is_held_up: AtomicBool::new(false),
        });
        apps.insert(name.to_owned(), Arc::downgrade(&app));
        app
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

    /// Evicts idle instances while there is less memory than there should be, or somebody waits for a place.
    pub(super) fn relieve(&self) {
        while self.is_over_memory() {
            if !self.evict(None, |app| app.charged_bytes.load(Ordering::Relaxed)) {
                break;
            }
        }
        while self.starved.load(Ordering::Acquire) > self.leaving.load(Ordering::Relaxed) {
            let usage = |app: &AppBudget| u64::from(app.instances.load(Ordering::Relaxed));
            if !self.asking().iter().any(|app| self.evict(Some(app), usage)) {
                break;
            }
        }
        // Memory may have come back without a place.
        if self.starved.load(Ordering::Acquire) > 0 {
            self.grant();
        }
    }

    /// Whether [`relieve`](Self::relieve) has anything to do.
    pub(super) fn is_strained(&self) -> bool {
        self.starved.load(Ordering::Acquire) > 0 || self.is_over_memory()
    }

    fn is_over_memory(&self) -> bool {
        let staying =
            self.charged_bytes.load(Ordering::Relaxed).saturating_sub(self.leaving_bytes.load(Ordering::Relaxed));
        staying > self.limits.memory_bytes
    }

    /// The apps that wait for places, the one with the fewest instances first.
    fn asking(&self) -> Vec<Arc<AppBudget>> {
        let mut apps: Vec<_> = lock(&self.places).lines.iter().map(|line| line.app.clone()).collect();
        apps.sort_by_key(|app| app.instances.load(Ordering::Relaxed));
        apps
    }

    /// Evicts the least recently used idle instance of the app that uses most. On behalf of an app, only what is its own,
    /// or of an app that uses more than it: who keeps to a share keeps it.
    fn evict(&self, asking: Option<&Arc<AppBudget>>, usage: impl Fn(&AppBudget) -> u64) -> bool {
        // Before the pools are asked, so that what becomes idle meanwhile is not overlooked.
        if !self.has_idle.swap(false, Ordering::SeqCst) {
            return false;
        }
        let pools: Vec<_> = lock(&self.populated).values().cloned().collect();
        let idle: Vec<_> = pools.iter().filter_map(|pool| Some((pool, pool.oldest_idle()?))).collect();
        if !idle.is_empty() {
            self.note_idle();
        }
        let allowed = idle.into_iter().filter(|(pool, _)| match asking {
            Some(asking) => Arc::ptr_eq(asking, pool.app()) || usage(pool.app()) > usage(asking),
            None => true,
        });
        let victim = allowed.max_by_key(|(pool, since)| (usage(pool.app()), std::cmp::Reverse(*since)));
        victim.is_some_and(|(pool, _)| pool.clone().evict(asking.is_some()))
    }

    /// Says that there is an idle instance.
    pub(super) fn note_idle(&self) {
        if !self.has_idle.load(Ordering::SeqCst) {
            self.has_idle.store(true, Ordering::SeqCst);
        }
    }

    /// Hands free places to those who wait.
    fn grant(&self) {
        loop {
            let mut places = lock(&self.places);
            if places.free == 0 || !self.has_memory(&places) {
                return;
            }
            let Some((app, grant)) = places.next() else { return };
            places.free -= 1;
            drop(places);
            self.starved.fetch_sub(1, Ordering::AcqRel);
            if let Err(mut stake) = grant.send(Stake::new(app)) {
                // Whoever went away meanwhile: the next one, in this loop and not from within its drop.
                stake.grants = false;
            }
        }
    }

    /// Whether another instance fits; the first one always does, or nothing could ever run.
    fn has_memory(&self, places: &Places) -> bool {
        let charged = self.charged_bytes.load(Ordering::Relaxed);
        charged.saturating_add(INSTANCE_BYTES) <= self.limits.memory_bytes || places.free == self.limits.max_instances
    }
}

impl Places {
    fn ask(&mut self, app: &Arc<AppBudget>, grant: oneshot::Sender<Stake>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let line = match self.lines.iter_mut().position(|line| Arc::ptr_eq(&line.app, app)) {
            Some(index) => &mut self.lines[index],
            None => {
                self.lines.push(Line { app: app.clone(), starts: BTreeMap::new() });
                self.lines.last_mut().expect("it was pushed just now")
            }
        };
        line.starts.insert(ticket, grant);
        ticket
    }

    /// The start that has waited longest, of the app that has the fewest instances.
    fn next(&mut self) -> Option<(Arc<AppBudget>, oneshot::Sender<Stake>)> {
        let lines = self.lines.iter().enumerate();
        let (index, _) = lines.min_by_key(|(_, line)| line.app.instances.load(Ordering::Relaxed))?;
        let line = &mut self.lines[index];
        let (_, grant) = line.starts.pop_first()?;
        let app = line.app.clone();
        self.drop_if_empty(index);
        Some((app, grant))
    }

    fn give_up(&mut self, app: &Arc<AppBudget>, ticket: u64) -> Option<oneshot::Sender<Stake>> {
        let index = self.lines.iter().position(|line| Arc::ptr_eq(&line.app, app))?;
        let grant = self.lines[index].starts.remove(&ticket);
        self.drop_if_empty(index);
        grant
    }

    fn drop_if_empty(&mut self, index: usize) {
        if self.lines[index].starts.is_empty() {
            self.lines.swap_remove(index);
        }
    }
}

impl AppBudget {
    /// Takes the right to have one more instance at work; [`rest`](Self::rest) gives it back.
    pub(super) fn try_wake(&self) -> bool {
        let one_more = |running: u32| (running < self.host.limits.max_running).then_some(running + 1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Gives back the right, to a pool that waits for it if there is one. Not while a pool is locked.
    pub(super) fn rest(&self) {
        self.rested();
        self.wake_held_up();
    }

    /// Gives back the right; [`wake_held_up`](Self::wake_held_up) follows once no pool is locked.
    pub(super) fn rested(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Lets a pool that waits for the right have it.
    pub(super) fn wake_held_up(&self) {
        // One after another, until the right is taken: who waited in a pool may have gone.
        while self.is_held_up.load(Ordering::SeqCst)
            && self.running.load(Ordering::SeqCst) < self.host.limits.max_running
        {
            let pool = {
                let mut held_up = lock(&self.held_up);
                let pool = held_up.pop_front();
                self.is_held_up.store(!held_up.is_empty(), Ordering::SeqCst);
                pool
            };
            if let Some(pool) = pool.and_then(|pool| pool.upgrade()) {
                pool.poke();
            }
        }
    }

    /// Notes a pool whose callers wait for the app to run less, and looks once more whether it does already.
    pub(super) fn hold_up(&self, pool: Weak<dyn AnyPool>) {
        {
            let mut held_up = lock(&self.held_up);
            held_up.push_back(pool);
            self.is_held_up.store(true, Ordering::SeqCst);
        }
        self.wake_held_up();
    }

    /// Counts a caller who waits.
    ///
    /// # Errors
    ///
    /// `overloaded` when as many wait as may.
    pub(super) fn queue(self: &Arc<Self>) -> Result<Queued> {
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

    /// Counts a new pool; [`forget_tuple`](Self::forget_tuple) gives it back.
    ///
    /// # Errors
    ///
    /// `overloaded` when the app has as many as it may, or made too many of late.
    pub(super) fn admit_tuple(&self, now: Instant) -> Result<()> {
        let PoolLimits { max_tuples, tuples_per_second, .. } = self.host.limits;
        if self.tuples.fetch_add(1, Ordering::Relaxed) >= max_tuples {
            self.forget_tuple();
            let message = format!(
                "this app has pools for {max_tuples} different sets of parameters; the setting is `max-tuples`"
            );
            return Err(overloaded(message, Duration::from_secs(1)).with_limit("max-tuples", max_tuples.to_string()));
        }
        lock(&self.bucket).take(now).map_err(|wait| {
            self.forget_tuple();
            let message = format!(
                "this app makes pools for new sets of parameters faster than {tuples_per_second} a second; the setting is \
                 `tuples-per-second`"
            );
            overloaded(message, wait).with_limit("tuples-per-second", tuples_per_second.to_string())
        })
    }

    pub(super) fn forget_tuple(&self) {
        self.tuples.fetch_sub(1, Ordering::Relaxed);
    }

    /// Pools there are for this app.
    #[cfg(test)]
    pub(super) fn tuples(&self) -> usize {
        self.tuples.load(Ordering::Relaxed)
    }

    /// Whether nothing of the app's share is taken but what idle instances take.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        let none = |count: &AtomicU32| count.load(Ordering::Relaxed) == 0;
        none(&self.running) && none(&self.queued) && lock(&self.host.places).lines.is_empty()
    }

    /// A place in the host for an instance of no pool.
    ///
    /// # Errors
    ///
    /// `overloaded` when none was free in time.
    pub(crate) async fn reserve(self: &Arc<Self>, wait_timeout: Duration) -> Result<Stake> {
        if let Ok(Some((stake, _))) = tokio::time::timeout(wait_timeout, self.place()).await {
            return Ok(stake);
        }
        let max = self.host.limits.max_instances;
        let message = format!("all {max} instances of the host are in use; the setting is `max-instances`");
        Err(overloaded(message, Duration::from_secs(1)).with_limit("max-instances", max.to_string()))
    }

    /// A place in the host, at once or when one is free.
    ///
    /// # Cancel safety
    ///
    /// A place that comes after the future was dropped goes to the next in line.
    pub(super) async fn place(self: &Arc<Self>) -> Option<(Stake, Waited)> {
        let waiting = {
            let mut places = lock(&self.host.places);
            if places.free > 0 && places.lines.is_empty() && self.host.has_memory(&places) {
                places.free -= 1;
                drop(places);
                return Some((Stake::new(self.clone()), Waited::No));
            }
            let (grant, waiting) = oneshot::channel();
            let number = places.ask(self, grant);
            self.host.starved.fetch_add(1, Ordering::AcqRel);
            (waiting, Ticket { app: self, number })
        };
        self.host.relieve();
        let (waiting, _ticket) = waiting;
        Some((waiting.await.ok()?, Waited::Yes))
    }
}

/// Whether a place had to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    No,
    Yes,
}

impl Stake {
    fn new(app: Arc<AppBudget>) -> Self {
        app.instances.fetch_add(1, Ordering::Relaxed);
        let mut stake = Self { app, bytes: 0, is_leaving: false, is_making_room: false, grants: true };
        stake.charge(0);
        stake
    }

    /// Says how much linear memory the instance has beyond what it shares with others.
    pub(super) fn charge(&mut self, memory_bytes: u64) {
        let bytes = memory_bytes.saturating_add(INSTANCE_BYTES);
        let more = bytes.wrapping_sub(self.bytes);
        if more != 0 {
            // Wrapping, so that one addition does for more and for less.
            self.app.charged_bytes.fetch_add(more, Ordering::Relaxed);
            self.app.host.charged_bytes.fetch_add(more, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says that the instance exits, perhaps so that another one can start.
    pub(super) fn leave(&mut self, makes_room: bool) {
        self.is_leaving = true;
        self.is_making_room = makes_room;
        self.app.host.leaving_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        self.app.host.leaving.fetch_add(usize::from(makes_room), Ordering::Relaxed);
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        let host = &self.app.host;
        self.app.instances.fetch_sub(1, Ordering::Relaxed);
        self.app.charged_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        host.charged_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.is_leaving {
            host.leaving_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        host.leaving.fetch_sub(usize::from(self.is_making_room), Ordering::Relaxed);
        lock(&host.places).free += 1;
        if self.grants && host.starved.load(Ordering::Acquire) > 0 {
            host.grant();
        }
    }
}

/// `overloaded`, to be tried again after a while.
pub(super) fn overloaded(message: String, retry_after: Duration) -> Error {
    Error::new(ErrorKind::Overloaded, message).with_retry_after(retry_after)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
