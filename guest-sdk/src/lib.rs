//! Classes for wasmhost, written as Rust modules.
//!
//! A class is what a host of functions calls: a state, hooks around its life, and methods. Here it is a module with an
//! attribute; the types in it are ordinary Rust, and WIT, bindings and manifest are made of them.
//!
//! ```
//! use wasmhost_guest::prelude::*;
//!
//! #[class(memory = "256MiB", max_instances = 8)]
//! mod greeter {
//!     /// What was said, and how often.
//!     #[derive(Value)]
//!     pub struct Greeting {
//!         pub text: String,
//!         pub count: u32,
//!     }
//!
//!     pub struct Greeter {
//!         name: String,
//!         count: u32,
//!     }
//!
//!     impl Greeter {
//!         /// Runs once per instance; what it takes are the parameters of the class.
//!         #[enter]
//!         fn new(#[default("world")] name: String) -> Result<Self> {
//!             if name.is_empty() {
//!                 bail!("nobody is there to greet");
//!             }
//!             Ok(Self { name, count: 0 })
//!         }
//!
//!         /// Runs once per call.
//!         #[get("/greet/{word}")]
//!         fn greet(&mut self, word: String) -> Greeting {
//!             self.count += 1;
//!             Greeting { text: format!("{word}, {}", self.name), count: self.count }
//!         }
//!     }
//! }
//!
//! #[function]
//! fn square(x: i64) -> i64 {
//!     x * x
//! }
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-wasip2` as a `cdylib`, this is a component with the classes `greeter` and `square`.
//!
//! # What the host sees
//!
//! Names are spelled as in WIT, in lower case with dashes. Doc comments of the module, of functions, of their parameters and of
//! types are carried over; settings of the attribute, defaults and routes are in the component's own manifest, which a
//! `wasmhost.toml` can overrule key by key.

pub use wasmhost_guest_macros::{class, function};

mod alone;
mod error;
mod failures;
mod kept;
mod lock;
mod slot;
mod value;

pub use error::{Error, Result};
pub use value::{Bytes, Value};
#[doc(hidden)]
pub use wasmhost_guest_macros::Value;

/// What classes are written with. A `#[class]` module has it without asking.
pub mod prelude {
    pub use crate::{Bytes, Error, Result, Value, bail, class, error, function};
    pub use std::time::Duration;
}

/// What generated code is made of. It may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::alone::{Alone, Changing};
    pub use crate::error::text::{Failed, OfDisplay, OfError, OfOurs, Told};
    pub use crate::failures::Failures;
    pub use crate::kept::Kept;
    pub use crate::lock::{Exclusive, Lock, Shared};
    pub use crate::slot::{Slot, Start, start};
    pub use crate::value::nanoseconds;
    pub use wasmhost_guest_macros::bindings;
    pub use wit_bindgen;
}
