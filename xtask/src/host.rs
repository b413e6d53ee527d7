//! Builds the `wasmhost` program, in the one profile that the demo, the tests and everyday work share.

use std::path::PathBuf;

use anyhow::Result;

use crate::repo;
use crate::run::{Cmd, step};

/// Builds `wasmhost` and returns where it lies.
pub(crate) fn build() -> Result<PathBuf> {
    step("build wasmhost", || {
        // Only an `.rlib` is code: cargo's checks leave an `.rmeta` of the same name behind.
        if !has_wasmtime("rlib") {
            println!("nothing is built yet; the first build takes 8 to 15 minutes on 2 cores, later ones seconds");
        }
        // `--workspace` beside `--bin`: cargo unites the features of dependencies over the packages selected, and with
        // another selection than `cargo test --workspace` it would build some of them twice.
        Cmd::new("cargo").args(["build", "--workspace", "--bin", "wasmhost"]).run()
    })?;
    Ok(repo::profile_dir().join("wasmhost"))
}

/// Whether wasmtime, by far the largest dependency, has been compiled into a file of this kind.
fn has_wasmtime(extension: &str) -> bool {
    let Ok(entries) = repo::profile_dir().join("deps").read_dir() else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libwasmtime-") && name.ends_with(extension)
    })
}
