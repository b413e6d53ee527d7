#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[derive(Value)]
struct Empty {}

#[derive(Value)]
struct Generic<T>(T);

#[derive(Value)]
struct Borrowed {
    name: String,
    path: &'static str,
    size: usize,
}

#[derive(Value)]
enum Never {}

#[derive(Value)]
enum Choice {
    Nothing {},
    Größe(u8),
}

#[derive(Value)]
union Bits {
    a: u8,
    b: i8,
}

fn main() {}
