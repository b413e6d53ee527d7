//! Web handlers: a request comes in, a response goes out, both with bodies that stream.
//!
//! ```
//! use wasmhost_guest::prelude::*;
//!
//! #[class]
//! mod site {
//!     #[derive(Default)]
//!     pub struct Site {
//!         visits: u64,
//!     }
//!
//!     impl Site {
//!         #[get("/visits")]
//!         fn visits(&self) -> u64 {
//!             self.visits
//!         }
//!
//!         /// Answers all that no route does.
//!         #[web]
//!         fn handle(&mut self, request: Request) -> Result<Response> {
//!             self.visits += 1;
//!             let mut body = request.into_body();
//!             let echo = Body::stream(async move |writer| {
//!                 while let Some(chunk) = body.chunk().await? {
//!                     writer.write(chunk).await?;
//!                 }
//!                 Ok(())
//!             });
//!             Ok(Response::new(echo))
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! A response goes out as soon as the handler returns it; what a streaming body writes follows, as fast as the client
//! reads. An `async fn` is served by `wasi:http` 0.3, any other by 0.2, whose engine is faster.

mod body;
mod error;
mod events;
pub(crate) mod exclusive;
mod fields;
mod read;
pub(crate) mod shared;
mod writer;

pub use body::Body;
pub use error::BodyError;
pub use events::{Event, Events, Sse};
pub use read::Reading;
pub use writer::Writer;

/// What a handler takes.
pub type Request<T = Body> = http::Request<T>;

/// What a handler gives.
pub type Response<T = Body> = http::Response<T>;

/// The answer to a request that failed before there was one. Why is told to the log, not to the client.
fn failure(status: http::StatusCode, text: &str) -> Response {
    tell(text);
    let mut response = Response::new(Body::from(status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    response
}

/// Tells the log what the client is not told.
#[allow(clippy::print_stderr, reason = "standard error is the log of a guest")]
fn tell(text: &str) {
    eprintln!("{text}");
}
