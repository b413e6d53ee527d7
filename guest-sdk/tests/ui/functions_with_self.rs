#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

pub struct Counter(u32);

impl Counter {
    #[function]
    fn count(&self, #[default(1)] by: u32) -> u32 {
        self.0 + by
    }
}

#[function(timeout = "1s")]
fn alone(&mut self) -> u32 {
    0
}

fn main() {}
