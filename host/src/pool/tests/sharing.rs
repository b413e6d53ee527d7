//! What pools have of one host: places, memory, and the bounds of each app.

use std::sync::atomic::AtomicUsize;

use super::*;

#[tokio::test(start_paused = true)]
async fn more_tuples_than_places_are_entered_and_exited_once_each() {
    let bed = Bed::new(host(8));
    let class = bed.class("a", settings(4), MS);
    for tuple in 0..500 {
        call(&class, tuple, MS).await.unwrap();
        assert!(bed.budget.usage().1 <= 8);
    }
    let entered = bed.entered();
    assert_eq!(entered, (0..500).collect::<Vec<_>>());
    bed.exit_all().await;
    assert_eq!(bed.exited().len(), 500);
    assert_eq!(class.iter().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_instance_is_never_evicted_and_a_modest_app_keeps_its_own() {
    let bed = Bed::new(host(4));
    let (greedy, modest) = (bed.class("greedy", settings(4), MS), bed.class("modest", settings(4), MS));
    let kept = call(&modest, 1, MS).await.unwrap();
    let mut busy = Vec::new();
    for tuple in 0..3 {
        busy.push(lease(&greedy, tuple).await.unwrap());
    }
    // All of greedy's are busy, and modest has fewer: the fourth has to wait.
    let fourth = tokio::time::timeout(Duration::from_secs(1), lease(&greedy, 3)).await;
    assert!(fourth.is_err());
    assert_eq!(call(&modest, 1, MS).await.unwrap(), kept);
    drop(busy);
    call(&greedy, 3, MS).await.unwrap();
    assert_eq!(call(&modest, 1, MS).await.unwrap(), kept);
    // Modest takes a place from the one who has most, the one used least recently.
    call(&modest, 2, MS).await.unwrap();
    assert_eq!(call(&modest, 1, MS).await.unwrap(), kept);
    bed.exit_all().await;
}

/// A pool that has nothing to give, and counts how often it is looked at.
#[derive(Debug)]
struct Bystander {
    app: Arc<AppBudget>,
    looks: AtomicUsize,
}

impl Bystander {
    fn of(bed: &Bed) -> Arc<Self> {
        let bystander = Arc::new(Self { app: bed.budget.app("bystander", now()), looks: AtomicUsize::new(0) });
        bed.budget.populate(bystander.clone());
        bystander
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }
}

impl AnyPool for Bystander {
    fn app(&self) -> &Arc<AppBudget> {
        &self.app
    }
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
    fn oldest_idle(&self) -> Option<Instant> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        None
    }
    fn evict(self: Arc<Self>, _: bool) -> bool {
        unreachable!("it has nothing")
    }
    fn poke(self: Arc<Self>) -> bool {
        false
    }
    fn visit(self: Arc<Self>, _: Instant) {}
    fn retire(self: Arc<Self>) {}
    fn abandon(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_full_host_looks_for_what_may_go_only_when_there_may_be_something() {
    let bed = Bed::new(host(4));
    let (greedy, modest) = (Arc::new(bed.class("greedy", settings(4), MS)), bed.class("modest", settings(4), MS));
    let kept = call(&modest, 0, MS).await.unwrap();
    let mut busy = Vec::new();
    for tuple in 0..3 {
        busy.push(lease(&greedy, tuple).await.unwrap());
    }
    let bystander = Bystander::of(&bed);
    let mut waits = JoinSet::new();
    for tuple in 3..100 {
        let greedy = greedy.clone();
        waits.spawn(async move { call(&greedy, tuple, MS).await });
    }
    tokio::time::sleep(MS).await;
    assert_eq!(bystander.looks(), 1, "one for all who came to wait");
    for _ in 0..1_000 {
        assert_eq!(call(&modest, 0, MS).await.unwrap(), kept);
    }
    assert_eq!(bystander.looks(), 1, "what became idle may not go");
    drop(busy.pop());
    assert_eq!(bystander.looks(), 3, "what became idle now may, and there is no more of it");
    assert!(waits.join_all().await.iter().all(Result::is_ok));
    assert_eq!(call(&modest, 0, MS).await.unwrap(), kept);
    drop(busy);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn memory_that_nothing_can_give_back_is_not_looked_for_after_every_call() {
    let bed = Bed::new(PoolLimits { memory_bytes: 1 << 20, ..host(4) });
    let class = bed.class("a", settings(4), MS);
    class.keep(&0u32.to_le_bytes(), 1, || 0).unwrap();
    let grow = async |bytes| fake(&mut lease(&class, 0).await.unwrap()).memory_bytes.store(bytes, Ordering::Relaxed);
    grow(2 << 20).await;
    let bystander = Bystander::of(&bed);
    for _ in 0..1_000 {
        call(&class, 0, MS).await.unwrap();
    }
    assert!(bystander.looks() <= 1, "{}", bystander.looks());
    // With less memory in use others run, and go again when it is short.
    grow(0).await;
    call(&class, 1, MS).await.unwrap();
    grow(2 << 20).await;
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.exited(), [2]);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn over_the_memory_budget_the_greediest_apps_oldest_idle_instance_goes() {
    let bed = Bed::new(PoolLimits { memory_bytes: 10 << 20, ..host(100) });
    let (greedy, modest) = (bed.class("greedy", settings(4), MS), bed.class("modest", settings(4), MS));
    let grow = async |class: &Pools<FakeKeeper>, tuple, bytes| {
        let mut lease = lease(class, tuple).await.unwrap();
        fake(&mut lease).memory_bytes.store(bytes, Ordering::Relaxed);
        lease.id()
    };
    let modest_id = grow(&modest, 1, 2 << 20).await;
    let oldest = grow(&greedy, 1, 3 << 20).await;
    tokio::time::advance(MS).await;
    let second = grow(&greedy, 2, 3 << 20).await;
    tokio::time::advance(MS).await;
    let busy = lease(&greedy, 2).await.unwrap();
    let third = grow(&greedy, 3, 3 << 20).await;
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.exited(), [oldest]);
    drop(busy);
    assert_eq!(call(&modest, 1, MS).await.unwrap(), modest_id);
    assert_eq!(call(&greedy, 2, MS).await.unwrap(), second);
    assert_eq!(call(&greedy, 3, MS).await.unwrap(), third);
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_runs_no_more_calls_than_it_may_and_others_do_not_notice() {
    let bed = Bed::new(PoolLimits { max_running: 2, max_queued: 3, ..host(100) });
    let (one, other) = (Arc::new(bed.class("one", settings(9), MS)), bed.class("other", settings(9), MS));
    for tuple in 0..3 {
        call(&one, tuple, MS).await.unwrap();
    }
    let mut calls = JoinSet::new();
    for tuple in 0..5 {
        let one = one.clone();
        calls.spawn(async move { call(&one, tuple % 3, Duration::from_secs(1)).await });
    }
    tokio::time::sleep(MS * 10).await;
    let refused = call(&one, 7, MS).await.unwrap_err();
    assert_eq!((refused.kind(), refused.setting()), (ErrorKind::Overloaded, Some("max-queued-calls")));
    call(&other, 0, MS).await.unwrap();
    assert!(calls.join_all().await.iter().all(Result::is_ok), "each has its turn");
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn bounds_are_errors_that_name_them() {
    let bed = Bed::new(PoolLimits { max_tuples: 2, ..host(100) });
    let class = bed.class("a", Settings { wait_timeout: MS * 100, ..settings(1) }, MS);
    let held = lease(&class, 1).await.unwrap();
    let late = lease(&class, 1).await.unwrap_err();
    assert_eq!((late.kind(), late.setting()), (ErrorKind::Overloaded, Some("wait-timeout")));
    assert!(late.message().contains("it may have 1 for these parameters, its `max-instances`"), "{late}");
    drop(held);
    call(&class, 2, MS).await.unwrap();
    let many = call(&class, 3, MS).await.unwrap_err();
    assert_eq!((many.kind(), many.setting()), (ErrorKind::Overloaded, Some("max-tuples")));

    let bed = Bed::new(PoolLimits { tuples_per_second: 10, tuple_burst: 1, ..PoolLimits::default() });
    let class = bed.class("a", settings(1), MS);
    call(&class, 1, MS).await.unwrap();
    let fast = call(&class, 2, MS).await.unwrap_err();
    assert_eq!((fast.kind(), fast.setting()), (ErrorKind::Overloaded, Some("tuple-rate")));
    assert!(fast.retry_after().unwrap() <= MS * 100);
    assert!(call(&class, 1, MS).await.is_ok(), "known tuples go on");
}

#[tokio::test(start_paused = true)]
async fn who_waits_because_of_the_app_or_the_host_is_told_of_their_settings() {
    let impatient = Settings { wait_timeout: MS * 100, ..settings(4) };
    let told = |error: &Error| {
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        (error.setting().map(str::to_owned), error.limit().map(str::to_owned))
    };
    let named = |setting: &str, limit: &str| (Some(setting.to_owned()), Some(limit.to_owned()));

    let bed = Bed::new(PoolLimits { max_running: 1, ..host(100) });
    let class = bed.class("a", impatient, MS);
    call(&class, 1, MS).await.unwrap();
    let busy = lease(&class, 0).await.unwrap();
    assert_eq!(told(&lease(&class, 1).await.unwrap_err()), named("max-running-calls", "1"));
    drop(busy);
    bed.exit_all().await;

    let bed = Bed::new(host(1));
    let class = bed.class("a", impatient, MS);
    let busy = lease(&class, 0).await.unwrap();
    let error = lease(&class, 1).await.unwrap_err();
    assert_eq!(told(&error), named("max-instances", "1"));
    assert!(error.message().contains("the host's `--max-instances`"), "{error}");
    assert_eq!(told(&class.app().reserve(MS).await.unwrap_err()), named("max-instances", "1"));
    drop(busy);
    bed.exit_all().await;

    let bed = Bed::new(PoolLimits { memory_bytes: 1 << 20, ..host(100) });
    let class = bed.class("a", impatient, MS);
    class.keep(&0u32.to_le_bytes(), 1, || 0).unwrap();
    fake(&mut lease(&class, 0).await.unwrap()).memory_bytes.store(1 << 20, Ordering::Relaxed);
    assert_eq!(told(&lease(&class, 1).await.unwrap_err()), named("memory-budget", "1MiB"));
    assert_eq!(told(&class.app().reserve(MS).await.unwrap_err()), named("memory-budget", "1MiB"));
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_tuple_with_a_backlog_leaves_others_of_its_app_their_turn() {
    let second = Duration::from_secs(1);
    for max_running in [1, 2] {
        let bed = Bed::new(PoolLimits { max_running, ..host(100) });
        let class = Arc::new(bed.class("a", settings(9), MS));
        for tuple in 0..4 {
            call(&class, tuple, MS).await.unwrap();
        }
        let mut hot = JoinSet::new();
        for _ in 0..1_000 {
            let class = class.clone();
            hot.spawn(async move {
                loop {
                    call(&class, 0, second).await?;
                }
                #[expect(unreachable_code, reason = "it says what the task's error is")]
                Ok::<(), Error>(())
            });
        }
        tokio::time::sleep(second * 5).await;
        let began = tokio::time::Instant::now();
        let mut cold = JoinSet::new();
        for tuple in 1..4 {
            let class = class.clone();
            cold.spawn(async move { call(&class, tuple, MS).await.map(drop) });
        }
        for served in cold.join_all().await {
            served.unwrap();
        }
        assert!(began.elapsed() <= second * 4, "{:?} with {max_running}", began.elapsed());
        assert!(hot.try_join_next().is_none(), "the hot one goes on");
        hot.shutdown().await;
        bed.exit_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_to_run_that_nobody_takes_goes_to_the_next_who_waits() {
    let bed = Bed::new(PoolLimits { max_running: 1, ..host(100) });
    let class = bed.class("a", settings(4), MS);
    for tuple in 0..3 {
        call(&class, tuple, MS).await.unwrap();
    }
    let busy = lease(&class, 2).await.unwrap();
    let goes = tokio::time::timeout(MS, lease(&class, 0));
    let (gone, stays) = tokio::join!(goes, async {
        let release = async {
            tokio::time::sleep(MS * 10).await;
            drop(busy);
        };
        tokio::join!(call(&class, 1, MS), release).0
    });
    assert!(gone.is_err());
    stays.unwrap();
    bed.exit_all().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_no_pool_behind() {
    let bed = Bed::new(PoolLimits { max_queued: 0, ..host(100) });
    let class = bed.class("a", settings(4), MS);
    for tuple in 0..60 {
        assert_eq!(call(&class, tuple, MS).await.unwrap_err().setting(), Some("max-queued-calls"));
    }
    assert_eq!((class.iter().count(), class.app().tuples()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn starts_that_wait_for_a_place_may_all_be_given_up_at_once() {
    let bed = Bed::new(host(1));
    let class = Arc::new(bed.class("a", settings(4), MS));
    let busy = lease(&class, 0).await.unwrap();
    let mut herd = JoinSet::new();
    for tuple in 1..9_000 {
        let class = class.clone();
        herd.spawn(async move { _ = tokio::time::timeout(MS, lease(&class, tuple)).await });
    }
    herd.join_all().await;
    drop(busy);
    bed.exit_all().await;
    assert!(class.app().is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn an_app_that_waits_in_vain_does_not_keep_another_from_its_own() {
    let bed = Bed::new(host(2));
    let (one, other) = (Arc::new(bed.class("one", settings(4), MS)), bed.class("other", settings(4), MS));
    call(&other, 0, MS).await.unwrap();
    let _busy = lease(&one, 0).await.unwrap();
    let mut waits = JoinSet::new();
    let asking = one.clone();
    waits.spawn(async move { lease(&asking, 1).await.map(drop) });
    tokio::time::sleep(MS).await;
    call(&other, 1, MS).await.unwrap();
}
