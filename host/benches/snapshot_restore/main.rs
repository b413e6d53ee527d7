//! `snapshot_restore`: what an instance costs that starts where `build` ended, beside the same artifact straight on wasmtime,
//! and beside an `enter` that does the work of `build`; and `prepare`: what it takes to get there.
//!
//! ```text
//!  quiet    `build` makes a table of 5 MB and nothing else
//!  loud     it prints on both streams and writes a file below `/image` too: in each instance they are open again
//!  cold     the work of `quiet` in `enter`
//!  primes…  the examples in three languages, which also print and, but for JavaScript, read a file in `enter`
//! ```
//! All take turns on one thread. The examples in Python and JavaScript are measured where they were built.
//! `cargo bench -p wasmhost --bench snapshot_restore [restore|prepare]`; under `cargo test` it is brief.

#![allow(clippy::print_stdout, reason = "what a bench has to say it prints")]

#[path = "../common/goals.rs"]
mod goals;
#[path = "../common/guests.rs"]
mod guests;
mod prepare;
mod restore;

use std::future::Future;
use std::process::ExitCode;

use goals::Goals;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let mut goals = Goals::of_arguments();
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    if is_wanted("restore") {
        on(Builder::new_current_thread().enable_all().build(), restore::run(&mut goals));
    }
    if is_wanted("prepare") {
        on(Runtime::new(), prepare::run(&goals));
    }
    goals.exit_code()
}

fn on(runtime: std::io::Result<Runtime>, work: impl Future<Output = ()>) {
    runtime.expect("a runtime").block_on(work);
}
