#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[enter]
        fn load(name: String) -> Self {
            Self
        }

        #[enter]
        fn more(&mut self, name: u8) {}

        #[method]
        fn generate(&self, name: String) {}
    }
}

fn main() {}
