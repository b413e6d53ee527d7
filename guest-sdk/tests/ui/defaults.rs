#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Clone, Value)]
    pub enum Color {
        Red,
        LightBlue,
    }

    #[derive(Default)]
    pub struct Model;

    impl Model {
        #[enter]
        fn load(&mut self, #[default("100")] size: i64, #[default(256)] small: u8) {}

        #[method]
        fn get(
            &self,
            #[default(7)] name: String,
            #[default(1.5)] count: u32,
            #[default(30)] wait: Duration,
            #[default(Color::Green)] color: Color,
            #[default(3)] some: Option<u8>,
            #[default(b"x")] bytes: Bytes,
            #[default] nothing: u8,
        ) {
        }
    }
}

fn main() {}
