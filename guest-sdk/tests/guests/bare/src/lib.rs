//! Serves the promises about a web handler that stands by itself: it has the name and the settings of its component.

use std::sync::atomic::{AtomicU32, Ordering};

use wasmhost_guest::prelude::*;

static REQUESTS: AtomicU32 = AtomicU32::new(0);

#[web]
fn handle(_request: Request) -> Response {
    Response::new(format!("request {}", REQUESTS.fetch_add(1, Ordering::Relaxed) + 1).into())
}
