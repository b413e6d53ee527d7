//! From start to exit: who starts instances, who waits for them, and when they go.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_one_after_another_enter_once() {
    let bed = Bed::new(host(8));
    let class = bed.class("a", settings(4), MS);
    let first = call(&class, 1, MS).await.unwrap();
    for _ in 1..1_000 {
        assert_eq!(call(&class, 1, MS).await.unwrap(), first);
    }
    assert_eq!(bed.entered(), [1]);
    assert_ne!(call(&class, 2, MS).await.unwrap(), first);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_herd_on_a_cold_tuple_is_served_by_as_many_as_there_may_be() {
    let bed = Bed::new(host(100));
    let class = Arc::new(bed.class("a", settings(4), Duration::from_secs(1)));
    let mut herd = JoinSet::new();
    for _ in 0..1_000 {
        let class = class.clone();
        herd.spawn(async move { call(&class, 1, MS).await });
    }
    let answers = herd.join_all().await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(bed.entered().len() <= 4);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_start_tells_all_who_wait_and_is_left_alone() {
    let bed = Bed::new(host(100));
    let class = Arc::new(bed.class("a", settings(4), MS));
    class.keeper().fails.store(true, Ordering::Relaxed);
    let mut herd = JoinSet::new();
    for _ in 0..100 {
        let class = class.clone();
        herd.spawn(async move { call(&class, 1, MS).await.unwrap_err() });
    }
    for error in herd.join_all().await {
        assert_eq!(error.kind(), ErrorKind::EnterFailed);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    }
    assert_eq!(bed.entered().len(), 1);
    let refused = call(&class, 1, MS).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::EnterFailed);
    assert_eq!(bed.entered().len(), 1, "nothing is tried before the step is over");
    tokio::time::advance(Duration::from_secs(1)).await;
    class.keeper().fails.store(false, Ordering::Relaxed);
    call(&class, 1, MS).await.unwrap();
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_long_past_keeps_nobody_from_looking_after_idle_instances() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(2), MS);
    let held = lease(&class, 1).await.unwrap();
    class.keeper().fails.store(true, Ordering::Relaxed);
    let second = tokio::time::timeout(MS * 10, lease(&class, 1)).await;
    assert!(second.is_err(), "it waits for the first");
    class.keeper().fails.store(false, Ordering::Relaxed);
    call(&class, 2, MS).await.unwrap();
    // The failure is forgotten meanwhile, with an instance still at work.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(bed.exited(), [2]);
    drop(held);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((bed.exited(), class.iter().count()), (vec![2, 1], 0));
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_cannot_be_entered_any_longer_costs_one_attempt() {
    let bed = Bed::new(host(100));
    let class = Arc::new(bed.class("a", settings(4), MS));
    let mut busy = lease(&class, 1).await.unwrap();
    class.keeper().fails.store(true, Ordering::Relaxed);
    // It breaks, and takes with it what the pool knew to work.
    fake(&mut busy).is_sound.store(false, Ordering::Relaxed);
    drop(busy);
    let mut herd = JoinSet::new();
    for _ in 0..100 {
        let class = class.clone();
        herd.spawn(async move { call(&class, 1, MS).await.unwrap_err() });
    }
    assert!(herd.join_all().await.iter().all(|error| error.kind() == ErrorKind::EnterFailed));
    assert_eq!(bed.entered().len(), 2);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_in_a_tuple_goes_on_to_count_when_it_comes_back() {
    let bed = Bed::new(host(1));
    let class = bed.class("a", settings(1), MS);
    for _ in 0..3 {
        for tuple in 0..2 {
            call(&class, tuple, MS).await.unwrap();
        }
    }
    let pool = class.iter().next().unwrap();
    let Counts { calls, starts, exits, evictions, .. } = pool.counts();
    assert_eq!((*pool.parameters(), class.iter().count()), (1, 1), "the other one is gone");
    assert_eq!((calls, starts, exits, evictions), (3, 3, 2, 2));
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_with_nothing_to_run_at_its_end_goes_with_its_last_call() {
    let bed = Bed::new(host(1));
    let class = bed.class("a", Settings { max_calls: Some((1, 1)), ..settings(1) }, MS);
    let alive = || bed.journal.lock().unwrap().alive;
    class.keeper().is_silent.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        drop(lease(&class, 1).await.unwrap());
        // Nothing has run since.
        assert_eq!((alive(), bed.budget.usage(), class.iter().count()), (0, (0, 0), 0));
    }
    class.keeper().is_silent.store(false, Ordering::Relaxed);
    let held = lease(&class, 1).await.unwrap();
    let Counts { starts, exits, .. } = class.iter().next().unwrap().counts();
    assert_eq!((starts, exits, bed.exited()), (4, 3, Vec::new()));
    drop(held);
    assert_eq!(alive(), 1, "a task of its own runs its exit");
    bed.exit_all().await;
    assert_eq!(bed.exited(), [4]);
}

/// A runtime with a clock that stands still.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_host_goes_on_in_another_runtime_when_its_first_is_gone() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    let first = runtime().block_on(call(&class, 1, MS)).unwrap();
    runtime().block_on(async {
        assert_eq!(call(&class, 1, MS).await.unwrap(), first);
        call(&class, 2, MS).await.unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(bed.exited().len(), 2, "idle instances are looked after, those of before too");
        call(&class, 1, MS).await.unwrap();
        bed.exit_all().await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_start_goes_on_without_the_caller_in_whose_task_it_ran() {
    let bed = Bed::new(host(1));
    let class = bed.class("a", settings(1), 10 * MS);
    let key = 1u32.to_le_bytes();
    {
        let first = std::pin::pin!(class.acquire_here(&key, || 1));
        assert!(tokio::time::timeout(5 * MS, first).await.is_err(), "it has half of its start behind it");
    }
    let second = class.acquire(&key, || 1, None);
    let second = tokio::time::timeout(6 * MS, second).await.expect("the other half is all that is left");
    drop(second.unwrap());
    assert_eq!(bed.entered(), [1]);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_is_one_that_failed_and_no_shutdown() {
    let bed = Bed::new(host(100));
    let class = Arc::new(bed.class("a", settings(4), MS));
    class.keeper().panics.store(true, Ordering::Relaxed);
    let mut herd = JoinSet::new();
    for _ in 0..100 {
        let class = class.clone();
        herd.spawn(async move { call(&class, 1, MS).await.unwrap_err() });
    }
    for error in herd.join_all().await {
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Internal, Some(Duration::from_secs(1))));
    }
    assert_eq!(bed.budget.usage(), (0, 0), "its place has come back");
    let pool = class.iter().next().unwrap();
    assert_eq!((pool.counts().failed_starts, bed.entered().len()), (1, 1));
    assert_eq!(call(&class, 1, MS).await.unwrap_err().kind(), ErrorKind::Internal, "it backs off");
    tokio::time::advance(Duration::from_secs(1)).await;
    class.keeper().panics.store(false, Ordering::Relaxed);
    call(&class, 1, MS).await.unwrap();
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn idle_instances_exit_and_empty_pools_are_forgotten() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    for tuple in 0..50 {
        call(&class, tuple, MS).await.unwrap();
    }
    assert_eq!(class.app().tuples(), 50);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((class.iter().count(), class.app().tuples()), (0, 0));
    assert_eq!(bed.budget.usage(), (0, 0));
    assert_eq!(bed.exited().len(), 50);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_ready_is_there_without_a_call() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    class.keep(&7u32.to_le_bytes(), 2, || 7).unwrap();
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.entered(), [7, 7]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bed.budget.usage().1, 2, "they do not time out");
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_class_that_goes_lets_its_instances_exit() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    let mut busy = lease(&class, 1).await.unwrap();
    call(&class, 2, MS).await.unwrap();
    drop(class);
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.exited().len(), 1, "the idle one");
    assert!(fake(&mut busy).is_sound());
    drop(busy);
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.exited().len(), 2, "the busy one after its call");
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_worn_exits_when_it_is_empty() {
    for concurrency in [1, 2] {
        let bed = Bed::new(host(100));
        let mut settings = settings(2);
        settings.limits.concurrency = concurrency;
        let class = bed.class("a", settings, MS);
        let mut worn = lease(&class, 1).await.unwrap();
        fake(&mut worn).is_worn.store(true, Ordering::Relaxed);
        let id = worn.id();
        let other = if concurrency == 1 { None } else { Some(lease(&class, 1).await.unwrap()) };
        assert_eq!(other.as_ref().map_or(id, Lease::id), id);
        drop(worn);
        tokio::time::sleep(MS * 10).await;
        assert_eq!(bed.exited().is_empty(), other.is_some(), "there is a call in it");
        assert_ne!(call(&class, 1, MS).await.unwrap(), id);
        drop(other);
        tokio::time::sleep(MS * 10).await;
        assert_eq!(bed.exited(), [id]);
        bed.exit_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_goes_while_its_instances_exit_takes_its_pools_with_it() {
    let bed = Bed::new(host(100));
    let app = bed.budget.app("a", now());
    let class = bed.class("a", settings(4), MS);
    for tuple in 0..3 {
        call(&class, tuple, MS).await.unwrap();
    }
    drop(class);
    tokio::time::sleep(MS * 10).await;
    assert_eq!(app.tuples(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_starts_an_instance_waits_for_nobody() {
    let bed = Bed::new(host(100));
    let mut settings = settings(1);
    settings.limits.max_waiting = 0;
    let class = bed.class("a", settings, MS);
    let held = lease(&class, 0).await.unwrap();
    assert_eq!(lease(&class, 0).await.unwrap_err().setting(), Some("max-waiting"));
    drop(held);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_host_drops_what_it_has() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    call(&class, 1, MS).await.unwrap();
    call(&class, 2, MS).await.unwrap();
    assert_eq!(bed.budget.abandon(), 2);
    assert_eq!(bed.budget.usage(), (0, 0));
    assert!(bed.exited().is_empty());
}
