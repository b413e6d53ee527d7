#![allow(unused)]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[method]
        fn get(&self) {}
    }
}

fn main() {}
