//! Serves the promises about a class that has a web handler and nothing else, beside another class: it has its own name, its
//! settings, and the requests.

use wasmhost_guest::prelude::*;

#[class(reuse = true, max_calls = 2)]
mod reception {
    use std::sync::atomic::{AtomicU32, Ordering};

    static REQUESTS: AtomicU32 = AtomicU32::new(0);

    #[web]
    fn handle(_request: Request) -> Response {
        Response::new(format!("request {}", REQUESTS.fetch_add(1, Ordering::Relaxed) + 1).into())
    }
}

/// Has nothing to do with requests.
#[function]
fn double(number: u32) -> u32 {
    number * 2
}
