//! The class `model`: `enter` loads the model when an instance starts, and each call of the instance finds it loaded.

use wasmhost_guest::prelude::*;

/// A model that was made elsewhere and is loaded once per instance.
#[class(memory = "64MiB")]
mod model {
    use std::fs;

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
        #[method]
        fn predict(&self, x: f64) -> f64 {
            self.coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
        }
    }
}

#[main]
async fn main() -> Result<f64> {
    Ok(model::call().predict(123.0).await?)
}
