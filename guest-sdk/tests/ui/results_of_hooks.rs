#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Default)]
    pub struct Model;

    impl Model {
        #[build]
        fn make() -> Result<Self> {
            Ok(Self)
        }

        #[build]
        #[enter]
        fn both() -> String {
            String::new()
        }

        #[enter]
        fn load(&mut self) -> u32 {
            1
        }

        #[method]
        fn get(&self) {}

        #[exit]
        fn close(&self) -> Result<String> {
            Ok(String::new())
        }
    }
}

fn main() {}
