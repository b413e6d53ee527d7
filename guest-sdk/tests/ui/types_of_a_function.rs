#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

pub struct Plain {
    pub a: u8,
}

#[function]
fn f(a: Plain) -> u8 {
    a.a
}

fn main() {}
