//! The class `model`: `build` downloads its weights, once, and each instance loads them when it is entered.

use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;

use exports::example::download::model::Guest;
use wstd::http::{Body, Client, Request};

wit_bindgen::generate!({ path: "wit" });

/// Written by `build`, and read by every instance.
const WEIGHTS: &str = "/image/weights.txt";

static LOADED: OnceLock<HashMap<String, i64>> = OnceLock::new();

struct Model;

impl Guest for Model {
    fn build() -> Result<(), String> {
        let url = std::env::var("WEIGHTS_URL").map_err(|error| format!("WEIGHTS_URL: {error}"))?;
        println!("downloading {url}");
        let weights = wstd::runtime::block_on(download(&url)).map_err(|error| format!("{url}: {error}"))?;
        fs::write(WEIGHTS, weights).map_err(|error| format!("{WEIGHTS}: {error}"))
    }

    fn enter() -> Result<(), String> {
        let text = fs::read_to_string(WEIGHTS).map_err(|error| format!("{WEIGHTS}: {error}"))?;
        let weights = parse(&text)?;
        println!("loaded {} weights", weights.len());
        LOADED.set(weights).map_err(|_| "this instance was entered before".to_owned())
    }

    fn predict(text: String) -> i64 {
        let weights = LOADED.get().expect("the host enters an instance before it calls it");
        text.split_whitespace().filter_map(|word| weights.get(word)).sum()
    }
}

export!(Model);

async fn download(url: &str) -> Result<String, wstd::http::Error> {
    let response = Client::new().send(Request::get(url).body(Body::empty())?).await?;
    if !response.status().is_success() {
        return Err(wstd::http::Error::msg(format!("the server answered {}", response.status())));
    }
    Ok(response.into_body().str_contents().await?.to_owned())
}

/// Each line is a word and its weight.
fn parse(text: &str) -> Result<HashMap<String, i64>, String> {
    let weight = |line: &str| {
        let (word, weight) = line.split_once(' ')?;
        Some((word.to_owned(), weight.parse().ok()?))
    };
    text.lines().map(|line| weight(line).ok_or_else(|| format!("no word and weight: `{line}`"))).collect()
}
