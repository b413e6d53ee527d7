#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class(
    memory = 256,
    max_instance = 8,
    timeout = "5",
    colour = "red",
    files = [],
    parameters = 1,
    tmp = "1MiB",
    tmp = "2MiB",
    env = "A=b",
    snapshot = "on"
)]
mod model {
    #[method]
    fn get() {}
}

fn main() {}
