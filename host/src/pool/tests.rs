//! Pools with guests that are nothing but a record of what happened to them, on a paused clock.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;
use crate::config::PoolLimits;
use crate::error::{Error, ErrorKind};

/// A guest as it would be.
struct Fake {
    id: u64,
    tuple: u32,
    is_sound: bool,
    /// Linear memory beyond what is shared.
    memory_bytes: u64,
    /// A call is in it, or was when its caller went away.
    is_called: bool,
}

/// What became of every guest so far.
#[derive(Default)]
struct Journal {
    entered: Vec<u32>,
    exited: Vec<u64>,
}

struct FakeKeeper {
    journal: Arc<StdMutex<Journal>>,
    next: Arc<AtomicU64>,
    alive: Arc<AtomicUsize>,
    enter: Duration,
    exit: Duration,
    fails: AtomicBool,
    panics: AtomicBool,
}

impl Keeper for FakeKeeper {
    type Parameters = u32;
    type Exclusive = Fake;
    type Shared = ();

    async fn start(&self, tuple: &u32) -> Result<Started<Self>> {
        self.journal.lock().unwrap().entered.push(*tuple);
        tokio::time::sleep(self.enter).await;
        assert!(!self.panics.load(Ordering::Relaxed), "a start panics on demand");
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::EnterFailed, "`enter` failed: no"));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.alive.fetch_add(1, Ordering::Relaxed);
        let fake = Fake { id, tuple: *tuple, is_sound: true, memory_bytes: 0, is_called: false };
        Ok(Started { id, instance: Held::Exclusive(Box::new(fake)) })
    }

    async fn exit(&self, instance: Held<Self>) -> Exit {
        let Held::Exclusive(fake) = instance else { unreachable!("none is shared") };
        assert!(fake.is_sound && !fake.is_called);
        self.journal.lock().unwrap().exited.push(fake.id);
        tokio::time::sleep(self.exit).await;
        self.alive.fetch_sub(1, Ordering::Relaxed);
        Exit::Ok
    }

    fn is_sound(&self, instance: &Held<Self>) -> bool {
        let Held::Exclusive(fake) = instance else { unreachable!("none is shared") };
        let is_sound = fake.is_sound && !fake.is_called;
        if !is_sound {
            self.alive.fetch_sub(1, Ordering::Relaxed);
        }
        is_sound
    }

    fn memory_bytes(&self, instance: &Held<Self>) -> u64 {
        let Held::Exclusive(fake) = instance else { unreachable!("none is shared") };
        fake.memory_bytes
    }

    fn note(&self, _: Event<'_>) {}
}

/// One host with any number of apps.
struct Bed {
    budget: Arc<Budget>,
    journal: Arc<StdMutex<Journal>>,
    next: Arc<AtomicU64>,
    alive: Arc<AtomicUsize>,
}

impl Bed {
    fn new(limits: PoolLimits) -> Self {
        let (journal, next, alive) = Default::default();
        Self { budget: Budget::new(limits), journal, next, alive }
    }

    fn class(&self, app: &str, settings: Settings, enter: Duration) -> Pools<FakeKeeper> {
        let keeper = FakeKeeper {
            journal: self.journal.clone(),
            next: self.next.clone(),
            alive: self.alive.clone(),
            enter,
            exit: Duration::from_millis(5),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        };
        Pools::new(keeper, settings, self.budget.app(app, now()))
    }

    fn entered(&self) -> Vec<u32> {
        self.journal.lock().unwrap().entered.clone()
    }

    /// Nothing is held by anybody any more but idle instances.
    async fn exit_all(&self) {
        self.budget.exit_all().await;
        assert_eq!(self.budget.usage(), (0, 0), "places and memory have come back");
        assert_eq!(self.alive.load(Ordering::Relaxed), 0);
        let mut exited = self.journal.lock().unwrap().exited.clone();
        let exits = exited.len();
        exited.sort_unstable();
        exited.dedup();
        assert_eq!(exited.len(), exits, "an instance exited twice");
    }
}

const MS: Duration = Duration::from_millis(1);

fn host(max_instances: u32) -> PoolLimits {
    PoolLimits { max_instances, tuple_burst: 1_000_000, max_tuples: 1_000_000, ..PoolLimits::default() }
}

fn settings(max_instances: u32) -> Settings {
    let idle_timeout = Duration::from_secs(60);
    Settings {
        limits: Limits { buffer_instances: 0, max_instances, concurrency: 1, max_waiting: 10_000, idle_timeout },
        wait_timeout: Duration::from_secs(30),
        max_calls: None,
    }
}

async fn lease(class: &Pools<FakeKeeper>, tuple: u32) -> Result<Lease<FakeKeeper>> {
    class.acquire(&tuple.to_le_bytes(), || tuple).await
}

/// One call: it checks that nobody else is in the instance, and that it is one of its own tuple.
async fn call(class: &Pools<FakeKeeper>, tuple: u32, took: Duration) -> Result<u64> {
    let mut lease = lease(class, tuple).await?;
    let id = lease.id();
    let Guest::Exclusive(fake) = lease.guest() else { unreachable!("none is shared") };
    assert_eq!(fake.tuple, tuple, "an instance of another tuple");
    assert!(!std::mem::replace(&mut fake.is_called, true), "two calls in one instance");
    tokio::time::sleep(took).await;
    fake.is_called = false;
    Ok(id)
}

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
    assert_eq!(bed.journal.lock().unwrap().exited.len(), 50);
    bed.exit_all().await;
}

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
    assert_eq!(bed.journal.lock().unwrap().exited.len(), 500);
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

#[tokio::test(start_paused = true)]
async fn over_the_memory_budget_the_greediest_apps_oldest_idle_instance_goes() {
    let bed = Bed::new(PoolLimits { memory_bytes: 10 << 20, ..host(100) });
    let (greedy, modest) = (bed.class("greedy", settings(4), MS), bed.class("modest", settings(4), MS));
    let grow = async |class: &Pools<FakeKeeper>, tuple, bytes| {
        let mut lease = lease(class, tuple).await.unwrap();
        let Guest::Exclusive(fake) = lease.guest() else { unreachable!("none is shared") };
        fake.memory_bytes = bytes;
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
    assert_eq!(bed.journal.lock().unwrap().exited, [oldest]);
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
    drop(held);
    call(&class, 2, MS).await.unwrap();
    let many = call(&class, 3, MS).await.unwrap_err();
    assert_eq!((many.kind(), many.setting()), (ErrorKind::Overloaded, Some("max-tuples")));

    let bed = Bed::new(PoolLimits { tuples_per_second: 10, tuple_burst: 1, ..PoolLimits::default() });
    let class = bed.class("a", settings(1), MS);
    call(&class, 1, MS).await.unwrap();
    let fast = call(&class, 2, MS).await.unwrap_err();
    assert_eq!((fast.kind(), fast.setting()), (ErrorKind::Overloaded, Some("tuples-per-second")));
    assert!(fast.retry_after().unwrap() <= MS * 100);
    assert!(call(&class, 1, MS).await.is_ok(), "known tuples go on");
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
async fn a_class_that_goes_lets_its_instances_exit() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    let mut busy = lease(&class, 1).await.unwrap();
    call(&class, 2, MS).await.unwrap();
    drop(class);
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.journal.lock().unwrap().exited.len(), 1, "the idle one");
    let Guest::Exclusive(fake) = busy.guest() else { unreachable!("none is shared") };
    assert!(fake.is_sound);
    drop(busy);
    tokio::time::sleep(MS * 10).await;
    assert_eq!(bed.journal.lock().unwrap().exited.len(), 2, "the busy one after its call");
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
async fn an_abandoned_host_drops_what_it_has() {
    let bed = Bed::new(host(100));
    let class = bed.class("a", settings(4), MS);
    call(&class, 1, MS).await.unwrap();
    call(&class, 2, MS).await.unwrap();
    assert_eq!(bed.budget.abandon(), 2);
    assert_eq!(bed.budget.usage(), (0, 0));
    assert!(bed.journal.lock().unwrap().exited.is_empty());
}

/// Callers come, go and are dropped at any moment, guests fail, time passes; a small host with several apps.
#[tokio::test(start_paused = true)]
async fn whatever_is_dropped_whenever_everything_comes_back() {
    let rounds = if std::env::var_os("WASMHOST_TEST_FULL").is_some() { 200 } else { 20 };
    for seed in 0..rounds {
        let mut random = Random(seed * 7919 + 1);
        let bed = Bed::new(PoolLimits { max_running: 6, memory_bytes: 8 << 20, ..host(5) });
        let mut classes = Vec::new();
        for app in ["a", "a", "b", "c"] {
            let max = 1 + random.below(3);
            let max_calls = (random.below(2) == 0).then_some((1, 4));
            classes.push(Arc::new(bed.class(app, Settings { max_calls, ..settings(max) }, MS * random.below(20))));
        }
        let mut calls = JoinSet::new();
        for _ in 0..400 {
            match random.below(10) {
                0 => tokio::time::sleep(MS * random.below(30)).await,
                1 => _ = calls.try_join_next(),
                2 => tokio::task::yield_now().await,
                3 => classes[random.below(4) as usize].keeper().fails.store(random.below(8) == 0, Ordering::Relaxed),
                _ => {
                    let class = classes[random.below(4) as usize].clone();
                    let (tuple, took) = (random.below(4), MS * random.below(10));
                    let patience = MS * random.below(40);
                    let grown = u64::from(random.below(3)) << 20;
                    calls.spawn(async move {
                        let call = async {
                            call(&class, tuple, took).await?;
                            let mut lease = lease(&class, tuple).await?;
                            let Guest::Exclusive(fake) = lease.guest() else { unreachable!("none is shared") };
                            fake.memory_bytes = grown;
                            fake.is_sound = grown > 0;
                            Ok::<_, Error>(())
                        };
                        // Half of the callers lose their patience somewhere on the way.
                        _ = tokio::time::timeout(patience, call).await;
                    });
                }
            }
        }
        while calls.join_next().await.is_some() {}
        // What was begun comes to an end; failures are forgotten.
        tokio::time::sleep(Duration::from_secs(300)).await;
        for class in &classes {
            assert!(class.app().is_at_rest(), "seed {seed}: {:?}", class.app());
            assert_eq!((class.iter().count(), class.app().tuples()), (0, 0), "seed {seed}");
        }
        assert_eq!(bed.budget.usage(), (0, 0), "seed {seed}");
        bed.exit_all().await;
    }
}

/// A sequence of numbers that is the same for the same seed (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(end)).expect("the remainder is smaller than its divisor")
    }
}
