#![allow(unused)]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[enter]
    fn load() {}
}

fn main() {}
