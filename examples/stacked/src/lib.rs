//! The class `model`: one function makes it ready, as `build` for all instances and as `enter` for each.
//!
//! It is written like those of libraries that download what they need at first use and keep it: what runs while the component
//! is built finds nothing and downloads, and what runs in an instance finds what was kept.

use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;

use exports::example::stacked::model::Guest;
use wstd::http::{Body, Client, Request};

wit_bindgen::generate!({ path: "wit" });

/// Where downloads are kept.
const KEPT: &str = "/image/weights.txt";

static LOADED: Mutex<Option<HashMap<String, i64>>> = Mutex::new(None);

struct Model;

impl Guest for Model {
    fn enter() -> Result<(), String> {
        let weights = parse(&kept_or_downloaded()?)?;
        println!("loaded {} weights", weights.len());
        *LOADED.lock().map_err(|error| error.to_string())? = Some(weights);
        Ok(())
    }

    fn predict(text: String) -> i64 {
        let loaded = LOADED.lock().expect("a panic ends the guest, so no lock is ever poisoned");
        let weights = loaded.as_ref().expect("the host enters an instance before it calls it");
        text.split_whitespace().filter_map(|word| weights.get(word)).sum()
    }
}

export!(Model);

fn kept_or_downloaded() -> Result<String, String> {
    if let Ok(kept) = fs::read_to_string(KEPT) {
        return Ok(kept);
    }
    let url = std::env::var("WEIGHTS_URL").map_err(|error| format!("WEIGHTS_URL: {error}"))?;
    println!("downloading {url}");
    let weights = wstd::runtime::block_on(download(&url)).map_err(|error| format!("{url}: {error}"))?;
    fs::write(KEPT, &weights).map_err(|error| format!("{KEPT}: {error}"))?;
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
fn parse(text: &str) -> Result<HashMap<String, i64>, String> {
    let weight = |line: &str| {
        let (word, weight) = line.split_once(' ')?;
        Some((word.to_owned(), weight.parse().ok()?))
    };
    text.lines().map(|line| weight(line).ok_or_else(|| format!("no word and weight: `{line}`"))).collect()
}
