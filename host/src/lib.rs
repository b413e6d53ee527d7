//! A host for WebAssembly functions: classes with lifecycle hooks, parameters and typed methods.
//!
//! A *class* is a WIT interface of a component; its `build`, `enter` and `exit` functions are hooks, the arguments of `enter`
//! its parameters, and every other function a typed method. The host finds all of it in the component's own type.
//!
//! ```no_run
//! # async fn demo() -> wasmhost::Result<()> {
//! let host = wasmhost::Host::builder().build()?;
//! let app = host.load("examples/parameterized").await?;
//!
//! let hedgehog = app.class("my-class")?.bind(&serde_json::json!({ "foo": "hedgehog", "bar": 7 }))?;
//! let answer: String = hedgehog.call("baz", &("override",)).await?;
//! assert_eq!(answer, "This code is running in instance pool (hedgehog, 7), with input qux=override");
//!
//! host.shutdown().await; // runs `exit`
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `cli` (default): the `wasmhost` program. Embedders drop it with `default-features = false`.
//! - `http` (default): the web front, [`WebService`], and `wasi:http` for guests.

#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        unused_imports,
        reason = "the floors also serve the program: literals, WAVE, targets' signatures"
    )
)]

// From the top floor down; a module uses only those below it.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod api;
mod pool;
#[doc(hidden)]
pub mod raw;
#[cfg(feature = "http")]
mod web;

mod service;

mod artifact;
mod instance;
mod lifecycle;
mod snapshot;
mod state;

mod component;
mod manifest;
mod values;

mod engine;
mod linker;

mod config;
mod drain;
mod error;
mod memory;

pub use artifact::PreparePhase;
pub use config::MAX_PARAMETERS_BYTES;
pub use error::{Error, ErrorKind, Fault, Result};
pub use manifest::schema as manifest_schema;
pub use manifest::{Origin, Setting};
pub use service::{
    App, Argument, ArgumentReport, Bound, CapturedReport, Class, ClassReport, Command, ComponentReport,
    EntrypointReport, FunctionReport, Host, HostBuilder, ImportReport, Inspection, Instance, InstanceCounts,
    InstanceId, Main, Method, NearMissReport, PoolReport, PrepareEvent, PrepareLimits, PrepareListener, Reply,
    SnapshotReport, Source, TimingsReport, UncallableReport,
};
pub use state::{GuestOutput, OutputLine, OutputOrigin, OutputStream};
#[cfg(feature = "http")]
pub use web::{Body, ResponseFuture, WebService};
