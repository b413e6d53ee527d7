#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Value)]
    pub struct Prediction {
        pub a_b: u8,
        pub aB: u8,
    }

    #[method]
    fn prediction() -> Prediction {
        Prediction { a_b: 1, aB: 2 }
    }

    #[method]
    fn größe() {}

    #[method]
    fn restore() {}
}

fn main() {}
