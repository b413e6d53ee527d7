//! Everything that a guest in Rust can draw random bytes from.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::exports::test::clones::witness::Drawn;
use crate::wasi::random::{insecure, insecure_seed, random};

/// From the host, once each.
pub(crate) fn fresh() -> Vec<Drawn> {
    let mut filled = [0; 16];
    getrandom::fill(&mut filled).expect("WASI always has random bytes");
    let (low, high) = insecure_seed::insecure_seed();
    vec![
        drawn("get-random-bytes", random::get_random_bytes(16)),
        drawn("get-random-u64", two(random::get_random_u64)),
        drawn("get-insecure-random-bytes", insecure::get_insecure_random_bytes(16)),
        drawn("get-insecure-random-u64", two(insecure::get_insecure_random_u64)),
        drawn("insecure-seed", [low.to_le_bytes(), high.to_le_bytes()].concat()),
        drawn("getrandom", filled.to_vec()),
    ]
}

/// From the keys of hash maps: the standard library asks for them once, and counts from there.
pub(crate) fn again() -> Vec<Drawn> {
    let keys = RandomState::new();
    vec![drawn("RandomState", (0..2_u8).flat_map(|value| keys.hash_one(value).to_le_bytes()).collect())]
}

fn two(draw: fn() -> u64) -> Vec<u8> {
    [draw().to_le_bytes(), draw().to_le_bytes()].concat()
}

fn drawn(source: &str, bytes: Vec<u8>) -> Drawn {
    Drawn { source: source.to_owned(), bytes }
}
