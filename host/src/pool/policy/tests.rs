//! The policy against a reference that is too simple to be wrong, with random operations and invented time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

mod nested;

fn limits(max_instances: u32, concurrency: u32) -> Limits {
    Limits { buffer_instances: 0, max_instances, concurrency, max_waiting: 4, idle_timeout: Duration::from_secs(60) }
}

/// What a caller may do to a pool, and what may happen in it. Numbers pick among what there is at the moment.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Acquire { may_wake: bool },
    Cancel(usize),
    StartEnds { which: usize, well: bool, max_calls: Option<u32> },
    Release { which: usize, is_sound: bool },
    RetireMember(usize),
    Pass(u64),
    Evict,
    ExitEnds(usize),
    Keep(u32),
    Retire,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => prop::bool::weighted(0.9).prop_map(|may_wake| Operation::Acquire { may_wake }),
        2 => any::<usize>().prop_map(Operation::Cancel),
        8 => (any::<usize>(), prop::bool::weighted(0.8), prop::option::weighted(0.2, 1..4u32))
            .prop_map(|(which, well, max_calls)| Operation::StartEnds { which, well, max_calls }),
        10 => (any::<usize>(), prop::bool::weighted(0.9))
            .prop_map(|(which, is_sound)| Operation::Release { which, is_sound }),
        1 => any::<usize>().prop_map(Operation::RetireMember),
        3 => (0..90_000u64).prop_map(Operation::Pass),
        2 => Just(Operation::Evict),
        4 => any::<usize>().prop_map(Operation::ExitEnds),
        1 => (0..3u32).prop_map(Operation::Keep),
        1 => Just(Operation::Retire),
    ]
}

/// All that is known of the pool from outside.
struct Reference {
    policy: Policy<()>,
    now: Instant,
    limits: Limits,
    may_wake: bool,
    is_retired: bool,
    starting: BTreeSet<Slot>,
    /// Entered and sound instances, with the calls in them and whether they take more.
    entered: BTreeMap<Slot, (u32, bool)>,
    /// Broken instances with the calls that are still in them.
    broken: BTreeMap<Slot, u32>,
    exiting: BTreeSet<Slot>,
    waiting: BTreeSet<Ticket>,
    exits: u64,
}

fn nth<T: Copy>(mut items: impl ExactSizeIterator<Item = T>, which: usize) -> Option<T> {
    let len = items.len();
    items.nth(which.checked_rem(len)?)
}

impl Reference {
    fn new(limits: Limits) -> Self {
        Self {
            policy: Policy::new(limits),
            now: Instant::now(),
            limits,
            may_wake: true,
            is_retired: false,
            starting: BTreeSet::new(),
            entered: BTreeMap::new(),
            broken: BTreeMap::new(),
            exiting: BTreeSet::new(),
            waiting: BTreeSet::new(),
            exits: 0,
        }
    }

    fn leased(&mut self, slot: Slot, wakes: bool) {
        assert!(self.may_wake || !wakes, "an idle instance was woken although none may be");
        let (load, is_open) = self.entered.get_mut(&slot).expect("only an entered instance is leased");
        assert!(*is_open, "an instance that takes no more calls was leased");
        assert_eq!(*load == 0, wakes);
        *load += 1;
        assert!(*load <= self.limits.concurrency, "an instance has more leases than it may");
    }

    /// An instance is told to exit.
    fn exits(&mut self, slot: Slot) {
        let (load, _) = self.entered.remove(&slot).expect("only an entered instance exits, and only once");
        assert_eq!(load, 0, "an instance exits while a call is in it");
        assert!(self.exiting.insert(slot));
        self.exits += 1;
    }

    fn apply(&mut self, operation: Operation) {
        let leases = || {
            self.entered
                .iter()
                .map(|(slot, (load, _))| (*slot, *load))
                .chain(self.broken.iter().map(|(slot, load)| (*slot, *load)))
        };
        let busy: Vec<Slot> = leases().filter(|(_, load)| *load > 0).map(|(slot, _)| slot).collect();
        match operation {
            Operation::Acquire { may_wake } => {
                self.may_wake = may_wake;
                let now = self.now;
                match self.policy.acquire(|| now, asks(may_wake, None)) {
                    Acquired::Leased { slot, wakes } => {
                        assert!(self.waiting.is_empty(), "a caller overtook those who wait");
                        self.leased(slot, wakes);
                    }
                    Acquired::Wait => assert!(self.waiting.insert(self.policy.enqueue((), 0))),
                    Acquired::Full => assert!(self.waiting.len() >= self.limits.max_waiting as usize),
                    Acquired::BackingOff(left) => {
                        assert!(!left.is_zero() && self.entered.is_empty() && self.starting.is_empty());
                    }
                }
            }
            Operation::Cancel(which) => {
                let Some(ticket) = nth(self.waiting.iter().copied().collect::<Vec<_>>().into_iter(), which) else {
                    return;
                };
                assert!(self.policy.cancel(ticket).is_some());
                self.waiting.remove(&ticket);
            }
            Operation::StartEnds { which, well, max_calls } => {
                let Some(slot) = nth(self.starting.iter().copied().collect::<Vec<_>>().into_iter(), which) else {
                    return;
                };
                self.starting.remove(&slot);
                if well {
                    self.policy.started(slot, max_calls, self.now);
                    self.entered.insert(slot, (0, true));
                } else {
                    let told = self.policy.start_failed(slot, self.now).count();
                    assert!(told == 0 || told == self.waiting.len(), "all who wait are told, or none");
                    let is_something_left = !self.entered.is_empty() || !self.starting.is_empty();
                    assert_eq!(told == 0, self.waiting.is_empty() || is_something_left);
                    if told > 0 {
                        self.waiting.clear();
                    }
                }
            }
            Operation::Release { which, is_sound } => {
                let Some(slot) = nth(busy.into_iter(), which) else { return };
                self.release(slot, is_sound);
            }
            Operation::RetireMember(which) => {
                let Some(slot) = nth(busy.into_iter(), which) else { return };
                self.policy.retire_member(slot);
                if let Some((_, is_open)) = self.entered.get_mut(&slot) {
                    *is_open = false;
                }
            }
            Operation::Pass(millis) => {
                self.now += Duration::from_millis(millis);
                while let Some(slot) = self.policy.next_overdue(self.now) {
                    self.exits(slot);
                }
                assert!(self.policy.next_due().is_none_or(|at| at > self.now), "a visit leaves nothing overdue");
            }
            Operation::Evict => {
                if let Some(slot) = self.policy.evict() {
                    self.exits(slot);
                }
            }
            Operation::ExitEnds(which) => {
                let Some(slot) = nth(self.exiting.iter().copied().collect::<Vec<_>>().into_iter(), which) else {
                    return;
                };
                self.exiting.remove(&slot);
                self.policy.gone(slot);
            }
            Operation::Keep(instances) => self.policy.keep(instances),
            Operation::Retire => {
                self.policy.retire();
                self.is_retired = true;
            }
        }
    }

    fn release(&mut self, slot: Slot, is_sound: bool) {
        let at_work = self.policy.counts().busy;
        let Released { fate: released, rests } = self.policy.release(slot, is_sound, self.now, None);
        assert_eq!(rests, self.policy.counts().busy < at_work);
        if let Some(load) = self.broken.get_mut(&slot) {
            *load -= 1;
            assert_eq!(released, Fate::Gone);
        } else {
            let (load, is_open) = self.entered.get_mut(&slot).expect("it was leased");
            *load -= 1;
            let (load, is_open) = (*load, *is_open);
            match released {
                Fate::Stays => assert!(is_sound && (is_open || load > 0)),
                Fate::Exits => {
                    assert!(is_sound && load == 0);
                    self.exits(slot);
                }
                Fate::Gone => {
                    assert!(!is_sound, "a sound instance is given up");
                    self.entered.remove(&slot);
                    self.broken.insert(slot, load);
                }
            }
        }
        self.broken.retain(|_, load| *load > 0);
    }

    /// Does what the policy asks for, as a pool does after every event.
    fn settle(&mut self) {
        while self.policy.could_grant() {
            let Some((slot, wakes, ())) = self.policy.next_grant(self.may_wake) else {
                assert!(!self.may_wake, "the policy said that it could");
                break;
            };
            let first = self.waiting.pop_first().expect("somebody waits");
            assert!(self.policy.cancel(first).is_none(), "it was the longest waiting who was served");
            self.leased(slot, wakes);
            // `max-calls` may have been reached; the policy says so by its counts alone.
            let is_open = self.policy.members[slot].stage == Stage::Ready;
            self.entered.insert(slot, (self.entered[&slot].0, is_open));
        }
        while let Some(slot) = self.policy.next_start(self.now) {
            assert!(self.starting.is_empty() || !self.entered.is_empty(), "two starts of what may not start at all");
            assert!(self.starting.insert(slot));
        }
        while let Some(slot) = self.policy.next_surplus() {
            self.exits(slot);
        }
        // The same for a lease that was given at once.
        for (slot, (_, is_open)) in &mut self.entered {
            *is_open = self.policy.members[*slot].stage == Stage::Ready;
        }
    }

    fn check(&self) {
        let live = self.starting.len() + self.entered.len() + self.exiting.len() + self.broken.len();
        assert!(live <= self.limits.max_instances as usize, "more instances than there may be");
        let counts = self.policy.counts();
        let busy = self.entered.values().filter(|(load, _)| *load > 0).count();
        assert_eq!(counts.starting, self.starting.len());
        assert_eq!(counts.busy, busy);
        assert_eq!(counts.idle, self.entered.len() - busy);
        assert_eq!(counts.exiting, self.exiting.len() + self.broken.len());
        assert_eq!(counts.waiting, self.waiting.len());
        assert_eq!(counts.exits + self.exiting.len() as u64, self.exits);
        let next_visit = self.policy.backoff_ends(self.now);
        assert!(next_visit.is_none_or(|at| at > self.now), "a visit is asked for that was made already");
        self.check_nobody_waits_in_vain(live);
    }

    fn check_nobody_waits_in_vain(&self, live: usize) {
        if self.waiting.is_empty() {
            return;
        }
        let has_room =
            |(load, is_open): &(u32, bool)| *is_open && *load < self.limits.concurrency && (*load > 0 || self.may_wake);
        assert!(!self.entered.values().any(has_room), "callers wait while an instance has room");
        let coming = self.starting.len() * self.limits.concurrency as usize;
        let is_full = live >= self.limits.max_instances as usize;
        let is_backing_off = self.policy.backoff.remaining(self.now).is_some();
        let is_alone = !self.policy.is_proven || self.entered.is_empty();
        let is_probing = is_alone && !self.starting.is_empty();
        let is_enough = coming + self.policy.free as usize >= self.waiting.len();
        assert!(is_enough || is_full || is_backing_off || is_probing, "callers wait while another could start");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        operations in prop::collection::vec(operation(), 0..120),
        max_instances in 1..5u32,
        concurrency in prop_oneof![Just(1u32), 2..5u32],
        buffer_instances in 0..3u32,
    ) {
        let limits = Limits { buffer_instances, ..limits(max_instances, concurrency) };
        let mut pool = Reference::new(limits);
        for operation in operations {
            pool.apply(operation);
            pool.settle();
            pool.check();
        }
        // At the end everybody goes home: nothing is left over, and every entered instance that is sound exits once.
        pool.may_wake = true;
        pool.apply(Operation::Retire);
        for _ in 0..1_000 {
            pool.apply(Operation::Pass(120_000));
            pool.apply(Operation::StartEnds { which: 0, well: true, max_calls: None });
            pool.apply(Operation::Release { which: 0, is_sound: true });
            pool.apply(Operation::ExitEnds(0));
            pool.settle();
            pool.check();
        }
        prop_assert!(pool.policy.is_vacant(pool.now), "{:?}", pool.policy.counts());
    }
}

fn leased(acquired: Acquired) -> Option<Slot> {
    if let Acquired::Leased { slot, .. } = acquired { Some(slot) } else { None }
}

/// A pool with one idle instance.
fn entered(limits: Limits) -> (Policy<()>, Instant, Slot) {
    entered_by((), limits)
}

/// The same, for a caller who has gone.
fn entered_by<W>(caller: W, limits: Limits) -> (Policy<W>, Instant, Slot) {
    let (mut policy, now) = (Policy::new(limits), Instant::now());
    assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::Wait);
    let ticket = policy.enqueue(caller, 0);
    let slot = policy.next_start(now).unwrap();
    policy.cancel(ticket);
    policy.started(slot, None, now);
    (policy, now, slot)
}

#[test]
fn the_instance_used_last_is_used_next() {
    let (mut policy, now, first) = entered(limits(2, 1));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
    policy.enqueue((), 0);
    let second = policy.next_start(now).unwrap();
    policy.started(second, None, now);
    assert_eq!(policy.next_grant(true).map(|(slot, _, ())| slot), Some(second));
    policy.release(second, true, now, None);
    policy.release(first, true, now, None);
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
}

#[test]
fn a_thread_gets_the_instance_that_it_used_itself() {
    let (mut policy, now, first) = entered(limits(2, 1));
    assert_eq!(leased(policy.acquire(|| now, asks(true, Some(1)))), Some(first));
    policy.enqueue((), 0);
    let second = policy.next_start(now).unwrap();
    policy.started(second, None, now);
    assert!(policy.next_grant(true).is_some());
    policy.release(first, true, now, Some(1));
    policy.release(second, true, now, Some(2));
    assert_eq!(leased(policy.acquire(|| now, asks(true, Some(1)))), Some(first), "although the other was used later");
    policy.release(first, true, now, Some(1));
    assert_eq!(
        leased(policy.acquire(|| now, asks(true, Some(3)))),
        Some(first),
        "the one used last, for a thread that used none"
    );
}

#[test]
fn shared_instances_fill_evenly() {
    let (mut policy, now, first) = entered(limits(2, 3));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
    assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::Wait);
    policy.enqueue((), 0);
    let second = policy.next_start(now).unwrap();
    policy.started(second, None, now);
    assert_eq!(policy.next_grant(true).map(|(slot, _, ())| slot), Some(second));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(second), "one call beside three");
}

#[test]
fn a_cold_pool_is_tried_by_one_start_and_then_by_all() {
    let (mut policy, now) = (Policy::new(limits(4, 1)), Instant::now());
    (0..4).for_each(|_| _ = policy.enqueue((), 0));
    let first = policy.next_start(now).unwrap();
    assert_eq!(policy.next_start(now), None);
    policy.started(first, None, now);
    assert!(policy.next_grant(true).is_some());
    assert!((0..3).all(|_| policy.next_start(now).is_some()));
    assert_eq!(policy.next_start(now), None);
}

#[test]
fn a_failing_enter_is_tried_once_per_step() {
    let (mut policy, mut now) = (Policy::new(limits(4, 1)), Instant::now());
    for step in [1, 2, 4] {
        assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::Wait);
        (0..4).for_each(|_| _ = policy.enqueue((), 0));
        let slot = policy.next_start(now).unwrap();
        assert_eq!(policy.next_start(now), None);
        assert_eq!(policy.start_failed(slot, now).count(), 4, "all who waited are told");
        assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::BackingOff(Duration::from_secs(step)));
        assert!(!policy.is_vacant(now), "the failure is remembered");
        now += Duration::from_secs(step);
    }
}

#[test]
fn without_an_entered_instance_one_start_is_tried_at_a_time_also_of_a_guest_that_worked() {
    let (mut policy, now, only) = entered(limits(4, 1));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(only));
    (0..4).for_each(|_| _ = policy.enqueue((), 0));
    let others: Vec<_> = std::iter::from_fn(|| policy.next_start(now)).collect();
    assert_eq!(others.len(), 3, "one is entered");
    policy.release(only, false, now, None);
    assert_eq!(policy.next_start(now), None, "now none is");
    assert_eq!(policy.start_failed(others[0], now).count(), 0, "two more are under way");
    assert_eq!(policy.start_failed(others[1], now).count(), 0, "one more is");
    assert_eq!(policy.start_failed(others[2], now).count(), 4, "nothing is left to wait for");
    let later = now + Duration::from_secs(1);
    (0..4).for_each(|_| _ = policy.enqueue((), 0));
    assert!(policy.next_start(later).is_some());
    assert_eq!(policy.next_start(later), None);
}

#[test]
fn a_failure_that_is_forgotten_asks_for_no_visit() {
    let (mut policy, now, only) = entered(limits(2, 1));
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(only));
    let ticket = policy.enqueue((), 0);
    let second = policy.next_start(now).unwrap();
    assert_eq!(policy.start_failed(second, now).count(), 0);
    assert_eq!(policy.backoff_ends(now), Some(now + Duration::from_secs(1)), "the next attempt");
    policy.cancel(ticket);
    let forgotten = now + Duration::from_secs(61);
    assert_eq!(policy.backoff_ends(now), Some(forgotten));
    assert_eq!(policy.backoff_ends(forgotten), None);
}

#[test]
fn idle_instances_go_the_oldest_first_but_for_those_that_are_kept() {
    let (mut policy, now, first) = entered(limits(3, 1));
    policy.keep(1);
    assert_eq!(policy.next_overdue(now + Duration::from_secs(61)), None, "one is kept");
    policy.keep(2);
    let second = policy.next_start(now).unwrap();
    policy.started(second, None, now + Duration::from_secs(1));
    policy.keep(1);
    assert_eq!(policy.next_due(), Some(now + Duration::from_secs(60)));
    assert_eq!(policy.next_overdue(now + Duration::from_secs(60)), Some(first));
    assert_eq!(policy.evict(), None, "what is kept is not evicted either");
}

#[test]
fn spare_instances_are_held_while_there_are_busy_ones() {
    let (mut policy, now, first) = entered(Limits { buffer_instances: 1, ..limits(3, 1) });
    assert_eq!(policy.next_start(now), None, "nobody is busy");
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(first));
    let spare = policy.next_start(now).unwrap();
    policy.started(spare, None, now);
    let late = now + Duration::from_secs(3600);
    assert_eq!(policy.next_overdue(late), None);
    policy.release(first, true, late, None);
    assert_eq!(policy.next_overdue(late), Some(spare));
}

#[test]
fn after_its_last_call_an_instance_exits() {
    let (mut policy, now) = (Policy::new(limits(1, 1)), Instant::now());
    policy.enqueue((), 0);
    let slot = policy.next_start(now).unwrap();
    policy.started(slot, Some(2), now);
    assert!(policy.next_grant(true).is_some());
    assert_eq!(policy.release(slot, true, now, None).fate, Fate::Stays);
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(slot));
    assert_eq!(policy.release(slot, true, now, None).fate, Fate::Exits);
    assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::Wait, "there may be one, and that one exits");
    policy.enqueue((), 0);
    assert_eq!(policy.next_start(now), None);
    policy.gone(slot);
    assert!(policy.next_start(now).is_some());
}

fn asks(may_wake: bool, home: Option<Home>) -> Asks {
    Asks { may_wake, home, depth: 0 }
}
