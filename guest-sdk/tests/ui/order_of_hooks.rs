#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[enter]
        fn warm(&mut self) {}

        #[enter]
        fn new() -> Self {
            Self
        }

        #[method]
        fn get(&self) {}
    }
}

fn main() {}
