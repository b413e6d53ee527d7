//! Serves the promises about entrypoints: a component with nothing else, not async, and settings, docs and defaults
//! that the host reads.

use wasmhost_guest::prelude::*;

/// Greets somebody, and does not wait for anything.
#[main(memory = "64MiB", env(GREETING = "hello"))]
fn start(
    /// Whom.
    name: String,
    #[default(1)] times: u32,
    loudly: Option<bool>,
) -> Result<()> {
    if times == 0 {
        bail!("nobody is greeted no times");
    }
    let greeting = std::env::var("GREETING")?;
    for _ in 0..times {
        println!("{greeting} {name}{}", if loudly.unwrap_or_default() { "!" } else { "" });
    }
    Ok(())
}
