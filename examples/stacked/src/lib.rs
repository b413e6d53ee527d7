//! The class `model`: one function makes it ready, as `build` for all instances and as `enter` for each.
//!
//! It is written like those of libraries that download what they need at first use and keep it: what runs while the component
//! is built finds nothing and downloads, and what runs in an instance finds what was kept.

use wasmhost_guest::prelude::*;

/// A model that is made ready by one function.
#[class]
mod model {
    use std::collections::HashMap;
    use std::{env, fs};

    use wstd::http::{Body, Client, Request};

    /// Where downloads are kept.
    const KEPT: &str = "/image/weights.txt";

    pub struct Model {
        weights: HashMap<String, i64>,
    }

    impl Model {
        #[build]
        #[enter]
        fn load_model() -> Result<Self> {
            let weights = parse(&kept_or_downloaded()?)?;
            println!("loaded {} weights", weights.len());
            Ok(Self { weights })
        }

        /// Says how kind a text is: the sum of its words' weights.
        #[method]
        fn predict(&self, text: String) -> i64 {
            text.split_whitespace().filter_map(|word| self.weights.get(word)).sum()
        }
    }

    fn kept_or_downloaded() -> Result<String> {
        if let Ok(kept) = fs::read_to_string(KEPT) {
            return Ok(kept);
        }
        let url = env::var("WEIGHTS_URL").map_err(|error| error!("WEIGHTS_URL: {error}"))?;
        println!("downloading {url}");
        let weights = wstd::runtime::block_on(download(&url)).map_err(|error| error!("{url}: {error}"))?;
        fs::write(KEPT, &weights).map_err(|error| error!("{KEPT}: {error}"))?;
        Ok(weights)
    }

    async fn download(url: &str) -> Result<String, wstd::http::Error> {
        let response = Client::new().send(Request::get(url).body(Body::empty())?).await?;
        if !response.status().is_success() {
            return Err(wstd::http::Error::msg(format!("the server answered {}", response.status())));
        }
        Ok(response.into_body().str_contents().await?.to_owned())
    }

    /// Each line is a word and its weight.
    fn parse(text: &str) -> Result<HashMap<String, i64>> {
        let weight = |line: &str| {
            let (word, weight) = line.split_once(' ')?;
            Some((word.to_owned(), weight.parse().ok()?))
        };
        text.lines().map(|line| weight(line).ok_or_else(|| error!("no word and weight: `{line}`"))).collect()
    }
}
