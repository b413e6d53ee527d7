use wasmhost_guest::prelude::*;

#[main]
fn one() {}

#[main]
fn two() {}

fn main() {}
