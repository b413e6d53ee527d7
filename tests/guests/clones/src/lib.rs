//! Serves the promises about snapshots in Rust; `clones-python` and `clones-js` serve them in their languages, from the same
//! WIT. What `build` made, read, wrote, printed and drew, and what it left open, is there, told or fresh in each instance.

mod draw;
mod leave;

use std::fs;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use exports::test::clones::witness::{Drawn, Found, Guest};
use wasi::clocks::monotonic_clock;

wit_bindgen::generate!({ path: "wit", world: "rust", generate_all });

/// The size of the table where the variable `TABLE_MIB` says nothing.
const TABLE_MIB: usize = 5;
const IMAGE: &str = "/image/t.bin";
/// What the clock shows at least when `build` reads it: far more than that of a fresh instance shows in `enter`.
const LEAST_CLOCK: u64 = 1_000_000_000;

/// What `build` leaves in memory.
struct Built {
    runs: u32,
    table: Vec<u8>,
    greeting: String,
    at: u64,
    instant: Instant,
    drawn: Vec<Drawn>,
}

static BUILT: Mutex<Option<Built>> = Mutex::new(None);
static FOUND: OnceLock<Found> = OnceLock::new();

struct Witness;

impl Guest for Witness {
    fn build() -> Result<(), String> {
        println!("building");
        eprintln!("building, told as an error");
        let image: Vec<u8> = (0..=u8::MAX).collect();
        fs::write(IMAGE, &image).map_err(|error| format!("{IMAGE}: {error}"))?;
        if fs::read(IMAGE).map_err(|error| format!("{IMAGE}: {error}"))? != image {
            return Err(format!("{IMAGE} has other bytes than were written"));
        }
        draw::again();
        let mut built = BUILT.lock().map_err(|error| error.to_string())?;
        let runs = built.as_ref().map_or(0, |built| built.runs) + 1;
        let greeting = variable("GREETING");
        let table_bytes = variable("TABLE_MIB").parse().unwrap_or(TABLE_MIB) << 20;
        let table = (0..table_bytes).map(right_byte).collect();
        while monotonic_clock::now() < LEAST_CLOCK {}
        *built = Some(Built {
            runs,
            table,
            greeting,
            at: monotonic_clock::now(),
            instant: Instant::now(),
            drawn: draw::fresh(),
        });
        leave::open(&variable("LEAVES"))
    }

    fn enter(name: String) -> Result<(), String> {
        println!("{name} entered");
        eprintln!("{name} entered, told as an error");
        let entered_at = monotonic_clock::now();
        let built = BUILT.lock().map_err(|error| error.to_string())?;
        let built = built.as_ref().ok_or("`build` has not run")?;
        if Instant::now().checked_duration_since(built.instant).is_none() {
            return Err("the time in `build` lies ahead".to_owned());
        }
        let note = format!("{}/{name}.txt", variable("NOTES"));
        fs::write(&note, format!("a note of {name}")).map_err(|error| format!("{note}: {error}"))?;
        let right = built.table.iter().enumerate().take_while(|(place, byte)| right_byte(*place) == **byte);
        let found = Found {
            builds: built.runs,
            table_bytes: right.count() as u64,
            image: fs::read(IMAGE).map_err(|error| format!("{IMAGE}: {error}"))?,
            greeting: built.greeting.clone(),
            built_at: built.at,
            entered_at,
            note: fs::read_to_string(&note).map_err(|error| format!("{note}: {error}"))?,
        };
        FOUND.set(found).map_err(|_| "this instance was entered before".to_owned())
    }

    fn look() -> Found {
        FOUND.get().cloned().expect("the host enters an instance before it calls it")
    }

    fn draw() -> Vec<Drawn> {
        draw::fresh()
    }

    fn drawn_in_build() -> Vec<Drawn> {
        let built = BUILT.lock().expect("a panic ends the guest, so no lock is ever poisoned");
        built.as_ref().map(|built| built.drawn.clone()).unwrap_or_default()
    }

    fn draw_again() -> Vec<Drawn> {
        draw::again()
    }
}

export!(Witness);

/// The byte at a place of the table.
fn right_byte(place: usize) -> u8 {
    u8::try_from((place * 7 + place / 256) % 256).unwrap_or_default()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
