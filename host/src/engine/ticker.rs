//! A thread of its own that advances the epoch of the engines while guests run: every millisecond while some guest runs for
//! longer than a moment, less often while all calls are short, for waking up costs as much as a few calls.
//!
//! It is no task: guests that spin on every worker of the runtime must not be able to hold it up. With no guest running
//! for a while it sleeps, so that an idle host costs nothing.
//!
//! ```text
//!            a call begins: wake              a call outlives an interval
//!   asleep ─────────────────────▶ SLOW_TICK ─────────────────────────────▶ TICK
//!          ◀─────────────────────           ◀─────────────────────────────
//!            no call for IDLE_TICKS           none does any longer
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

use crate::error::{Error, Result};

/// The time between two ticks while a guest runs that does not end at once.
const TICK: Duration = Duration::from_millis(1);

/// The time between two ticks while all calls are short: how late a guest that never waits is noticed.
const SLOW_TICK: Duration = Duration::from_millis(5);

/// Slow ticks without a running call after which the thread goes to sleep. Waking it costs a system call, which a caller
/// that makes call after call must not pay.
const IDLE_TICKS: u32 = 20;

pub(crate) struct Ticker {
    /// Calls under way, by whether they began in an even or an odd interval between two ticks.
    running: [AtomicUsize; 2],
    /// Whether the current interval is an odd one: 0 or 1.
    interval: AtomicUsize,
    asleep: AtomicBool,
    engines: Mutex<Vec<EngineWeak>>,
    thread: std::sync::OnceLock<Thread>,
}

/// What the thread remembers from tick to tick.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pace {
    /// Ticks since a call ran.
    idle_ticks: u32,
    /// How many of the next ticks come soon. Calls of even and odd intervals are looked at in turn, so a look lasts for two.
    quick_ticks: u32,
}

impl Pace {
    fn next_tick(&self) -> Duration {
        if self.quick_ticks > 0 { TICK } else { SLOW_TICK }
    }
}

impl Ticker {
    /// Starts the thread. It ends by itself once the ticker is dropped.
    ///
    /// # Errors
    ///
    /// The system has no thread left for it.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            running: Default::default(),
            interval: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            engines: Mutex::new(Vec::new()),
            thread: std::sync::OnceLock::new(),
        });
        let weak = Arc::downgrade(&ticker);
        let spawned = std::thread::Builder::new().name("wasmhost-epoch".into()).spawn(move || {
            let mut pace = Pace::default();
            while let Some(ticker) = weak.upgrade() {
                ticker.tick(&mut pace);
                if pace.idle_ticks > IDLE_TICKS && ticker.fall_asleep() {
                    drop(ticker);
                    std::thread::park();
                    pace = Pace::default();
                } else {
                    drop(ticker);
                    std::thread::park_timeout(pace.next_tick());
                }
            }
        });
        let handle = spawned.map_err(|error| Error::io("the epoch's thread", error))?;
        let _ = ticker.thread.set(handle.thread().clone());
        Ok(ticker)
    }

    /// Ticks this engine too, as long as it lives.
    pub(crate) fn watch(&self, engine: &Engine) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn guest_runs(&self) -> Ticking<'_> {
        let running = &self.running[self.interval.load(Ordering::Relaxed)];
        running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(running)
    }

    fn tick(&self, pace: &mut Pace) {
        pace.quick_ticks = pace.quick_ticks.saturating_sub(1);
        let now = self.interval.load(Ordering::Relaxed);
        // Whoever began before this interval has run for the whole of it.
        if self.running[1 - now].load(Ordering::SeqCst) > 0 {
            pace.quick_ticks = 2;
        }
        self.interval.store(1 - now, Ordering::Relaxed);
        if !self.is_running() {
            pace.idle_ticks += 1;
            return;
        }
        pace.idle_ticks = 0;
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }

    fn is_running(&self) -> bool {
        self.running.iter().any(|running| running.load(Ordering::SeqCst) > 0)
    }

    /// Says that the thread is about to park, unless a call began meanwhile.
    fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // A call that began before the store did not see it: it is seen here instead.
        if !self.is_running() {
            return true;
        }
        self.asleep.store(false, Ordering::SeqCst);
        false
    }

    fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.wake();
    }
}

/// Held while a guest may run.
pub(crate) struct Ticking<'a>(&'a AtomicUsize);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_begins_while_the_thread_falls_asleep_is_not_missed() {
        let ticker = Ticker::start().unwrap();
        let guard = ticker.guest_runs();
        assert!(!ticker.fall_asleep(), "a guest runs");
        drop(guard);
        // The thread itself may have slept by now; either way a guest that begins finds it awake.
        let _guard = ticker.guest_runs();
        assert!(!ticker.asleep.load(Ordering::SeqCst));
    }

    /// A ticker whose thread sleeps: the test ticks.
    fn still() -> Arc<Ticker> {
        let ticker = Ticker::start().unwrap();
        while !ticker.asleep.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // Nobody wakes it from now on.
        ticker.asleep.store(false, Ordering::SeqCst);
        ticker
    }

    #[test]
    fn an_idle_ticker_counts_the_ticks_and_a_call_begins_them_anew() {
        let ticker = still();
        let mut pace = Pace::default();
        ticker.tick(&mut pace);
        ticker.tick(&mut pace);
        assert_eq!(pace, Pace { idle_ticks: 2, quick_ticks: 0 });
        let _guard = ticker.guest_runs();
        ticker.tick(&mut pace);
        assert_eq!(pace.idle_ticks, 0);
    }

    #[test]
    fn ticks_come_soon_only_while_a_call_outlives_an_interval() {
        let ticker = still();
        let mut pace = Pace::default();
        for _ in 0..4 {
            // Some call is always under way when it ticks, but none for long.
            let short = ticker.guest_runs();
            ticker.tick(&mut pace);
            drop(short);
            assert_eq!(pace.next_tick(), SLOW_TICK);
        }
        let long = ticker.guest_runs();
        ticker.tick(&mut pace);
        assert_eq!(pace.next_tick(), SLOW_TICK, "it may have begun a moment ago");
        for _ in 0..4 {
            let _short = ticker.guest_runs();
            ticker.tick(&mut pace);
            assert_eq!(pace.next_tick(), TICK);
        }
        drop(long);
        ticker.tick(&mut pace);
        ticker.tick(&mut pace);
        assert_eq!(pace.next_tick(), SLOW_TICK);
    }
}
