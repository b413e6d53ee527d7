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
//! # Calling other classes
//!
//! A class is called from others of its component by `call()` in its module. It takes parameters by their names, in
//! any order, and then has the methods of the class. What has a default or is an `Option` may be left out; without
//! the rest, or with one of them twice, it does not compile. Arguments without a default are the method's own, the
//! others follow by their names.
//!
//! ```
//! use wasmhost_guest::prelude::*;
//!
//! # mod app {
//! # use wasmhost_guest::prelude::*;
//! #[class]
//! mod model {
//!     pub struct Model {
//!         name: String,
//!         size: i64,
//!     }
//!
//!     impl Model {
//!         #[enter]
//!         fn load(name: String, #[default(100)] size: i64) -> Self {
//!             Self { name, size }
//!         }
//!
//!         #[method]
//!         fn generate(&self, prompt: String, #[default(1)] times: u32) -> Result<String> {
//!             Ok(format!("{prompt} {} of {}", self.name, self.size).repeat(times as usize))
//!         }
//!     }
//! }
//!
//! #[function]
//! fn square(x: i64) -> i64 {
//!     x * x
//! }
//!
//! #[main]
//! async fn main(foo: i64, bar: String) -> Result<String> {
//!     let size = square::call(foo).await?;
//!     let text = model::call().name("hedgehog").size(size).generate(bar).times(2).await?;
//!     Ok(text)
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! Each call runs in an instance of the pool that its parameters belong to. It is made when it is awaited, or by
//! [`wait`](Call::wait) where nothing can be; many can be under way at once, and a dropped one is cancelled. Its
//! error is a [`CallError`]. Classes of other components and other apps are called by their names: [`call`](fn@call).
//! Who asks, and how long there is time for the answer, [`context`] knows.
//!
//! # What the host sees
//!
//! Names are spelled as in WIT, in lower case with dashes. Doc comments of the module, of functions, of their
//! parameters and of types are carried over; settings of the attribute, defaults and routes are in the component's own
//! manifest, which a `wasmhost.toml` can overrule key by key.

/// Makes a module a class.
///
/// The attribute takes settings, as a `wasmhost.toml` has them, with `_` for `-`: `memory = "256MiB"`, `timeout =
/// "30s"`, `concurrency = 8`, `allow_outbound = ["https://api.example.com"]`, `env(GREETING = "hi")`. In the module,
/// these attributes say what functions are for:
///
/// | attribute | what the function is |
/// |---|---|
/// | `#[build]` | runs once, before the snapshot from which all instances start; what it returns is in there |
/// | `#[enter]` | runs once per instance; the one that returns `Self` makes the state, others change it as `&mut self` |
/// | `#[exit]` | runs once per instance, before it goes; it may take `self` |
/// | `#[method]` | runs once per call |
/// | `#[get("/users/{id}")]`, `post`, `put`, `delete`, `patch` | a method that answers web requests, too |
/// | `#[web]` | answers all web requests that no route does: `Request` in, `Response` out; see [`macro@web`] |
///
/// Several functions of one hook run in the order written; all `#[exit]` functions run, though one fails. `#[build]
/// #[enter]` on one function, without `self` and arguments, runs it at both times. Functions are those of one type,
/// which is the state, or of the module itself. Without a function that makes the state its type is `Default`; without
/// a function that takes it there is none. It is dropped only by an `#[exit]` function that takes `self`.
///
/// Arguments of `#[enter]` are the parameters of the class: each distinct set of them has instances of its own.
/// `#[default(100)]` before an argument is what it is when a caller leaves it out, written as Rust
/// writes the value, `Color::Red` and `Point { x: 1, y: 2 }` among them; `#[built] table: &'static Table` is
/// what the `#[build]` function with that type returned.
///
/// ```
/// use wasmhost_guest::prelude::*;
///
/// #[class(idle_timeout = "5m")]
/// mod words {
///     pub struct Known(Vec<String>);
///
///     pub struct Words {
///         known: &'static Known,
///         least: u32,
///     }
///
///     impl Words {
///         #[build]
///         fn load() -> Result<Known> {
///             Ok(Known(vec!["a".into(), "whale".into()]))
///         }
///
///         #[enter]
///         fn new(#[built] known: &'static Known, #[default(2)] least: u32) -> Self {
///             Self { known, least }
///         }
///
///         #[method]
///         fn long(&self) -> Vec<String> {
///             self.known.0.iter().filter(|word| word.len() >= self.least as usize).cloned().collect()
///         }
///     }
/// }
/// # fn main() {}
/// ```
///
/// With `concurrency` over 1 calls share an instance: those of `&self` methods run at the same time, those of `&mut
/// self` methods wait until they are alone, as `#[exit]` does.
///
/// Such a class makes calls of its own by `.await`: [`wait`](Call::wait) would hold up all calls of the instance, so the
/// host refuses it, as [`CallErrorKind::Conflict`]. And a `&mut self` method that calls, itself or through others, a
/// method of its class with the same parameters may get its own instance, and wait for itself to be done with the
/// state. The host cannot see that: the call ends when its time is up, as [`CallErrorKind::TimedOut`]. Take `&self`
/// there, or call from a function that takes no state.
pub use wasmhost_guest_macros::class;

/// Makes a function a class with one method, both of its name.
///
/// The attribute takes settings, as [`class`] does. Arguments may have defaults, and the function a route. Others
/// call it by `power::call(3).await?` or, where a default is not what they want, `power::call(3).exponent(3).await?`.
///
/// ```
/// use wasmhost_guest::prelude::*;
///
/// #[function(timeout = "1s")]
/// fn power(x: i64, #[default(2)] exponent: u32) -> Option<i64> {
///     x.checked_pow(exponent)
/// }
/// # fn main() {}
/// ```
pub use wasmhost_guest_macros::function;

/// Makes a function the entrypoint of its component.
///
/// `wasmhost run app.wasm --foo 1 --bar hello` runs it in its own process, with the terminal's standard streams, for as
/// long as it likes. Its arguments are those of the command line, its docs the command's help, and what it returns is
/// printed. A component has at most one, beside classes or alone.
///
/// The attribute takes the settings that matter to it: `memory`, `tmp`, `env`, `allow_outbound`, `allow_calls`,
/// `build_timeout` and `max_list`.
///
/// ```
/// # mod app {
/// use wasmhost_guest::prelude::*;
///
/// #[function]
/// fn square(x: i64) -> i64 {
///     x * x
/// }
///
/// /// Adds two squares.
/// #[main]
/// async fn main(
///     /// The first side.
///     a: i64,
///     #[default(4)] b: i64,
/// ) -> Result<i64> {
///     Ok(square::call(a).await? + square::call(b).await?)
/// }
/// # }
/// # fn main() {}
/// ```
pub use wasmhost_guest_macros::main;

/// Makes a function the web handler of its component.
///
/// It takes a [`Request`](web::Request) and gives a [`Response`](web::Response), or a `Result` with one. In a
/// `#[class]` module it answers the requests that no route does, with the class's state and parameters; alone, all of
/// them. A component has at most one. What it fails with goes to the log, and the client is told a 500.
///
/// Alone it has the name of its component, the file's where nothing else is said, and its settings stand under that name
/// in `wasmhost.toml`, as in `[class.my-site]` with `reuse = true`. For settings in the source, such as
/// `#[class(reuse = true, timeout = "5s")]`, write a module around it: it is a class then, by the module's name.
///
/// ```
/// use wasmhost_guest::prelude::*;
///
/// #[web]
/// fn handle(request: Request) -> Result<Response> {
///     let text = format!("{} {}", request.method(), request.uri().path());
///     Ok(Response::builder().header("content-type", "text/plain").body(text.into())?)
/// }
/// # fn main() {}
/// ```
pub use wasmhost_guest_macros::web;

/// The types of requests and responses: headers, methods, statuses.
pub use http;

// Generated code says `::wasmhost_guest`, and some of it is in here.
extern crate self as wasmhost_guest;

mod alone;
mod call;
pub mod context;
mod error;
mod failures;
mod host;
mod json;
mod lock;
mod slot;
mod value;
pub mod web;

pub use call::{Answer, Call, CallError, CallErrorKind, ClassByName, MethodByName, call};
pub use error::{Error, Result};
pub use value::{Bytes, Value};
#[doc(hidden)]
pub use wasmhost_guest_macros::Value;

/// What classes are written with. A `#[class]` module has it without asking.
pub mod prelude {
    pub use crate::web::{Body, Event, Request, Response, Sse};
    pub use crate::{
        Bytes, CallError, CallErrorKind, Error, Result, Value, bail, call, class, error, function, main, web,
    };
    pub use std::time::Duration;
}

/// What generated code is made of. It may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::alone::{Alone, Changing};
    pub use crate::call::{Argument, Given, Maybe, Missing};
    pub use crate::error::text::{Failed, OfDisplay, OfError, OfOurs, Told};
    pub use crate::failures::Failures;
    pub use crate::json::{Case, Fields, Reader, Unread, Writer};
    pub use crate::lock::{Exclusive, Lock, Shared};
    pub use crate::slot::{Slot, Start, start};
    pub use crate::value::{Kind, field, nanoseconds};
    pub use crate::web::exclusive::serve;
    pub use crate::web::shared::{after_answer, bindings as handler, serve_shared};
    pub use wasip2;
    pub use wasmhost_guest_macros::bindings;
    pub use wit_bindgen;
}
