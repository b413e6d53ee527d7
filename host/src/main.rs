//! The `wasmhost` program: everything is in [`wasmhost::cli`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request allocates some twenty times, and its threads free what others have allocated. A program's own choice: the
/// library takes whatever allocator its embedder has.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    wasmhost::cli::main()
}
