//! Serves the promises about `async func`: async hooks in their order, calls that share an instance, what becomes of
//! the others when one of them waits, blocks, fails or goes on after its result, and a guest that uses WASI 0.2 (through
//! the standard library) and 0.3 at once.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use exports::test::hooks_async::probe::{self, Guest};
use wasi::clocks::monotonic_clock;
use wasi::random::{insecure, insecure_seed, random};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

wit_bindgen::generate!({ path: "wit", generate_all });

static CALLS: AtomicU32 = AtomicU32::new(0);
static JOURNAL: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MODE: Mutex<String> = Mutex::new(String::new());
static UNDER_WAY: AtomicU32 = AtomicU32::new(0);
static MOST: AtomicU32 = AtomicU32::new(0);

struct Probe;

impl Guest for Probe {
    async fn build() -> Result<(), String> {
        hook("build", "build".to_owned()).await
    }

    async fn enter(mode: String) -> Result<(), String> {
        let note = format!("enter mode={mode}");
        *hold(&MODE) = mode;
        hook("enter", note).await
    }

    async fn exit() -> Result<(), String> {
        let mode = hold(&MODE).clone();
        // Written before anything can go wrong, so that a test can count exits that were begun.
        if let Ok(mut journal) = OpenOptions::new().append(true).open("/out/journal") {
            journal.write_all(format!("exit mode={mode}\n").as_bytes()).map_err(|error| error.to_string())?;
        }
        hook("exit", "exit".to_owned()).await
    }

    async fn restore() -> Result<(), String> {
        hook("restore", "restore".to_owned()).await
    }

    async fn behave(how: probe::Behaviour) -> Result<(), String> {
        let _call = Call::begin();
        wait(1).await;
        behaviour::Behaviour::from(how).perform()
    }

    async fn fail(message: String) -> Result<String, String> {
        let _call = Call::begin();
        Err(message)
    }

    async fn noop() {
        let _call = Call::begin();
    }

    async fn echo(text: String) -> String {
        let _call = Call::begin();
        text
    }

    fn echo_sync(text: String) -> String {
        let _call = Call::begin();
        text
    }

    async fn wait(milliseconds: u64) -> u32 {
        let _call = Call::begin();
        wait(milliseconds).await;
        UNDER_WAY.load(Ordering::Relaxed)
    }

    #[expect(clippy::disallowed_methods, reason = "blocking the others is what a test asks for")]
    async fn block(milliseconds: u64) {
        let _call = Call::begin();
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    async fn wait_forever() {
        let _call = Call::begin();
        loop {
            wait(1).await;
        }
    }

    async fn linger(milliseconds: u64) -> u32 {
        let call = Call::begin();
        let count = call.number;
        // The task ends when all that it spawned has ended, which is after its result has gone out.
        wit_bindgen::spawn_local(async move {
            let _call = call;
            wait(milliseconds).await;
        });
        count
    }

    async fn draw() -> Vec<Vec<u8>> {
        let _call = Call::begin();
        let (low, high) = insecure_seed::get_insecure_seed();
        vec![
            random::get_random_bytes(16),
            bytes_of([random::get_random_u64(), random::get_random_u64()]),
            insecure::get_insecure_random_bytes(16),
            bytes_of([insecure::get_insecure_random_u64(), insecure::get_insecure_random_u64()]),
            bytes_of([low, high]),
        ]
    }

    async fn count() -> u32 {
        Call::begin().number
    }

    async fn most() -> u32 {
        let _call = Call::begin();
        MOST.load(Ordering::Relaxed)
    }

    async fn journal() -> Vec<String> {
        let _call = Call::begin();
        hold(&JOURNAL).clone()
    }

    async fn drain(mut data: StreamReader<u8>) -> u64 {
        let _call = Call::begin();
        let mut total = 0;
        let mut buffer = Vec::with_capacity(4096);
        loop {
            let (result, filled) = data.read(buffer).await;
            total += filled.len() as u64;
            if matches!(result, StreamResult::Dropped | StreamResult::Cancelled) {
                return total;
            }
            buffer = filled;
            buffer.clear();
        }
    }

    async fn later(text: FutureReader<String>) -> String {
        let _call = Call::begin();
        text.await
    }
}

export!(Probe);

/// A method call under way; it counts itself at both ends.
struct Call {
    number: u32,
}

impl Call {
    fn begin() -> Self {
        let now = UNDER_WAY.fetch_add(1, Ordering::Relaxed) + 1;
        MOST.fetch_max(now, Ordering::Relaxed);
        Self { number: CALLS.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<probe::Behaviour> for behaviour::Behaviour {
    fn from(how: probe::Behaviour) -> Self {
        match how {
            probe::Behaviour::Succeed => Self::Succeed,
            probe::Behaviour::Err => Self::Err,
            probe::Behaviour::Panic => Self::Panic,
            probe::Behaviour::Trap => Self::Trap,
            probe::Behaviour::Spin => Self::Spin,
            probe::Behaviour::Allocate => Self::Allocate,
            probe::Behaviour::Sleep => Self::Sleep,
            probe::Behaviour::Exit => Self::Exit,
            probe::Behaviour::Print => Self::Print,
            probe::Behaviour::Open => Self::Open,
            probe::Behaviour::Image => Self::Image,
        }
    }
}

fn bytes_of(numbers: [u64; 2]) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

async fn hook(name: &str, note: String) -> Result<(), String> {
    // So that a hook is still under way when its first poll returns.
    wait(1).await;
    hold(&JOURNAL).push(note);
    let mode = hold(&MODE).clone();
    behaviour::perform(name, &mode)
}

async fn wait(milliseconds: u64) {
    monotonic_clock::wait_for(milliseconds.saturating_mul(1_000_000)).await;
}

fn hold<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("a panic ends the guest, so no lock is ever poisoned")
}
