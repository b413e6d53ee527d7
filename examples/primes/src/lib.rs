//! The class `primes`: `build` makes a table of five million entries, and every instance starts with it.

use std::fs;
use std::sync::{Mutex, OnceLock};

use exports::example::primes::primes::Guest;

wit_bindgen::generate!({ path: "wit" });

const LIMIT: usize = 5_000_000;

/// Written by `build`, and read by every instance.
const NOTE: &str = "/image/note.txt";

static IS_PRIME: OnceLock<Vec<bool>> = OnceLock::new();
static LEFT: Mutex<String> = Mutex::new(String::new());

struct Primes;

impl Guest for Primes {
    fn build() -> Result<(), String> {
        println!("looking for primes below {LIMIT}");
        let table = sieve();
        let found = table.iter().filter(|is_prime| **is_prime).count();
        eprintln!("found {found}");
        fs::write(NOTE, format!("{found} primes below {LIMIT}")).map_err(|error| format!("{NOTE}: {error}"))?;
        IS_PRIME.set(table).map_err(|_| "it was built before".to_owned())
    }

    fn enter(name: String) -> Result<(), String> {
        let note = fs::read_to_string(NOTE).map_err(|error| format!("{NOTE}: {error}"))?;
        println!("{name} knows {note}");
        *LEFT.lock().map_err(|error| error.to_string())? = note;
        Ok(())
    }

    fn is_prime(number: u32) -> Result<bool, String> {
        let table = IS_PRIME.get().ok_or("`build` has not run")?;
        let found = usize::try_from(number).ok().and_then(|number| table.get(number));
        found.copied().ok_or_else(|| format!("{number} is not below {LIMIT}"))
    }

    fn note() -> String {
        LEFT.lock().map(|left| left.clone()).unwrap_or_default()
    }
}

export!(Primes);

/// For each number whether it is prime: what is a multiple of a smaller one is struck out.
fn sieve() -> Vec<bool> {
    let mut table = vec![true; LIMIT];
    table[..2].fill(false);
    let mut number = 2;
    while number * number < LIMIT {
        if table[number] {
            (number * number..LIMIT).step_by(number).for_each(|multiple| table[multiple] = false);
        }
        number += 1;
    }
    table
}
