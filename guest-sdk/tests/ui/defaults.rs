#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[derive(Clone, Value)]
    pub enum Color {
        Red,
        LightBlue,
    }

    #[derive(Value)]
    pub struct Point {
        pub x: i32,
        pub y: i32,
    }

    #[derive(Value)]
    pub enum Shape {
        Circle(f64),
        Line { to: Point },
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

        #[method]
        fn own(
            #[default(Point { x: 1 })] missing: Point,
            #[default(Point { x: 1, y: "2", z: 3 })] ill_typed: Point,
            #[default(Point { x: 1, y: 2, z: 3 })] unknown: Point,
            #[default(Point { x: 1, ..Default::default() })] rest: Point,
            #[default((1, 2))] tuple: Point,
            #[default(Shape::Circle)] bare: Shape,
            #[default(Shape::Line { to: Point { x: 1, y: 2.5 } })] nested: Shape,
            #[default(Shape::Square(1))] other: Shape,
            #[default("circle")] text: Shape,
        ) {
        }
    }
}

fn main() {}
