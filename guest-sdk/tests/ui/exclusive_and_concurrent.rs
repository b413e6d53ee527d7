#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class(concurrency = 8)]
mod model {
    #[derive(Default)]
    pub struct Model(u32);

    impl Model {
        #[method]
        async fn add(&mut self) {
            self.0 += 1;
        }

        #[method]
        async fn reset(&mut self) {
            self.0 = 0;
        }
    }
}

fn main() {}
