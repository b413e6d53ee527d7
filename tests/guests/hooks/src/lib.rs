//! Serves the promises about an instance's life: the order of the hooks, that each runs as often as it should, what
//! follows when one fails in any of the ways there are, what a snapshot keeps, and every limit on an instance.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use exports::test::hooks::probe::{self, Clocks, Guest, Output, Position, Problem};
use wasi::clocks::monotonic_clock;
use wasi::io::poll::Pollable;
use wasi::random::random;

wit_bindgen::generate!({ path: "wit", generate_all });

static CALLS: AtomicU32 = AtomicU32::new(0);
static JOURNAL: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MODE: Mutex<String> = Mutex::new(String::new());
static HANDLES: Mutex<Vec<Pollable>> = Mutex::new(Vec::new());
static MEMORY: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static FIRST_LOOK: LazyLock<Instant> = LazyLock::new(Instant::now);

struct Probe;

impl Guest for Probe {
    fn build() -> Result<(), String> {
        hook("build", "build".to_owned())
    }

    fn enter(mode: String) -> Result<(), String> {
        let note = format!("enter mode={mode}");
        *hold(&MODE) = mode;
        hook("enter", note)
    }

    fn exit() -> Result<(), String> {
        let mode = hold(&MODE).clone();
        // Written before anything can go wrong, so that a test can count exits that were begun.
        if let Ok(mut journal) = OpenOptions::new().append(true).open("/out/journal") {
            journal.write_all(format!("exit mode={mode}\n").as_bytes()).map_err(text)?;
        }
        hook("exit", "exit".to_owned())
    }

    fn restore() -> Result<(), String> {
        hook("restore", "restore".to_owned())
    }

    fn behave(how: probe::Behaviour) -> Result<(), String> {
        called();
        behaviour::Behaviour::from(how).perform()
    }

    fn fail(message: String) -> Result<String, String> {
        called();
        Err(message)
    }

    fn refuse(code: u32) -> Result<u32, Problem> {
        called();
        Err(match code {
            0 => Problem::NotFound("nothing".to_owned()),
            1 => Problem::TooLarge(code),
            _ => Problem::Unlucky,
        })
    }

    fn noop() {
        called();
    }

    fn echo(text: String) -> String {
        called();
        text
    }

    fn bytes(data: Vec<u8>) -> Vec<u8> {
        called();
        data
    }

    fn point(at: Position) -> Position {
        called();
        Position { x: at.y, y: at.x }
    }

    fn count() -> u32 {
        called()
    }

    fn journal() -> Vec<String> {
        called();
        hold(&JOURNAL).clone()
    }

    fn write(to: Output, lines: u32, width: u32) {
        called();
        let mut line = "x".repeat(width.saturating_sub(1) as usize);
        line.push('\n');
        for _ in 0..lines {
            match to {
                Output::Stdout => print!("{line}"),
                Output::Stderr => eprint!("{line}"),
            }
        }
    }

    fn read_env(name: String) -> Option<String> {
        called();
        std::env::var(name).ok()
    }

    fn read_file(path: String) -> Result<String, String> {
        called();
        std::fs::read_to_string(path).map_err(text)
    }

    fn write_file(path: String, text: String) -> Result<(), String> {
        called();
        std::fs::write(path, text).map_err(self::text)
    }

    fn list_dir(path: String) -> Result<Vec<String>, String> {
        called();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(text)? {
            names.push(entry.map_err(text)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn random(length: u64) -> u64 {
        called();
        random::get_random_bytes(length).len() as u64
    }

    fn draw() -> u64 {
        called();
        random::get_random_u64()
    }

    fn now() -> Clocks {
        called();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clocks {
            wall: nanoseconds(wall),
            monotonic: monotonic_clock::now(),
            elapsed: nanoseconds(FIRST_LOOK.elapsed()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "sleeping in the host is what a test asks for")]
    fn pause(milliseconds: u64) {
        called();
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    fn work(milliseconds: u64) {
        called();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(milliseconds) {
            black_box((0..10_000_u32).fold(0, |sum: u32, turn| black_box(sum.wrapping_add(turn))));
        }
    }

    fn open_handles(handles: u32) -> u32 {
        called();
        let mut kept = hold(&HANDLES);
        // A timer that is far off: the cheapest resource that a host makes.
        kept.extend((0..handles).map(|_| monotonic_clock::subscribe_duration(u64::MAX)));
        u32::try_from(kept.len()).unwrap_or(u32::MAX)
    }

    fn allocate(size: u64) -> u64 {
        called();
        // On a 32-bit guest, what cannot be counted cannot be allocated either: it ends in the same abort.
        let memory = vec![1; usize::try_from(size).unwrap_or(isize::MAX as usize)];
        keep(memory)
    }

    fn try_allocate(size: u64) -> Result<u64, String> {
        called();
        let size = usize::try_from(size).map_err(text)?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(size).map_err(text)?;
        memory.resize(size, 1);
        Ok(keep(memory))
    }

    fn recurse(depth: u32) -> u32 {
        called();
        descend(depth)
    }
}

export!(Probe);

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

fn hook(name: &str, note: String) -> Result<(), String> {
    hold(&JOURNAL).push(note);
    let mode = hold(&MODE).clone();
    behaviour::perform(name, &mode)
}

/// Counts a method call.
fn called() -> u32 {
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

fn keep(memory: Vec<u8>) -> u64 {
    let size = memory.len() as u64;
    hold(&MEMORY).push(black_box(memory));
    size
}

fn hold<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("a panic ends the guest, so no lock is ever poisoned")
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Keeps a frame of its own on both of the guest's stacks, whatever the optimizer would make of it.
#[inline(never)]
fn descend(depth: u32) -> u32 {
    let frame = black_box([depth; 16]);
    if depth == 0 { 0 } else { black_box(descend(depth - 1)) + black_box(frame[0].min(1)) }
}
