#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;
    pub struct Other;

    impl Model {
        #[enter]
        #[method]
        fn load() {}

        #[enter]
        #[exit]
        fn both() {}

        #[method(timeout = "5s")]
        fn get() {}
    }

    impl Other {
        #[method]
        fn other() {}
    }
}

fn main() {}
