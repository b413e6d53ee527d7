//! The `wasmhost` program: everything is in [`wasmhost::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    wasmhost::cli::main()
}
