#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[enter]
        fn new(name: String, #[default(100)] size: i64) -> Self {
            Self
        }

        #[method]
        fn generate(&self, prompt: String, #[default(1)] times: u32) -> String {
            prompt
        }

        #[method]
        fn sum(&self, x: Vec<f64>) -> f64 {
            0.0
        }
    }
}

async fn missing() -> Result<f64> {
    Ok(model::call().size(7).sum(vec![1.0]).await?)
}

async fn missing_before_options() -> Result<String> {
    Ok(model::call().generate("hi").times(3).await?)
}

async fn twice() -> Result<f64> {
    Ok(model::call().name("a").size(7).name("b").sum(Vec::new()).await?)
}

async fn an_argument_twice() -> Result<String> {
    Ok(model::call().name("a").generate("hi").times(3).times(4).await?)
}

async fn of_another_type() -> Result<f64> {
    Ok(model::call().name("a").size("large").sum(Vec::new()).await?)
}

async fn by_name_of_no_value() -> Result<usize> {
    Ok(wasmhost_guest::call("model").parameter("name", std::path::Path::new("x")).method("sum").await?)
}

fn main() {}
