#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class(memroy = "1GiB")]
mod model {
    #[derive(Value)]
    pub struct Prediction {
        pub label: String,
    }

    pub struct Plain {
        pub text: String,
    }

    pub struct Model;

    impl Model {
        #[enter]
        fn new(name: String, #[default(100)] size: i64) -> Self {
            Self
        }

        #[enter]
        fn warm(&mut self, name: String) {}

        #[method]
        fn predict(&self, x: &[f64], #[default(1)] times: u32) -> Result<Prediction> {
            bail!("no")
        }

        #[method]
        fn plain(&self, (a, b): (u8, u8), fields: Vec<Plain>) -> Plain {
            fields.into_iter().next().unwrap()
        }

        #[method]
        fn count(&self, #[default(1)] times: u32) -> usize {
            7
        }
    }
}

#[function]
fn square(x: usize) -> i64 {
    0
}

// No call is a mistake.
async fn caller() -> Result<String> {
    let prediction = model::call().name("a").size(7).predict(&[1.0]).times(3).await?;
    let plain = model::call().name("a").plain((1, 2), Vec::new()).wait()?;
    let count: u64 = model::call().name("a").count().times(2).await?;
    let square = square::call(3_u64).await?.pow(2);
    Ok(prediction.label + &plain.text)
}

fn main() {}
