#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Default)]
    pub struct Model;

    impl Model {
        #[build]
        fn download(&self) {}

        #[build]
        #[enter]
        fn both(&self) {}

        #[enter]
        fn look(&self) {}

        #[enter]
        fn consume(self) {}

        #[method]
        fn finish(self) {}

        #[exit]
        fn close(self) {}

        #[exit]
        fn close_again(&mut self) {}
    }
}

fn main() {}
