//! Serves the promises about what instances cost that start where `build` ended: five megabytes of state, with or without
//! streams and directories that are open beside it.

use std::sync::OnceLock;
use std::{env, fs};

use exports::test::table::table::Guest;

wit_bindgen::generate!({ path: "wit" });

const NUMBERS: usize = 5_000_000;

const FILE: &str = "/image/primes.txt";

static IS_PRIME: OnceLock<Vec<bool>> = OnceLock::new();

struct Table;

impl Guest for Table {
    fn build() -> Result<(), String> {
        let numbers = match env::var("NUMBERS") {
            Ok(numbers) => numbers.parse().map_err(|error| format!("`NUMBERS`: {error}"))?,
            Err(_) => NUMBERS,
        };
        let table = sieve(numbers);
        if env::var_os("LOUD").is_some() {
            let found = table.iter().filter(|is_prime| **is_prime).count();
            println!("found {found}");
            eprintln!("below {numbers}");
            fs::write(FILE, found.to_string()).map_err(|error| format!("`{FILE}`: {error}"))?;
        }
        IS_PRIME.set(table).map_err(|_| "it was built before".to_owned())
    }

    fn is_prime(number: u32) -> Result<bool, String> {
        let table = IS_PRIME.get().ok_or("there is no table")?;
        let found = usize::try_from(number).ok().and_then(|number| table.get(number));
        found.copied().ok_or_else(|| format!("{number} is not in the table"))
    }
}

export!(Table);

/// For each number whether it is prime: what is a multiple of a smaller one is struck out.
fn sieve(numbers: usize) -> Vec<bool> {
    let mut table = vec![true; numbers.max(2)];
    table[..2].fill(false);
    let mut number = 2;
    while number * number < table.len() {
        if table[number] {
            (number * number..table.len()).step_by(number).for_each(|multiple| table[multiple] = false);
        }
        number += 1;
    }
    table
}
