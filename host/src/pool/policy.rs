//! Who gets which instance of one pool, and when instances start and go. Pure: no guest, no task, and `now` is an argument.
//!
//! ```text
//!            started                    lease                  max-calls, retired
//!  Starting ─────────▶ Ready, idle ◀──────────▶ Ready, busy ──────────▶ Leaving
//!     │ failed            │ idle too long, evicted,   │ broke              │ its last call ended
//!     ▼                   ▼ retired                   ▼                    ▼
//!    gone              Exiting ──▶ gone             gone                Exiting ──▶ gone
//! ```
//! The pool asks in this order after whatever happened: [`Policy::next_grant`] until there is none, [`Policy::next_start`]
//! until there is none, [`Policy::next_surplus`] until there is none.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use slab::Slab;

use super::backoff::Backoff;

/// The settings of a class that its pools live by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Idle instances held ready beyond the busy ones, while there are busy ones.
    pub(crate) buffer_instances: u32,
    /// The most instances, those that exit included.
    pub(crate) max_instances: u32,
    /// Calls inside one instance at a time; 1 is an exclusive instance.
    pub(crate) concurrency: u32,
    /// Callers that may wait.
    pub(crate) max_waiting: u32,
    /// How long an instance may be idle.
    pub(crate) idle_timeout: Duration,
}

/// An instance's place in its pool.
pub(crate) type Slot = usize;

/// A thread that runs calls. What an instance touched last is in the caches of the core that ran it, and moving it to
/// another costs several times the call.
pub(crate) type Home = u32;

/// How many of the idle instances used last are looked through for one of the caller's own thread.
const NEAR: usize = 8;

/// A waiting caller's place: calls that stand deeper first, for those above them keep their instances until they have ended;
/// among equals who waits longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    depth: Reverse<u32>,
    number: u64,
}

/// Who asks for an instance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asks {
    /// False while its app has as many instances at work as it may.
    pub(crate) may_wake: bool,
    /// Where it runs.
    pub(crate) home: Option<Home>,
    /// Calls above it: 0 of who comes from outside.
    pub(crate) depth: u32,
}

/// What a caller gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// The right to run one call in this instance. `wakes` if it was idle: its app has one more instance at work.
    Leased { slot: Slot, wakes: bool },
    /// Nothing yet: [`Policy::enqueue`] is next.
    Wait,
    /// Nothing: starts fail at the moment, and this long none is tried.
    BackingOff(Duration),
    /// Nothing: as many callers wait as may.
    Full,
}

/// What a call that has ended leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// What becomes of the instance.
    pub(crate) fate: Fate,
    /// Whether its app has one instance less at work.
    pub(crate) rests: bool,
}

/// What becomes of an instance whose call has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays, idle or with other calls in it.
    Stays,
    /// It has to exit now; [`Policy::gone`] follows.
    Exits,
    /// It was broken, and is no longer counted.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    /// Takes no more calls, and exits after the last one.
    Leaving,
    /// Broken, while others still hold leases of it.
    Broken,
    Exiting,
}

#[derive(Debug)]
struct Member {
    stage: Stage,
    /// Calls in it now.
    load: u32,
    /// Calls it may still begin; `None` is without end.
    calls_left: Option<u32>,
    /// When its last call ended, or its start.
    idle_since: Instant,
    /// Where that was.
    home: Option<Home>,
}

/// How many instances there are in each state, how many callers wait, and what happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) starting: usize,
    pub(crate) idle: usize,
    pub(crate) busy: usize,
    pub(crate) exiting: usize,
    pub(crate) waiting: usize,
    pub(crate) calls: u64,
    pub(crate) starts: u64,
    pub(crate) failed_starts: u64,
    pub(crate) exits: u64,
    pub(crate) evictions: u64,
}

/// The state of one pool; `W` is how a waiting caller is told.
#[derive(Debug)]
pub(crate) struct Policy<W> {
    limits: Limits,
    /// Instances kept although nobody calls.
    min_instances: u32,
    members: Slab<Member>,
    /// Ready and without a call, the one used last at the back.
    idle: VecDeque<Slot>,
    starting: u32,
    /// Ready or leaving.
    entered: u32,
    /// Ready or leaving, with a call in it.
    busy: u32,
    /// Calls that the ready instances have room for.
    free: u32,
    waiting: BTreeMap<Ticket, W>,
    next_ticket: u64,
    backoff: Backoff,
    /// A start went well since the last that failed. Until then, and while no instance is entered, starts are tried one at
    /// a time, so that a guest which cannot be entered costs one attempt and not as many as there are callers.
    is_proven: bool,
    is_retired: bool,
    /// Totals; the rest is filled in by [`Policy::counts`].
    totals: Counts,
}

impl<W> Policy<W> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            min_instances: 0,
            members: Slab::new(),
            idle: VecDeque::new(),
            starting: 0,
            entered: 0,
            busy: 0,
            free: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            backoff: Backoff::default(),
            is_proven: false,
            is_retired: false,
            totals: Counts::default(),
        }
    }

    /// Goes on from what happened in an earlier pool: the counts of an empty one.
    pub(crate) fn after(mut self, totals: Counts) -> Self {
        self.totals = totals;
        self
    }

    /// A caller comes.
    pub(crate) fn acquire(&mut self, now: impl FnOnce() -> Instant, asks: Asks) -> Acquired {
        let is_first = self.waiting.first_key_value().is_none_or(|(first, _)| asks.depth > first.depth.0);
        if is_first && let Some((slot, wakes)) = self.pick(asks.may_wake, asks.home) {
            return Acquired::Leased { slot, wakes };
        }
        if self.entered == 0
            && self.starting == 0
            && let Some(left) = self.backoff.remaining(now())
        {
            return Acquired::BackingOff(left);
        }
        // Who was called by one that has an instance waits as long as it may: refused, it would have had it for nothing. There
        // are never more than their callers may make.
        if asks.depth > 0 {
            return Acquired::Wait;
        }
        // Those whom a start will serve do not wait for anybody else.
        let unstarted = (self.limits.max_instances as usize).saturating_sub(self.members.len());
        let coming = (unstarted + self.starting as usize) * self.limits.concurrency as usize;
        if self.waiting.len() >= self.limits.max_waiting as usize + coming {
            return Acquired::Full;
        }
        Acquired::Wait
    }

    /// Puts a caller into the queue, at the end of those that stand as deep.
    pub(crate) fn enqueue(&mut self, waiter: W, depth: u32) -> Ticket {
        let ticket = Ticket { depth: Reverse(depth), number: self.next_ticket };
        self.next_ticket += 1;
        self.waiting.insert(ticket, waiter);
        ticket
    }

    /// Keeps that many instances from now on, although nobody calls.
    pub(crate) fn keep(&mut self, min_instances: u32) {
        self.min_instances = min_instances;
    }

    /// Takes a caller out of the queue who no longer waits; `None` if it was served.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<W> {
        self.waiting.remove(&ticket)
    }

    /// Whether the first waiting caller could be served at once, if its app may have another instance at work.
    pub(crate) fn could_grant(&self) -> bool {
        self.free > 0 && !self.waiting.is_empty()
    }

    /// The calls above the first waiting caller.
    pub(crate) fn next_depth(&self) -> u32 {
        self.waiting.first_key_value().map_or(0, |(first, _)| first.depth.0)
    }

    /// The calls of which one has to end before another can begin, and whether a place in the host would do as well; `None`
    /// where it can, or will, begin without either. `unplaced` starts have none.
    pub(crate) fn in_the_way(&self, unplaced: usize) -> Option<(usize, bool)> {
        let starting = self.starting as usize;
        let is_settled = self.free == 0 && self.members.len() == self.entered as usize + starting;
        let is_stuck = if starting > 0 { unplaced >= starting } else { self.is_full() };
        let calls = || self.members.iter().map(|(_, member)| member.load as usize).sum();
        (is_settled && is_stuck).then(|| (calls(), starting > 0))
    }

    /// The longest waiting caller, the instance it gets, and whether that was idle; if there is one.
    pub(crate) fn next_grant(&mut self, may_wake: bool) -> Option<(Slot, bool, W)> {
        if self.waiting.is_empty() {
            return None;
        }
        let (slot, wakes) = self.pick(may_wake, None)?;
        let (_, waiter) = self.waiting.pop_first().expect("it was not empty above");
        Some((slot, wakes, waiter))
    }

    /// Reserves a place for an instance that has to be started now.
    pub(crate) fn next_start(&mut self, now: Instant) -> Option<Slot> {
        let is_probing = (!self.is_proven || self.entered == 0) && self.starting > 0;
        if self.is_full() || is_probing || self.backoff.remaining(now).is_some() || !self.wants_another() {
            return None;
        }
        self.starting += 1;
        let member = Member { stage: Stage::Starting, load: 0, calls_left: None, idle_since: now, home: None };
        Some(self.members.insert(member))
    }

    /// Whether there are as many instances as there may be.
    pub(crate) fn is_full(&self) -> bool {
        self.members.len() >= self.limits.max_instances as usize
    }

    /// Whether a start that has been waiting for a place in the host is still of use; if not, it is [`gone`](Self::gone).
    pub(crate) fn is_start_wanted(&mut self) -> bool {
        // Asked as if this one were not counted.
        self.starting -= 1;
        let wanted = self.wants_another();
        self.starting += 1;
        wanted
    }

    fn wants_another(&self) -> bool {
        let coming = self.free as usize + self.starting as usize * self.limits.concurrency as usize;
        if self.waiting.len() > coming {
            return true;
        }
        if self.is_retired {
            return false;
        }
        let spare = self.idle.len() + self.starting as usize;
        self.entered + self.starting < self.min_instances
            || (self.busy > 0 && spare < self.limits.buffer_instances as usize)
    }

    /// A start went well: the instance is entered. `max_calls` is how many calls it may take.
    pub(crate) fn started(&mut self, slot: Slot, max_calls: Option<u32>, now: Instant) {
        let member = &mut self.members[slot];
        debug_assert_eq!(member.stage, Stage::Starting);
        *member = Member { stage: Stage::Ready, load: 0, calls_left: max_calls, idle_since: now, home: None };
        self.starting -= 1;
        self.entered += 1;
        self.free += self.limits.concurrency;
        self.idle.push_back(slot);
        self.is_proven = true;
        self.backoff.clear();
        self.totals.starts += 1;
    }

    /// A start failed. Gives the callers who have nothing left to wait for.
    pub(crate) fn start_failed(&mut self, slot: Slot, now: Instant) -> impl Iterator<Item = W> + use<W> {
        debug_assert_eq!(self.members[slot].stage, Stage::Starting);
        self.members.remove(slot);
        self.starting -= 1;
        self.is_proven = false;
        self.backoff.failed(now);
        self.totals.failed_starts += 1;
        // Those of a pool with an entered instance go on waiting for it, and so they do for another start.
        let told =
            if self.entered == 0 && self.starting == 0 { std::mem::take(&mut self.waiting) } else { BTreeMap::new() };
        told.into_values()
    }

    /// A call has ended. `is_sound` is false when its instance must not be used again.
    pub(crate) fn release(&mut self, slot: Slot, is_sound: bool, now: Instant, home: Option<Home>) -> Released {
        let concurrency = self.limits.concurrency;
        let busy_before = self.busy;
        let member = &mut self.members[slot];
        member.load -= 1;
        if !is_sound && member.stage != Stage::Broken {
            if member.stage == Stage::Ready {
                self.free -= concurrency - member.load - 1;
            }
            self.entered -= 1;
            self.busy -= 1;
            member.stage = Stage::Broken;
        }
        let fate = match member.stage {
            Stage::Broken => {
                if member.load == 0 {
                    self.members.remove(slot);
                }
                Fate::Gone
            }
            Stage::Ready => {
                self.free += 1;
                if member.load == 0 {
                    member.idle_since = now;
                    member.home = home;
                    self.busy -= 1;
                    self.idle.push_back(slot);
                }
                Fate::Stays
            }
            Stage::Leaving if member.load == 0 => {
                member.stage = Stage::Exiting;
                self.entered -= 1;
                self.busy -= 1;
                Fate::Exits
            }
            Stage::Leaving | Stage::Starting | Stage::Exiting => Fate::Stays,
        };
        Released { fate, rests: self.busy < busy_before }
    }

    /// Lets a busy instance take no more calls; it exits when it is empty.
    pub(crate) fn retire_member(&mut self, slot: Slot) {
        let member = &mut self.members[slot];
        if member.stage == Stage::Ready && member.load > 0 {
            member.stage = Stage::Leaving;
            self.free -= self.limits.concurrency - member.load;
        }
    }

    /// An idle instance that has to exit because its pool is no longer wanted.
    pub(crate) fn next_surplus(&mut self) -> Option<Slot> {
        if self.is_retired && self.waiting.is_empty() { self.exit_oldest() } else { None }
    }

    /// An idle instance that was idle for too long.
    pub(crate) fn next_overdue(&mut self, now: Instant) -> Option<Slot> {
        if self.next_due()? <= now { self.exit_oldest() } else { None }
    }

    /// When [`next_overdue`](Self::next_overdue) has something, if nothing happens before.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let oldest = *self.idle.front()?;
        let is_spare = self.entered + self.starting > self.min_instances
            && (self.busy == 0 || self.idle.len() > self.limits.buffer_instances as usize);
        is_spare.then(|| self.members[oldest].idle_since + self.limits.idle_timeout)
    }

    /// Since when the instance is idle that [`evict`](Self::evict) would take.
    pub(crate) fn oldest_idle(&self) -> Option<Instant> {
        let is_spare = self.entered > self.min_instances;
        self.idle.front().filter(|_| is_spare).map(|slot| self.members[*slot].idle_since)
    }

    /// Takes the instance that was idle longest, for the sake of others.
    pub(crate) fn evict(&mut self) -> Option<Slot> {
        self.oldest_idle()?;
        self.totals.evictions += 1;
        self.exit_oldest()
    }

    fn exit_oldest(&mut self) -> Option<Slot> {
        let slot = self.idle.pop_front()?;
        self.members[slot].stage = Stage::Exiting;
        self.entered -= 1;
        self.free -= self.limits.concurrency;
        Some(slot)
    }

    /// An exit is over, or a start was given up before it began.
    pub(crate) fn gone(&mut self, slot: Slot) {
        match self.members.remove(slot).stage {
            Stage::Starting => self.starting -= 1,
            Stage::Exiting => self.totals.exits += 1,
            stage => debug_assert!(false, "an instance went while {stage:?}"),
        }
    }

    /// From now on instances exit as soon as nobody needs them.
    pub(crate) fn retire(&mut self) {
        self.is_retired = true;
    }

    /// Takes all waiting callers out of the queue.
    pub(crate) fn dismiss_waiting(&mut self) -> impl Iterator<Item = W> + use<W> {
        std::mem::take(&mut self.waiting).into_values()
    }

    /// Whether nothing follows from an instance that became idle: nobody waits, none is missing, none is too many.
    pub(crate) fn is_quiet(&self) -> bool {
        let has_spares = self.min_instances > 0 || self.limits.buffer_instances > 0;
        self.waiting.is_empty() && !self.is_retired && !has_spares
    }

    /// Whether there are instances, in whatever state.
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Whether there is nothing in the pool that anybody would miss.
    pub(crate) fn is_vacant(&self, now: Instant) -> bool {
        let is_kept = self.min_instances > 0 && !self.is_retired;
        let remembers = self.backoff.forgotten_at().is_some_and(|at| now < at) && !self.is_retired;
        self.members.is_empty() && self.waiting.is_empty() && !is_kept && !remembers
    }

    /// When failed starts may be tried again, and when they are forgotten; never now or earlier.
    pub(crate) fn backoff_ends(&self, now: Instant) -> Option<Instant> {
        let wants_more = self.wants_another();
        match self.backoff.remaining(now) {
            Some(left) if wants_more => Some(now + left),
            _ => self.backoff.forgotten_at().filter(|at| now < *at),
        }
    }

    /// How long no start is tried.
    pub(crate) fn backoff_remaining(&self, now: Instant) -> Option<Duration> {
        self.backoff.remaining(now)
    }

    /// The entered instances, those that exit included.
    pub(crate) fn live(&self) -> impl Iterator<Item = Slot> {
        self.members.iter().filter(|(_, member)| member.stage != Stage::Starting).map(|(slot, _)| slot)
    }

    pub(crate) fn counts(&self) -> Counts {
        let exiting = self.members.len() - self.starting as usize - self.entered as usize;
        Counts {
            starting: self.starting as usize,
            idle: self.idle.len(),
            busy: self.busy as usize,
            exiting,
            waiting: self.waiting.len(),
            ..self.totals
        }
    }

    fn pop_idle(&mut self, home: Option<Home>) -> Option<Slot> {
        let last = self.idle.len();
        let near = (last.saturating_sub(NEAR)..last).rev();
        let own = home.and_then(|_| near.into_iter().find(|index| self.members[self.idle[*index]].home == home));
        match own {
            // A move of at most seven.
            Some(index) => self.idle.remove(index),
            None => self.idle.pop_back(),
        }
    }

    /// The idle instance used last, if one may be woken, the caller's own thread's before others; else among busy ones with
    /// room the one with the fewest calls.
    fn pick(&mut self, may_wake: bool, home: Option<Home>) -> Option<(Slot, bool)> {
        if self.free == 0 {
            return None;
        }
        let idle = if may_wake { self.pop_idle(home) } else { None };
        let slot = match idle {
            Some(slot) => {
                self.busy += 1;
                slot
            }
            None if self.limits.concurrency == 1 => return None,
            None => {
                let concurrency = self.limits.concurrency;
                let has_room =
                    |member: &Member| member.stage == Stage::Ready && (1..concurrency).contains(&member.load);
                let open = self.members.iter().filter(|(_, member)| has_room(member));
                open.min_by_key(|(_, member)| member.load)?.0
            }
        };
        let member = &mut self.members[slot];
        member.load += 1;
        self.free -= 1;
        self.totals.calls += 1;
        if let Some(calls_left) = &mut member.calls_left {
            *calls_left = calls_left.saturating_sub(1);
            if *calls_left == 0 {
                self.retire_member(slot);
            }
        }
        Some((slot, idle.is_some()))
    }
}

#[cfg(test)]
mod tests;
