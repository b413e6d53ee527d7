#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[enter]
        fn new() -> Self {
            Self
        }

        #[enter]
        fn load(name: String) -> Result<Self> {
            Ok(Self)
        }

        #[method]
        fn get(&self) {}
    }
}

fn main() {}
