#![allow(unused)]

use wasmhost_guest::prelude::*;

pub struct Plain {
    pub a: u8,
}

#[function]
fn f(a: Plain) -> u8 {
    a.a
}

fn main() {}
