//! Serves the promise that calls which others made come before those from outside, and that a full pool knows who is in the
//! way.

use super::*;

#[test]
fn calls_that_stand_deeper_are_served_first_and_never_refused() {
    let (mut policy, now, only) = entered_by("nobody", Limits { max_waiting: 0, ..limits(1, 1) });
    assert_eq!(leased(policy.acquire(|| now, asks(true, None))), Some(only));
    assert_eq!(policy.acquire(|| now, asks(true, None)), Acquired::Full);
    let outside = policy.enqueue("outside", 0);
    for (caller, depth) in [("first", 1), ("second", 1), ("deep", 2)] {
        assert_eq!(policy.acquire(|| now, Asks { depth, ..asks(true, None) }), Acquired::Wait);
        policy.enqueue(caller, depth);
    }
    let mut served = Vec::new();
    loop {
        policy.release(only, true, now, None);
        let Some((slot, _, caller)) = policy.next_grant(true) else { break };
        assert_eq!(slot, only);
        served.push(caller);
    }
    assert_eq!(served, ["deep", "first", "second", "outside"]);
    assert_eq!(policy.cancel(outside), None);
}

#[test]
fn a_deeper_call_overtakes_those_who_wait_for_the_app_to_run_less() {
    let (mut policy, now, only) = entered_by("nobody", limits(1, 1));
    assert_eq!(policy.acquire(|| now, asks(false, None)), Acquired::Wait);
    policy.enqueue("outside", 0);
    assert_eq!(leased(policy.acquire(|| now, Asks { depth: 1, ..asks(true, None) })), Some(only));
}

#[test]
fn calls_are_in_the_way_only_where_nothing_else_helps() {
    let (mut policy, now, first) = entered(limits(2, 2));
    (0..2).for_each(|_| _ = policy.acquire(|| now, asks(true, None)));
    assert_eq!(policy.in_the_way(0), None, "there may be another instance");
    policy.enqueue((), 0);
    let second = policy.next_start(now).expect("nobody else is served");
    assert_eq!(policy.in_the_way(0), None, "one is on its way");
    assert_eq!(policy.in_the_way(1), Some((2, true)), "it has no place");
    policy.started(second, None, now);
    policy.next_grant(true).expect("it waits");
    assert_eq!(policy.in_the_way(0), None, "which has room");
    _ = policy.acquire(|| now, asks(true, None));
    assert_eq!(policy.in_the_way(0), Some((4, false)));
    policy.retire_member(second);
    assert_eq!(policy.in_the_way(0), Some((4, false)), "it goes when its calls have ended");
    policy.release(first, false, now, None);
    assert_eq!(policy.in_the_way(0), None, "one that broke goes by itself");
}
