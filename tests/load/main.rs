//! What the server promises under load and when its clients, its guests or its own end come at a bad moment: the real
//! program with real guests, over loopback, with figures.
//!
//! A small version of each runs by default, with four times the promised times, since the machine may be busy and the
//! program is not optimized; `cargo xtask test --full` runs them from a release build too, and holds that to what is
//! promised. A program of its own, because the tests take turns: each wants the machine for itself.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, its helpers too")]

mod client;
mod concurrency;
mod deaths;
mod disconnects;
mod flood;
mod herd;
mod hostile;
mod killed;
mod kills;
mod server;
mod sigterm;
mod spinners;
mod streams;
mod tuples;

use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmhost_tests::SOON;

/// Runs a test when no other runs.
fn alone(test: impl Future<Output = ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// Whether this run is heavy, and held to what is promised. Never without optimization: nobody serves with such a program.
fn is_full() -> bool {
    wasmhost_tests::is_full() && !cfg!(debug_assertions)
}

/// A number that depends on how heavy the run is.
fn size(small: usize, full: usize) -> usize {
    if is_full() { full } else { small }
}

/// A promised time, as it is held to in this run.
fn promised(milliseconds: u64) -> Duration {
    Duration::from_millis(if is_full() { milliseconds } else { 4 * milliseconds })
}

/// Says what was measured, also when the test goes well.
fn figure(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Waits until it is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < SOON, "it did not come about that {what}");
        pause(Duration::from_millis(10)).await;
    }
}

/// Lets time pass: for a load that comes at its own pace.
async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Times, of which quantiles are promised.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    /// Runs and adds the time it took.
    async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = pin!(work).await;
        self.0.push(start.elapsed());
        done
    }

    /// The time that this fraction of all keep to.
    fn quantile(&self, fraction: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length")]
        let at = (sorted.len() as f64 * fraction).ceil() as usize;
        sorted[at.clamp(1, sorted.len()) - 1]
    }
}

impl Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n {} p50 {:.1?} p99 {:.1?}", self.0.len(), self.quantile(0.5), self.quantile(0.99))
    }
}

/// Numbers that look random and are the same in each run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// A time below so many milliseconds.
    fn time(&mut self, milliseconds: u64) -> Duration {
        Duration::from_micros(self.below(1_000 * milliseconds))
    }
}
