#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[enter]
    fn load() {}
}

fn main() {}
