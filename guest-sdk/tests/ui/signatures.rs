#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model<T>(T);

    impl<T> Model<T> {
        #[method]
        fn of_generic(&self) {}
    }

    #[method]
    fn generic<T>(value: T) {}

    #[method]
    unsafe fn danger() {}

    #[method]
    extern "C" fn foreign() {}

    #[method]
    fn twice() {}

    mod inner {}

    #[method]
    fn TWICE() {}
}

fn main() {}
