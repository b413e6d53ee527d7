//! What a guest does when it is asked to go well or wrong: shared by the guests whose hooks and methods fail on demand,
//! so that a sync and an async hook fail in the same ways. It knows nothing of WIT or of a host.
//!
//! A *script* is a list of behaviours, joined by `+` and done in order: `print+err` prints, then returns an error. A
//! hook's script is looked up first in the text that the instance was entered with, a list of `hook:script` joined by
//! commas (`exit:print+spin`), then in the variable `MODE_BUILD`, `MODE_ENTER`, `MODE_EXIT` or `MODE_RESTORE`. A hook
//! without a script succeeds.

use std::fs::File;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

/// One thing a guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Returns without an error.
    Succeed,
    /// Returns `Err("failed on demand")`.
    Err,
    /// Panics with the message `panicked on demand`, which Rust prints on stderr.
    Panic,
    /// Executes `unreachable` in `deeper`, called by `deep_inside`.
    Trap,
    /// Loops forever.
    Spin,
    /// Allocates, and keeps, one MiB after another until there is no more memory, and then aborts.
    Allocate,
    /// Sleeps forever in the host.
    Sleep,
    /// Calls `exit(3)`, which WASI 0.2 hands to the host as failure, without the number.
    Exit,
    /// Prints `printed on stdout` and `printed on stderr`, each to its stream.
    Print,
    /// Opens `/data/open.txt` and never closes it.
    Open,
    /// Writes `written by build` to `/image/built.txt`.
    Image,
}

impl Behaviour {
    /// Every behaviour with its name in scripts, which is its name in WIT too.
    pub const ALL: [(&str, Self); 11] = [
        ("succeed", Self::Succeed),
        ("err", Self::Err),
        ("panic", Self::Panic),
        ("trap", Self::Trap),
        ("spin", Self::Spin),
        ("allocate", Self::Allocate),
        ("sleep", Self::Sleep),
        ("exit", Self::Exit),
        ("print", Self::Print),
        ("open", Self::Open),
        ("image", Self::Image),
    ];

    /// Does it.
    ///
    /// # Errors
    /// `Err` always, `Open` and `Image` if the file cannot be reached.
    #[expect(clippy::disallowed_methods, reason = "sleeping in the host is what a test asks for")]
    pub fn perform(self) -> Result<(), String> {
        match self {
            Self::Succeed => Ok(()),
            Self::Err => Err("failed on demand".to_owned()),
            Self::Panic => panic!("panicked on demand"),
            Self::Trap => deep_inside(),
            Self::Spin => spin(),
            Self::Allocate => allocate_without_end(),
            Self::Sleep => loop {
                std::thread::sleep(Duration::from_hours(1));
            },
            Self::Exit => std::process::exit(3),
            Self::Print => {
                println!("printed on stdout");
                eprintln!("printed on stderr");
                Ok(())
            }
            Self::Open => open(),
            Self::Image => std::fs::write("/image/built.txt", "written by build").map_err(|error| error.to_string()),
        }
    }
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, behaviour)| *behaviour).ok_or_else(|| format!("no behaviour is named `{name}`"))
    }
}

/// Does what the script of `hook` says.
///
/// # Errors
/// The first error of a behaviour, and a name that is none.
pub fn perform(hook: &str, mode: &str) -> Result<(), String> {
    let given = mode.split(',').find_map(|entry| entry.strip_prefix(hook)?.strip_prefix(':').map(str::to_owned));
    let script = given.or_else(|| std::env::var(format!("MODE_{}", hook.to_uppercase())).ok());
    script.iter().flat_map(|script| script.split('+')).try_for_each(|name| name.parse::<Behaviour>()?.perform())
}

#[inline(never)]
fn deep_inside() -> ! {
    // The argument is hidden from the optimizer, so that the two functions stay two frames.
    deeper(black_box(3))
}

#[inline(never)]
fn deeper(levels: u32) -> ! {
    black_box(levels);
    unreachable_instruction()
}

#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn unreachable_instruction() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn unreachable_instruction() -> ! {
    std::process::abort()
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate_without_end() -> ! {
    let mut kept = Vec::new();
    loop {
        // Written to, so that the memory is used and not only reserved.
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn open() -> Result<(), String> {
    static OPEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let file = File::open("/data/open.txt").map_err(|error| error.to_string())?;
    OPEN.lock().map_err(|error| error.to_string())?.push(file);
    Ok(())
}
