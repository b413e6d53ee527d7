//! Warm instances, kept by parameters: acquire a [`Lease`], run one call, drop it.
//!
//! ```text
//!  Pools (one class) ── key ──▶ Pool ── Policy decides ──▶ Lease ── dropped ──▶ back to the pool, or gone
//!       DashMap                  │  lock for a moment
//!                                └── starts and exits are tasks of the host, see tasks; their places come from budget
//! ```
//! A start belongs to its pool, not to the caller who asked for it: it is a task, or runs in that of a caller who does nothing
//! else, and goes on as a task when that one goes. Whatever is dropped, a lease, a caller's future, a start,
//! gives back what it held. What an instance is and how it starts is a [`Keeper`]'s affair: this module must not know
//! guests, apps or fronts.

mod backoff;
mod budget;
mod departed;
mod key;
mod lease;
mod members;
mod passage;
mod policy;
mod rate;
mod tasks;
#[cfg(test)]
mod tests;
mod waits;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use tracing::Span;

use crate::error::{Error, Result};

pub(crate) use budget::{AppBudget, Budget, Stake};
use departed::Departed;
use key::Key;
pub(crate) use lease::{Guest, Lease};
pub(crate) use members::Pool;
use policy::Home;
pub(crate) use policy::{Counts, Limits};
pub(crate) use waits::{CallNumber, Caller, Nested, Waits};

/// The time by which pools live; tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A number of this thread's own.
fn home() -> Home {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static HOME: Home = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    HOME.with(|home| *home)
}

/// What the pools of one class keep, and how it starts and ends.
pub(crate) trait Keeper: Send + Sync + Sized + 'static {
    /// What the instances of one pool are entered with.
    type Parameters: Send + Sync + 'static;
    /// An instance that travels with its lease.
    type Exclusive: Send + 'static;
    /// An instance in which several calls run at a time, by its handle.
    type Shared: Send + Sync + 'static;

    /// Starts an instance and enters it.
    fn start(&self, parameters: &Self::Parameters) -> impl Future<Output = Result<Started<Self>>> + Send;

    /// Ends an instance that is entered, sound and idle, and says whether its `exit` went well: gone it is either way.
    fn exit(&self, instance: Held<Self>) -> impl Future<Output = Exit> + Send;

    /// Whether nothing runs at the end of this instance, so that it is as well dropped.
    fn exits_silently(&self, instance: &Held<Self>) -> bool;

    /// Whether the instance may be used again. Asked after each call.
    fn condition(&self, instance: &Held<Self>) -> Condition;

    /// Bytes of linear memory beyond what instances share.
    fn memory_bytes(&self, instance: &Held<Self>) -> u64;

    /// The span of a task of an instance's. No caller's: it outlives them, and serves others as well.
    fn span(&self, task: Task) -> Span;

    /// What the instances of one pool are, in words for a message.
    fn describe(&self, parameters: &Self::Parameters) -> String;

    /// Hears what happens, for metrics and logs.
    fn note(&self, event: Event<'_>);
}

/// An instance that was just entered.
pub(crate) struct Started<K: Keeper> {
    /// Its number, unique in the process.
    pub(crate) id: u64,
    /// The instance.
    pub(crate) instance: Held<K>,
}

/// An instance, or a handle to one that others have handles of too.
pub(crate) enum Held<K: Keeper> {
    /// The instance itself.
    Exclusive(Box<K::Exclusive>),
    /// One of its handles.
    Shared(Arc<K::Shared>),
}

/// What an instance is good for after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// For other calls.
    Sound,
    /// For its exit alone, once it is empty.
    Worn,
    /// For nothing.
    Broken,
}

/// What an instance is about when it is with no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// It starts, and has no number yet.
    Start,
    /// The one with this number exits.
    Exit(u64),
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Its `exit` went well, or it has none.
    Ok,
    /// Its `exit` failed, was too slow, or was cut off.
    Failed,
}

/// Something that happened to an instance outside of any call.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A start ended after this long.
    Started { took: Duration, error: Option<&'a Error> },
    /// An idle instance had to go for the sake of others.
    Evicted,
    /// An instance was let out, and is gone.
    Exited(Exit),
}

/// What the host's budget asks of a pool, whatever it keeps.
pub(crate) trait AnyPool: Send + Sync + fmt::Debug {
    /// Whose the pool is.
    fn app(&self) -> &Arc<AppBudget>;
    /// The same number for the same pool.
    fn address(&self) -> usize;
    /// Since when the instance is idle that [`evict`](Self::evict) would take.
    fn oldest_idle(&self) -> Option<Instant>;
    /// Exits the instance that was idle longest, if there is one.
    fn evict(self: Arc<Self>, makes_room: bool) -> bool;
    /// Gives its callers the right to have one more instance at work, and says whether one of them used it.
    fn poke(self: Arc<Self>) -> bool;
    /// Does what is due by now.
    fn visit(self: Arc<Self>, now: Instant);
    /// Lets all instances exit as soon as nobody uses them, now and later.
    fn retire(self: Arc<Self>);
    /// Drops all idle instances without `exit`.
    fn abandon(self: Arc<Self>);
}

/// Where a start runs that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starts {
    /// As a task of the host.
    AsTasks,
    /// In the caller's, while it waits.
    Here,
}

/// The pools of one class.
pub(crate) struct Pools<K: Keeper> {
    shared: Arc<PoolsShared<K>>,
    map: Arc<PoolMap<K>>,
}

type PoolMap<K> = DashMap<Key, Arc<Pool<K>>>;

/// What the pools of one class have in common.
struct PoolsShared<K: Keeper> {
    keeper: K,
    settings: Settings,
    app: Arc<AppBudget>,
    /// Locked for pools that come and go, under the map's lock for their key, and never in a call.
    departed: Mutex<Departed>,
}

impl<K: Keeper> PoolsShared<K> {
    fn departed<T>(&self, work: impl FnOnce(&mut Departed) -> T) -> T {
        work(&mut self.departed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The settings of a class that its pools live by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// For the policy of each pool.
    pub(crate) limits: Limits,
    /// How long a caller waits for an instance.
    pub(crate) wait_timeout: Duration,
    /// After how many calls an instance is recycled: a number drawn from this range for each.
    pub(crate) max_calls: Option<(u32, u32)>,
}

impl<K: Keeper> Pools<K> {
    pub(crate) fn new(keeper: K, settings: Settings, app: Arc<AppBudget>) -> Self {
        let shared = PoolsShared { keeper, settings, app, departed: Mutex::default() };
        Self { shared: Arc::new(shared), map: Arc::default() }
    }

    pub(crate) fn keeper(&self) -> &K {
        &self.shared.keeper
    }

    /// The budget of the app they belong to.
    pub(crate) fn app(&self) -> &Arc<AppBudget> {
        &self.shared.app
    }

    /// Leases an instance of the pool with this key, which is made with `parameters` if there is none. `nested` is the call it
    /// is for, if another one made that.
    ///
    /// # Errors
    ///
    /// `overloaded` when as many callers wait as may, for as long as they may, or when the app has too many pools;
    /// `would-deadlock` where a nested call could only wait for its own callers;
    /// what the start of an instance failed with, also while none is tried because the last one failed.
    ///
    /// # Cancel safety
    ///
    /// A caller who goes gives up a place in the queue, or a lease. A start goes on.
    pub(crate) async fn acquire(
        &self,
        key: &[u8],
        parameters: impl Fn() -> K::Parameters,
        nested: Option<&Nested>,
    ) -> Result<Lease<K>> {
        self.acquire_from(key, parameters, nested, Starts::AsTasks).await
    }

    /// As [`acquire`](Self::acquire), for a caller whose task waits for nothing else until it has a lease or is dropped: a
    /// start runs in it, without a hop, and others may wait for that.
    pub(crate) async fn acquire_here(&self, key: &[u8], parameters: impl Fn() -> K::Parameters) -> Result<Lease<K>> {
        self.acquire_from(key, parameters, None, Starts::Here).await
    }

    async fn acquire_from(
        &self,
        key: &[u8],
        parameters: impl Fn() -> K::Parameters,
        nested: Option<&Nested>,
        starts: Starts,
    ) -> Result<Lease<K>> {
        let depth = nested.map_or(0, Nested::depth);
        loop {
            // The short way: the pool is there, and an instance is idle.
            let pool = self.map.get(key).map(|pool| pool.value().clone());
            let pool = match pool {
                Some(pool) => pool,
                None => self.pool(key, &parameters)?,
            };
            match pool.acquire(depth, starts) {
                members::Step::Leased(lease) => return Ok(lease),
                members::Step::Refused(error) => return Err(error),
                // Rare, and large: it is not to make every call's future larger.
                members::Step::Waiting(waiting) => return Box::pin(waiting.lease(nested)).await,
                // It was empty and is being taken away; the next one will not be.
                members::Step::Closed => self.forget_closed(key),
            }
        }
    }

    /// The pool with this key, made if there is none.
    fn pool(&self, key: &[u8], parameters: impl Fn() -> K::Parameters) -> Result<Arc<Pool<K>>> {
        let app = &self.shared.app;
        app.host.tasks.enter_runtime();
        match self.map.entry(Key::from(key)) {
            dashmap::Entry::Occupied(pool) => Ok(pool.get().clone()),
            dashmap::Entry::Vacant(vacant) => {
                // A class without parameters has one pool, however often it runs empty and comes back.
                app.admit_tuple(now(), !key.is_empty())?;
                let pool = Arc::new(Pool::new(self.shared.clone(), vacant.key().clone(), parameters(), &self.map));
                Ok(vacant.insert(pool).clone())
            }
        }
    }

    fn forget_closed(&self, key: &[u8]) {
        self.map.remove_if(key, |_, pool| pool.is_closed());
    }

    /// Makes the pool with this key and keeps that many instances in it, until the class is retired.
    ///
    /// # Errors
    ///
    /// `overloaded` when the app may have no more pools.
    pub(crate) fn keep(&self, key: &[u8], instances: u32, parameters: impl Fn() -> K::Parameters) -> Result<()> {
        self.pool(key, parameters)?.keep(instances);
        Ok(())
    }

    /// Every pool there is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Arc<Pool<K>>> {
        // Collected first: what is done with one must not happen under the map's lock.
        self.map.iter().map(|pool| pool.value().clone()).collect::<Vec<_>>().into_iter()
    }

    /// Lets all instances exit as soon as nobody uses them, now and later.
    pub(crate) fn retire(&self) {
        self.iter().for_each(AnyPool::retire);
    }
}

impl<K: Keeper> Drop for Pools<K> {
    fn drop(&mut self) {
        self.retire();
    }
}

impl<K: Keeper> fmt::Debug for Pools<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("pools", &self.map.len()).finish_non_exhaustive()
    }
}
