//! The class `model`, whose method answers requests: hooks are what they are in a class that is called otherwise.

use wasmhost_guest::prelude::*;

/// A model that is loaded once per instance and asked over the web.
#[class]
mod model {
    use std::fs;

    /// What the model expects.
    #[derive(Value)]
    pub struct Prediction {
        pub x: f64,
        pub y: f64,
    }

    pub struct Model {
        /// Of a polynomial, the constant first.
        coefficients: Vec<f64>,
    }

    impl Model {
        #[enter]
        fn run_on_startup() -> Result<Self> {
            println!("loading the model");
            let file = fs::read_to_string("/data/model.txt")?;
            let coefficients = file.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            Ok(Self { coefficients })
        }

        /// Says what the model expects at `x`.
        #[get("/predict/{x}")]
        fn predict(&self, x: f64) -> Prediction {
            let y = self.coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
            Prediction { x, y }
        }
    }
}
