#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

use std::collections::HashMap;
use std::error::Error;

#[class]
mod model {
    use super::*;

    pub struct Plain {
        pub a: u8,
    }

    #[derive(Value)]
    pub struct Empty;

    #[derive(Value)]
    pub struct Pair(u8, u128);

    #[derive(Value)]
    pub struct Generic<T> {
        pub a: Vec<T>,
    }

    #[derive(Value)]
    pub enum Shape {
        Circle { radius: f64, corners: usize },
        Nothing(),
        None {},
    }

    #[derive(Value)]
    pub struct Node {
        pub children: Vec<Node>,
    }

    #[method]
    fn texts(a: &str, b: &[u8], c: [f32; 3], d: usize) {}

    #[method]
    fn others(a: Plain, b: Box<u8>, c: HashMap<f64, u8>, d: std::path::PathBuf) -> Option<Result<u8>> {
        None
    }

    #[method]
    fn nested(a: Vec<Option<i128>>, b: impl Into<String>, (c, d): (u8, u8)) -> Box<dyn Error> {
        "".into()
    }
}

fn main() {}
