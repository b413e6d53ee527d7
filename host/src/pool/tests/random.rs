//! Callers come, go and are dropped at any moment, guests break, starts fail, time passes; a small host with several apps.

use super::*;
use crate::pool::lease::Retirer;

#[tokio::test(start_paused = true)]
async fn whatever_is_dropped_whenever_everything_comes_back() {
    let rounds = if std::env::var_os("WASMHOST_TEST_FULL").is_some() { 200 } else { 20 };
    let mut most_calls = 0;
    for seed in 0..rounds {
        let mut random = Random(seed * 7919 + 1);
        let bed = Bed::new(PoolLimits { max_running: 6, memory_bytes: 8 << 20, ..host(5) });
        let classes = random.classes(&bed);
        let mut callers = JoinSet::new();
        for _ in 0..400 {
            match random.below(10) {
                0 => tokio::time::sleep(MS * random.below(30)).await,
                1 => callers.try_join_next().into_iter().for_each(Result::unwrap),
                2 => tokio::task::yield_now().await,
                3 => random.class(&classes).keeper().fails.store(random.below(8) == 0, Ordering::Relaxed),
                _ => {
                    let (class, visit) = (random.class(&classes).clone(), random.visit());
                    // Half of the callers lose their patience somewhere on the way. The others are to be served long before
                    // any instance was idle for too long: by then somebody would have made room for them.
                    let is_patient = random.below(8) == 0;
                    let patience = if is_patient { Duration::from_secs(20) } else { MS * random.below(40) };
                    callers.spawn(async move {
                        let is_told = tokio::time::timeout(patience, visit.pay(&class)).await.is_ok();
                        assert!(is_told || !is_patient, "seed {seed}: {class:?} let {visit:?} wait");
                    });
                }
            }
        }
        callers.join_all().await;
        // What was begun comes to an end; failures are forgotten.
        tokio::time::sleep(Duration::from_secs(300)).await;
        for class in &classes {
            assert!(class.app().is_at_rest(), "seed {seed}: {:?}", class.app());
            assert_eq!((class.iter().count(), class.app().tuples()), (0, 0), "seed {seed}");
        }
        assert_eq!(bed.budget.usage(), (0, 0), "seed {seed}");
        bed.exit_all().await;
        most_calls = most_calls.max(bed.journal.lock().unwrap().most_calls);
    }
    assert_eq!(most_calls, MAX_CONCURRENCY, "as many calls met in one instance as may");
}

const MAX_CONCURRENCY: u32 = 4;

/// What one caller does.
#[derive(Clone, Copy, Debug)]
struct Visit {
    tuple: u32,
    took: Duration,
    /// What the instance has grown by when the second call is over; one that has not grown broke.
    grown_bytes: u64,
    /// The caller who leaves a shared instance in the middle of a call has it retired.
    retires: bool,
}

impl Visit {
    /// One call, and a second one with consequences.
    async fn pay(self, class: &Pools<FakeKeeper>) -> Result<()> {
        if class.keeper().concurrency > 1 {
            self.share(class, false).await?;
            return self.share(class, true).await;
        }
        call(class, self.tuple, self.took).await?;
        let mut lease = lease(class, self.tuple).await?;
        self.leave_traces(fake(&mut lease));
        Ok(())
    }

    /// A call in an instance that others are in. As with a real guest its task is not the caller's: it keeps the lease, and
    /// goes on when the caller goes.
    async fn share(self, class: &Pools<FakeKeeper>, leaves_traces: bool) -> Result<()> {
        let mut lease = lease(class, self.tuple).await?;
        let mut leaver = Leaver(self.retires.then(|| lease.retirer()));
        let task = class.keeper().guests.spawn(async move {
            let fake = fake(&mut lease);
            fake.begin(self.tuple);
            tokio::time::sleep(self.took).await;
            if leaves_traces {
                self.leave_traces(fake);
            }
            fake.end();
        });
        task.await.expect("it records what is wrong, and panics over nothing");
        leaver.0 = None;
        Ok(())
    }

    fn leave_traces(self, fake: &Fake) {
        fake.memory_bytes.store(self.grown_bytes, Ordering::Relaxed);
        if self.grown_bytes == 0 {
            fake.is_sound.store(false, Ordering::Relaxed);
        }
    }
}

/// A caller in the middle of a call.
struct Leaver(Option<Retirer<FakeKeeper>>);

impl Drop for Leaver {
    fn drop(&mut self) {
        if let Some(retirer) = self.0.take() {
            retirer.retire();
        }
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

    /// Four classes of three apps; two of them share their instances.
    fn classes(&mut self, bed: &Bed) -> [Arc<Pools<FakeKeeper>>; 4] {
        [("a", 1), ("a", MAX_CONCURRENCY), ("b", 1 + self.below(MAX_CONCURRENCY)), ("c", 1)].map(
            |(app, concurrency)| {
                let mut settings = settings(1 + self.below(3));
                settings.limits.concurrency = concurrency;
                settings.max_calls = (self.below(2) == 0).then_some((1, 4));
                Arc::new(bed.class(app, settings, MS * self.below(20)))
            },
        )
    }

    fn class<'a>(&mut self, classes: &'a [Arc<Pools<FakeKeeper>>; 4]) -> &'a Arc<Pools<FakeKeeper>> {
        &classes[self.below(4) as usize]
    }

    fn visit(&mut self) -> Visit {
        Visit {
            tuple: self.below(4),
            took: MS * self.below(10),
            grown_bytes: u64::from(self.below(3)) << 20,
            retires: self.below(2) == 0,
        }
    }
}
