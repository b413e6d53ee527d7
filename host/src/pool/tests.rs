//! Pools with guests that are nothing but a record of what happened to them, on a paused clock.

mod life;
mod random;
mod sharing;

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::PoolLimits;
use crate::error::{Error, ErrorKind};

/// A guest as it would be, of either kind.
struct Fake {
    id: u64,
    tuple: u32,
    concurrency: u32,
    /// Whether anything runs at its end.
    has_exit: bool,
    is_sound: AtomicBool,
    is_worn: AtomicBool,
    /// Linear memory beyond what is shared.
    memory_bytes: AtomicU64,
    /// Calls in it, those included whose caller left with an exclusive one.
    calls: AtomicU32,
    has_exited: AtomicBool,
    journal: Arc<StdMutex<Journal>>,
}

/// What became of every guest so far.
#[derive(Default)]
struct Journal {
    entered: Vec<u32>,
    exited: Vec<u64>,
    next: u64,
    alive: usize,
    /// The most calls that ever were in one guest.
    most_calls: u32,
    /// What must not have happened. Kept until the end: a panic in a task of the pool's would be lost with it.
    wrong: Vec<&'static str>,
}

impl Fake {
    fn note_unless(&self, is_right: bool, wrong: &'static str) {
        if !is_right {
            self.journal.lock().unwrap().wrong.push(wrong);
        }
    }

    /// A call comes in.
    fn begin(&self, tuple: u32) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.note_unless(self.tuple == tuple, "a call in an instance of another tuple");
        self.note_unless(calls <= self.concurrency, "more calls in one instance than may be");
        self.note_unless(!self.has_exited.load(Ordering::Relaxed), "a call after the exit");
        let mut journal = self.journal.lock().unwrap();
        journal.most_calls = journal.most_calls.max(calls);
    }

    fn end(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// One that was left in the middle of a call is of no more use, unless it goes on without its caller.
    fn is_sound(&self) -> bool {
        self.is_sound.load(Ordering::Relaxed) && (self.concurrency > 1 || self.calls.load(Ordering::Relaxed) == 0)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let is_owed_an_exit = self.has_exit && self.is_sound() && !self.has_exited.load(Ordering::Relaxed);
        self.note_unless(!is_owed_an_exit, "a sound instance went without its exit");
        self.journal.lock().unwrap().alive -= 1;
    }
}

struct FakeKeeper {
    journal: Arc<StdMutex<Journal>>,
    concurrency: u32,
    enter: Duration,
    exit: Duration,
    fails: AtomicBool,
    panics: AtomicBool,
    /// Whether instances that start now have nothing to run at their end.
    is_silent: AtomicBool,
    /// The tasks of guests that share an instance.
    guests: TaskTracker,
}

impl FakeKeeper {
    fn fake(held: &Held<Self>) -> &Fake {
        match held {
            Held::Exclusive(fake) => fake,
            Held::Shared(fake) => fake,
        }
    }
}

impl Keeper for FakeKeeper {
    type Parameters = u32;
    type Exclusive = Fake;
    type Shared = Fake;

    async fn start(&self, tuple: &u32) -> Result<Started<Self>> {
        self.journal.lock().unwrap().entered.push(*tuple);
        tokio::time::sleep(self.enter).await;
        assert!(!self.panics.load(Ordering::Relaxed), "a start panics on demand");
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::EnterFailed, "`enter` failed: no"));
        }
        let id = {
            let mut journal = self.journal.lock().unwrap();
            journal.next += 1;
            journal.alive += 1;
            journal.next
        };
        let fake = Fake {
            id,
            tuple: *tuple,
            concurrency: self.concurrency,
            has_exit: !self.is_silent.load(Ordering::Relaxed),
            is_sound: AtomicBool::new(true),
            is_worn: AtomicBool::new(false),
            memory_bytes: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            has_exited: AtomicBool::new(false),
            journal: self.journal.clone(),
        };
        let instance =
            if self.concurrency > 1 { Held::Shared(Arc::new(fake)) } else { Held::Exclusive(Box::new(fake)) };
        Ok(Started { id, instance })
    }

    async fn exit(&self, instance: Held<Self>) -> Exit {
        let fake = Self::fake(&instance);
        fake.note_unless(fake.calls.load(Ordering::Relaxed) == 0, "an exit with a call in the instance");
        fake.note_unless(fake.is_sound(), "an exit of a broken instance");
        fake.note_unless(!fake.has_exited.swap(true, Ordering::Relaxed), "a second exit");
        self.journal.lock().unwrap().exited.push(fake.id);
        tokio::time::sleep(self.exit).await;
        Exit::Ok
    }

    fn exits_silently(&self, instance: &Held<Self>) -> bool {
        !Self::fake(instance).has_exit
    }

    fn condition(&self, instance: &Held<Self>) -> Condition {
        let fake = Self::fake(instance);
        match fake.is_sound() {
            false => Condition::Broken,
            true if fake.is_worn.load(Ordering::Relaxed) => Condition::Worn,
            true => Condition::Sound,
        }
    }

    fn memory_bytes(&self, instance: &Held<Self>) -> u64 {
        Self::fake(instance).memory_bytes.load(Ordering::Relaxed)
    }

    fn span(&self, _: Task) -> Span {
        Span::none()
    }

    fn describe(&self, tuple: &Self::Parameters) -> String {
        format!("the fake {tuple:?}")
    }

    fn note(&self, _: Event<'_>) {}
}

/// One host with any number of apps.
struct Bed {
    budget: Arc<Budget>,
    journal: Arc<StdMutex<Journal>>,
}

impl Bed {
    fn new(limits: PoolLimits) -> Self {
        Self { budget: Budget::new(limits), journal: Arc::default() }
    }

    fn class(&self, app: &str, settings: Settings, enter: Duration) -> Pools<FakeKeeper> {
        let keeper = FakeKeeper {
            journal: self.journal.clone(),
            concurrency: settings.limits.concurrency,
            enter,
            exit: Duration::from_millis(5),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            guests: TaskTracker::new(),
        };
        Pools::new(keeper, settings, self.budget.app(app, now()))
    }

    fn entered(&self) -> Vec<u32> {
        self.journal.lock().unwrap().entered.clone()
    }

    fn exited(&self) -> Vec<u64> {
        self.journal.lock().unwrap().exited.clone()
    }

    /// Nothing is held by anybody any more but idle instances.
    async fn exit_all(&self) {
        self.budget.exit_all().await;
        assert_eq!(self.budget.usage(), (0, 0), "places and memory have come back");
        let journal = self.journal.lock().unwrap();
        assert_eq!((journal.alive, &*journal.wrong), (0, &[][..]));
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

/// Starts of every other tuple run in the task of who asks for them.
async fn lease(class: &Pools<FakeKeeper>, tuple: u32) -> Result<Lease<FakeKeeper>> {
    match tuple % 2 {
        0 => class.acquire(&tuple.to_le_bytes(), || tuple, None).await,
        _ => class.acquire_here(&tuple.to_le_bytes(), || tuple).await,
    }
}

/// The guest of a lease.
fn fake(lease: &mut Lease<FakeKeeper>) -> &Fake {
    match lease.guest() {
        Guest::Exclusive(fake) => fake,
        Guest::Shared(fake) => fake,
    }
}

/// One call in an instance that belongs to it alone.
async fn call(class: &Pools<FakeKeeper>, tuple: u32, took: Duration) -> Result<u64> {
    let mut lease = lease(class, tuple).await?;
    let fake = fake(&mut lease);
    fake.begin(tuple);
    tokio::time::sleep(took).await;
    fake.end();
    Ok(fake.id)
}

#[tokio::test(start_paused = true)]
async fn fakes_write_down_what_must_not_happen() {
    let bed = Bed::new(host(1));
    let class = bed.class("a", settings(1), MS);
    let mut lease = lease(&class, 1).await.unwrap();
    let fake = fake(&mut lease);
    fake.begin(1);
    fake.begin(2);
    fake.has_exited.store(true, Ordering::Relaxed);
    fake.begin(1);
    let wrong = bed.journal.lock().unwrap().wrong.clone();
    let (tuple, more, late) =
        ("a call in an instance of another tuple", "more calls in one instance than may be", "a call after the exit");
    assert_eq!(wrong, [tuple, more, more, late]);
}
