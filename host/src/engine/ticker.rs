//! A thread of its own that advances the epoch of the engines every millisecond while guests run.
//!
//! It is no task: guests that spin on every worker of the runtime must not be able to hold it up. With no guest running
//! for a while it sleeps, so that an idle host costs nothing.
//!
//! ```text
//!            a call begins: wake, if asleep
//!   asleep ──────────────────────────────────▶ ticking
//!          ◀──────────────────────────────────
//!            no call for IDLE_TICKS
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

use crate::error::{Error, Result};

/// The time between two ticks: how late a guest that never waits can be stopped.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running call after which the thread goes to sleep. Waking it costs a system call, which a caller that
/// makes call after call must not pay.
const IDLE_TICKS: u32 = 100;

pub(crate) struct Ticker {
    running: AtomicUsize,
    asleep: AtomicBool,
    engines: Mutex<Vec<EngineWeak>>,
    thread: std::sync::OnceLock<Thread>,
}

impl Ticker {
    /// Starts the thread. It ends by itself once the ticker is dropped.
    ///
    /// # Errors
    ///
    /// The system has no thread left for it.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            engines: Mutex::new(Vec::new()),
            thread: std::sync::OnceLock::new(),
        });
        let weak = Arc::downgrade(&ticker);
        let spawned = std::thread::Builder::new().name("wasmhost-epoch".into()).spawn(move || {
            let mut idle_ticks = 0;
            while let Some(ticker) = weak.upgrade() {
                idle_ticks = ticker.tick(idle_ticks);
                if idle_ticks > IDLE_TICKS && ticker.fall_asleep() {
                    drop(ticker);
                    std::thread::park();
                    idle_ticks = 0;
                } else {
                    drop(ticker);
                    std::thread::park_timeout(TICK);
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
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(self)
    }

    fn tick(&self, idle_ticks: u32) -> u32 {
        if self.running.load(Ordering::SeqCst) == 0 {
            return idle_ticks + 1;
        }
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
        0
    }

    /// Says that the thread is about to park, unless a call began meanwhile.
    fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // A call that began before the store did not see it: it is seen here instead.
        if self.running.load(Ordering::SeqCst) == 0 {
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
pub(crate) struct Ticking<'a>(&'a Ticker);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
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

    #[test]
    fn only_the_engines_of_a_running_guest_advance() {
        let engine = Engine::default();
        let ticker = Ticker::start().unwrap();
        ticker.watch(&engine);
        assert_eq!(ticker.tick(3), 4);
        let _guard = ticker.guest_runs();
        assert_eq!(ticker.tick(3), 0);
    }
}
