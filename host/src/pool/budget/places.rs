//! The places for instances of a host: who gets one, who waits for one, and what is charged for those who have one.
//!
//! ```text
//!  a start ── request ──▶ a place is free, memory is left ──▶ Stake
//!                │ none                                         ▲
//!                ▼                                              │ a stake is dropped
//!             queue, the app with the fewest instances first ───┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{AppBudget, Budget, lock, overloaded};
use crate::error::{Error, Result};
use crate::manifest::AnySize;

/// What an instance is charged beside its linear memory: its store, fiber stack and tables.
const INSTANCE_BYTES: u64 = 256 << 10;

/// The places of a host.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) free: u32,
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

/// A place in the host, and the memory charged for whoever has it.
#[derive(Debug)]
pub(crate) struct Stake {
    app: Arc<AppBudget>,
    bytes: u64,
    is_leaving: bool,
    is_making_room: bool,
    /// Of an instance of no pool.
    is_outside: bool,
    /// Whether its end hands the place on.
    grants: bool,
}

/// Whether a place had to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Waited {
    No,
    Yes,
}

impl Places {
    pub(super) fn new(free: u32) -> Self {
        Self { free, lines: Vec::new(), next_ticket: 0 }
    }

    /// The apps that wait for places.
    pub(super) fn asking(&self) -> impl Iterator<Item = &Arc<AppBudget>> {
        self.lines.iter().map(|line| &line.app)
    }

    fn ask(&mut self, app: &Arc<AppBudget>, grant: oneshot::Sender<Stake>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let line = match self.lines.iter_mut().position(|line| Arc::ptr_eq(&line.app, app)) {
            Some(index) => &mut self.lines[index],
            None => {
                app.host.looks.shares_changed();
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

impl Budget {
    /// Hands free places to those who wait.
    pub(super) fn grant(&self) {
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

    /// The instances of pools that are at work, if they have all the places there are for pools; `None` while any other has one,
    /// or none is missing.
    pub(in crate::pool) fn all_at_work(&self) -> Option<usize> {
        let free = lock(&self.places).free;
        let taken = (self.limits.max_instances - free) as usize;
        let outside = self.outside.load(Ordering::Relaxed);
        let at_work = self.running();
        (free == 0 && taken <= at_work + outside).then_some(at_work)
    }

    /// `overloaded`: for so long there was no place for an instance, or no memory.
    pub(in crate::pool) fn no_place(&self, waited: Duration) -> Error {
        let lacks_memory = {
            let places = lock(&self.places);
            places.free > 0 && !self.has_memory(&places)
        };
        let (message, setting, limit) = if lacks_memory {
            let max = AnySize::from(self.limits.memory_bytes);
            let message = format!("for {waited:?} the instances of the host took all the memory that they may, {max}");
            (message, "memory-budget", max.to_string())
        } else {
            let max = self.limits.max_instances;
            (format!("for {waited:?} all {max} instances of the host were in use"), "max-instances", max.to_string())
        };
        let message = format!("{message}; the setting is the host's `--{setting}`");
        overloaded(message, Duration::from_secs(1)).with_limit(setting, limit)
    }

    /// Whether another instance fits; the first one always does, or nothing could ever run.
    fn has_memory(&self, places: &Places) -> bool {
        let charged = self.charged_bytes.load(Ordering::Relaxed);
        charged.saturating_add(INSTANCE_BYTES) <= self.limits.memory_bytes || places.free == self.limits.max_instances
    }
}

impl AppBudget {
    /// A place in the host for an instance of no pool.
    ///
    /// # Errors
    ///
    /// `overloaded` when none was free in time.
    pub(crate) async fn reserve(self: &Arc<Self>, wait_timeout: Duration) -> Result<Stake> {
        if let Ok(Some((mut stake, _))) = tokio::time::timeout(wait_timeout, self.place()).await {
            stake.is_outside = true;
            self.host.outside.fetch_add(1, Ordering::Relaxed);
            return Ok(stake);
        }
        Err(self.host.no_place(wait_timeout))
    }

    /// A place in the host, at once or when one is free.
    ///
    /// # Cancel safety
    ///
    /// A place that comes after the future was dropped goes to the next in line.
    pub(in crate::pool) async fn place(self: &Arc<Self>) -> Option<(Stake, Waited)> {
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

impl Stake {
    fn new(app: Arc<AppBudget>) -> Self {
        app.instances.fetch_add(1, Ordering::Relaxed);
        app.host.looks.shares_changed();
        let mut stake =
            Self { app, bytes: 0, is_leaving: false, is_making_room: false, is_outside: false, grants: true };
        stake.charge(0);
        stake
    }

    /// Says how much linear memory the instance has beyond what it shares with others.
    pub(in crate::pool) fn charge(&mut self, memory_bytes: u64) {
        let bytes = memory_bytes.saturating_add(INSTANCE_BYTES);
        let more = bytes.wrapping_sub(self.bytes);
        if more != 0 {
            // Wrapping, so that one addition does for more and for less.
            self.app.charged_bytes.fetch_add(more, Ordering::Relaxed);
            self.app.host.charged_bytes.fetch_add(more, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    pub(in crate::pool) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says that the instance exits, perhaps so that another one can start.
    pub(in crate::pool) fn leave(&mut self, makes_room: bool) {
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
        host.looks.shares_changed();
        self.app.charged_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        host.charged_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.is_leaving {
            host.leaving_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        host.leaving.fetch_sub(usize::from(self.is_making_room), Ordering::Relaxed);
        host.outside.fetch_sub(usize::from(self.is_outside), Ordering::Relaxed);
        lock(&host.places).free += 1;
        if self.grants && host.starved.load(Ordering::Acquire) > 0 {
            host.grant();
        }
    }
}
