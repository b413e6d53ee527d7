#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Silent;

    #[method]
    fn get() -> Result<u8, Silent> {
        Err(Silent)
    }

    #[build]
    fn make() -> Result<(), Silent> {
        Ok(())
    }
}

fn main() {}
