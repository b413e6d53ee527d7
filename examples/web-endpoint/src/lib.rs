//! The class `model`, which answers requests: hooks are what they are in a class that is called otherwise.

use wasmhost_guest::prelude::*;

/// A model that is loaded once per instance and asked over the web.
#[class]
mod model {
    use std::fs;

    use wasmhost_guest::http::{Method, StatusCode};

    const MAX_BODY_BYTES: usize = 1024 * 1024;

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

        /// Says what it expects at each `x` of a body with one in each line; what no route answers comes here.
        #[web]
        fn predict_all(&self, request: Request) -> Result<Response> {
            if (request.method(), request.uri().path()) != (&Method::POST, "/predict") {
                return Ok(Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty())?);
            }
            let body = request.into_body().bytes(MAX_BODY_BYTES).wait()?;
            let lines = str::from_utf8(&body)?.lines();
            match lines.map(|x| Ok(self.predict(x.trim().parse()?))).collect::<Result<Vec<_>>>() {
                Ok(predictions) => Ok(Response::new(Body::json(&predictions))),
                Err(error) => {
                    let status = StatusCode::BAD_REQUEST;
                    Ok(Response::builder().status(status).body(format!("{}\n", error.text()).into())?)
                }
            }
        }
    }
}
