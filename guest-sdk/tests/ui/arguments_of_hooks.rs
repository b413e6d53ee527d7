#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Default)]
    pub struct Model;

    impl Model {
        #[build]
        fn download(url: String) {}

        #[build]
        #[enter]
        fn both(name: String) {}

        #[method]
        fn get(&self) {}

        #[exit]
        fn close(&self, reason: String) {}
    }
}

fn main() {}
