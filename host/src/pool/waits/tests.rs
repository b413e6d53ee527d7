//! Serves the promise that a call which could only wait for its own callers is refused, and no other one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A pool by its number, and how many calls have its instances; `usize::MAX` when there is room.
struct Pool {
    number: PoolNumber,
    in_the_way: AtomicUsize,
    /// The instances at work in the host, where a place is all that is missing; else `usize::MAX`.
    at_work: AtomicUsize,
}

impl Pool {
    fn full(number: PoolNumber, calls: usize) -> Arc<Self> {
        Arc::new(Self { number, in_the_way: AtomicUsize::new(calls), at_work: AtomicUsize::new(usize::MAX) })
    }
}

impl Room for Pool {
    fn number(&self) -> PoolNumber {
        self.number
    }

    fn in_the_way(&self) -> Option<InTheWay> {
        let known = |count: &AtomicUsize| Some(count.load(Ordering::Relaxed)).filter(|count| *count != usize::MAX);
        Some(InTheWay { calls: known(&self.in_the_way)?, at_work: known(&self.at_work) })
    }
}

impl Nested {
    /// Waits, if that is not in vain.
    fn waits(&self, room: Arc<dyn Room>) -> Option<WaitsFor<'_>> {
        let waits = self.wait_for(room);
        if waits.in_vain().is_some() { None } else { Some(waits) }
    }
}

fn waits() -> Arc<Waits> {
    Arc::new(Waits::new(NestedLimits { max_depth: 16, max_width: 100 }))
}

/// A call from outside that has an instance of this pool.
fn outer(number: CallNumber, pool: &Pool) -> Caller {
    Caller { number, depth: 0, pool: pool.number, is_alone: true }
}

/// The same of a call that was made by another one.
fn inner(call: &Nested, pool: &Pool) -> Caller {
    Caller { number: call.number(), depth: call.depth(), pool: pool.number, is_alone: true }
}

#[test]
fn a_call_of_its_own_pool_waits_for_itself() {
    let (waits, pool) = (waits(), Pool::full(1, 1));
    let call = waits.begin(&outer(1, &pool), 2).unwrap();
    assert!(call.waits(pool.clone()).is_none());

    // With a second instance that somebody else has, it is that one's end that it waits for.
    pool.in_the_way.store(2, Ordering::Relaxed);
    assert!(call.waits(pool.clone()).is_some());
    // Until that one waits for the same.
    let other = waits.begin(&outer(3, &pool), 4).unwrap();
    let waiting = call.waits(pool.clone()).unwrap();
    assert!(other.waits(pool.clone()).is_none(), "the last one to wait is the one that is told");
    drop(other);
    drop(waiting);
    assert!(call.waits(pool).is_some());
}

#[test]
fn a_pool_with_room_is_waited_for() {
    let (waits, pool) = (waits(), Pool::full(1, usize::MAX));
    let call = waits.begin(&outer(1, &pool), 2).unwrap();
    assert!(call.waits(pool).is_some());
}

#[test]
fn a_chain_that_comes_back_is_refused() {
    let (waits, a, b) = (waits(), Pool::full(1, 1), Pool::full(2, 1));
    let to_b = waits.begin(&outer(1, &a), 2).unwrap();
    let to_a = waits.begin(&inner(&to_b, &b), 3).unwrap();
    assert!(to_a.waits(a).is_none());
}

#[test]
fn two_chains_that_wait_for_each_other_are_noticed_by_the_second() {
    let (waits, a, b) = (waits(), Pool::full(1, 1), Pool::full(2, 1));
    let to_b = waits.begin(&outer(1, &a), 2).unwrap();
    let to_a = waits.begin(&outer(3, &b), 4).unwrap();
    let first = to_b.waits(b.clone());
    assert!(first.is_some(), "the call in it has made one that does not wait yet");
    assert!(to_a.waits(a.clone()).is_none());
    // Told, it ends, and its caller after it: then there is room for the first.
    drop(to_a);
    assert!(to_b.waits(b).is_some());
}

#[test]
fn a_call_that_made_several_needs_all_of_them() {
    let (waits, a, b, c) = (waits(), Pool::full(1, 1), Pool::full(2, 1), Pool::full(3, 1));
    let outer_a = outer(1, &a);
    let to_c = waits.begin(&outer_a, 2).unwrap();
    let to_b = waits.begin(&outer_a, 3).unwrap();
    let _in_c = to_c.waits(c).unwrap();
    // The call in B waits for A, which one of its two calls keeps from ending.
    let back = waits.begin(&inner(&to_b, &b), 4).unwrap();
    assert!(back.waits(a).is_none());
}

#[test]
fn one_way_out_is_enough() {
    let (waits, a, b) = (waits(), Pool::full(1, 2), Pool::full(2, 1));
    // Two calls have the instances of A. One made a call that has the instance of B, the other one a call that computes.
    let to_b = waits.begin(&outer(1, &a), 2).unwrap();
    let computes = waits.begin(&outer(3, &a), 4).unwrap();
    let back = waits.begin(&inner(&to_b, &b), 5).unwrap();
    let waiting = back.waits(a.clone()).unwrap();
    // Now the other one waits for B as well.
    assert!(computes.waits(b).is_none());
    drop(waiting);
}

#[test]
fn what_has_ended_leaves_nothing() {
    let (waits, a, b) = (waits(), Pool::full(1, 1), Pool::full(2, 1));
    let first = waits.begin(&outer(1, &a), 2).unwrap();
    let second = waits.begin(&inner(&first, &b), 3).unwrap();
    // In whatever order: who is cancelled may go before those that it called.
    drop(first);
    let late = waits.begin(&Caller { number: 2, depth: 1, pool: 2, is_alone: true }, 4).unwrap();
    drop((second, late));
    let graph = waits.lock();
    assert_eq!((graph.calls.len(), graph.holders.len(), graph.alone.len()), (0, 0, 0));
}

#[test]
fn depth_and_width_have_limits() {
    let waits = Arc::new(Waits::new(NestedLimits { max_depth: 1, max_width: 1 }));
    let pool = Pool::full(1, 1);
    let caller = outer(1, &pool);
    let call = waits.begin(&caller, 2).unwrap();
    let error = waits.begin(&inner(&call, &pool), 3).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-call-depth")));
    let error = waits.begin(&caller, 3).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Overloaded, Some("max-nested-calls")));
    drop(call);
    waits.begin(&caller, 3).unwrap();
}

#[test]
fn who_needs_a_place_that_only_its_callers_have_is_refused() {
    let (waits, a, b) = (waits(), Pool::full(1, 1), Pool::full(2, 0));
    b.at_work.store(1, Ordering::Relaxed);
    let call = waits.begin(&outer(1, &a), 2).unwrap();
    let in_vain = call.wait_for(b.clone()).in_vain();
    assert_eq!(in_vain, Some(InTheWay { calls: 0, at_work: Some(1) }));
    // Another instance is at work, for nobody who waits.
    b.at_work.store(2, Ordering::Relaxed);
    assert_eq!(call.wait_for(b.clone()).in_vain(), None);
    // Nor is it in vain while calls that share an instance might let it rest.
    b.at_work.store(1, Ordering::Relaxed);
    drop(call);
    let sharing = Caller { is_alone: false, ..outer(1, &a) };
    let call = waits.begin(&sharing, 2).unwrap();
    assert_eq!(call.wait_for(b).in_vain(), None);
}
