//! Turns: how many guests of one app that do nothing but compute are in the run queue at a time.
//!
//! A guest yields at every tick of the epoch. If it went straight to the end of the run queue, a request for another app
//! would wait for a tick of each guest that spins. So a guest that has run for a whole tick takes a turn of its app before it
//! goes on: there are as many as threads to run them, handed out in order. One that waits for something gives its turn back. Calls that
//! end within a tick, nearly all, never take one.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one app. They are counted when the first is asked for, on the runtime where its guests run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<OnceLock<Arc<Semaphore>>>);

impl Turns {
    fn all(&self) -> Arc<Semaphore> {
        self.0.get_or_init(|| Arc::new(Semaphore::new(threads()))).clone()
    }
}

/// The threads that run guests at a time: the runtime's workers, as far as there are cores for them.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Handle::try_current().map_or(cores, |runtime| runtime.metrics().num_workers().min(cores))
}

/// The turn of one guest, while it has one.
#[derive(Clone, Debug)]
pub(crate) struct Turn(Arc<Held>);

#[derive(Debug)]
struct Held {
    turns: Turns,
    /// Whether there is a permit, for all those calls that never take one.
    is_held: AtomicBool,
    /// Whether the guest was stopped by a tick and waits for nothing but the runtime, which looks at its sockets meanwhile.
    is_yielding: AtomicBool,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turn {
    pub(super) fn new(turns: &Turns) -> Self {
        let (is_held, is_yielding) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Held { turns: turns.clone(), is_held, is_yielding, permit: Mutex::new(None) }))
    }

    /// Lets others run, and waits for the guest's next turn; no longer than until its deadline, for it is stopped where it
    /// runs.
    pub(super) async fn next(self, deadline: Option<Instant>) {
        // The turn is kept until the runtime has looked at its sockets. Given back before, it would wake the next guest,
        // which the worker would run at once, and so on: requests would lie in their sockets for many ticks.
        self.0.is_yielding.store(true, Ordering::Release);
        tokio::task::yield_now().await;
        self.0.is_yielding.store(false, Ordering::Release);
        self.give_back();
        let turn = self.0.turns.all().acquire_owned();
        let permit = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), turn).await.ok(),
            None => Some(turn.await),
        };
        if let Some(Ok(permit)) = permit {
            *self.0.lock() = Some(permit);
            self.0.is_held.store(true, Ordering::Release);
        }
    }

    /// Polls a guest to its end. Between polls it has no turn, unless all it waits for is the runtime.
    ///
    /// The guest is lent and not moved: futures of calls are large, and each that holds another by value is twice its size.
    pub(crate) fn run<'a, F: Future>(&'a self, mut guest: Pin<&'a mut F>) -> impl Future<Output = F::Output> + 'a {
        std::future::poll_fn(move |context| {
            let polled = guest.as_mut().poll(context);
            if polled.is_ready() || !self.0.is_yielding.load(Ordering::Acquire) {
                self.give_back();
            }
            polled
        })
    }

    fn give_back(&self) {
        if self.0.is_held.swap(false, Ordering::AcqRel) {
            let permit = self.0.lock().take();
            drop(permit);
        }
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    fn turns(number: usize) -> Turns {
        Turns(Arc::new(Arc::new(Semaphore::new(number)).into()))
    }

    #[tokio::test(start_paused = true)]
    async fn guests_that_spin_take_turns_and_one_that_waits_holds_none() {
        let turns = turns(1);
        let (one, other) = (Turn::new(&turns), Turn::new(&turns));
        let mut order = Vec::new();
        let waits = pin!(async {
            one.clone().next(None).await;
            order.push("one runs");
            // While it waits for something, the other one runs.
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        let spins = pin!(async {
            for _ in 0..3 {
                other.clone().next(None).await;
            }
        });
        let began = tokio::time::Instant::now();
        tokio::join!(one.run(waits), async {
            other.run(spins).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
        });
        assert_eq!(turns.all().available_permits(), 1);
    }

    #[tokio::test]
    async fn a_runtime_with_one_worker_has_one_turn_however_many_cores_there_are() {
        let turns = Turns::default();
        let turn = Turn::new(&turns);
        turn.clone().next(None).await;
        assert_eq!(turns.all().available_permits(), 0, "the only one is taken");
        assert_eq!(threads(), 1);
    }

    #[tokio::test]
    async fn the_runtime_looks_at_its_sockets_between_two_turns() {
        let turns = turns(1);
        let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::UnixStream::from_std(server).unwrap();
        let client = Arc::new(Mutex::new(Some(client)));
        let spun = Arc::new(AtomicUsize::new(0));
        let mut guests = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (turn, spun, client) = (Turn::new(&turns), spun.clone(), client.clone());
            guests.spawn(async move {
                let guest = pin!(async {
                    while spun.fetch_add(1, Ordering::Relaxed) < 1_000 {
                        if spun.load(Ordering::Relaxed) == 130 {
                            // Something comes for somebody else: the end of what the client had to say.
                            client.lock().unwrap().take();
                        }
                        turn.clone().next(None).await;
                    }
                });
                turn.run(guest).await;
            });
        }
        let seen = server.readable().await.map(|()| spun.load(Ordering::Relaxed)).unwrap();
        assert!((130..=135).contains(&seen), "seen after {seen} turns");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_whose_time_is_over_runs_to_be_stopped() {
        let turns = turns(0);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        Turn::new(&turns).next(Some(deadline.into_std())).await;
        assert!(tokio::time::Instant::now() >= deadline);
    }
}
