//! Builds the Rust guests: the examples, and the components that tests of the host and of the SDK run.
//!
//! Each of these is a workspace of its own, built for [`TARGET`] in the release profile and into its own `target`
//! folder, because that is the place its manifests name.

use anyhow::{Context as _, Result};
use std::path::Path;

use crate::run::{Cmd, step};

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// The workspaces of guests.
pub(crate) const WORKSPACES: &[&str] = &[EXAMPLES, "tests/guests", "guest-sdk/tests/guests"];

const EXAMPLES: &str = "examples";

/// Builds every Rust guest.
pub(crate) fn build() -> Result<()> {
    ensure_target()?;
    WORKSPACES.iter().try_for_each(|workspace| build_workspace(workspace))
}

/// Builds the Rust examples.
pub(crate) fn build_examples() -> Result<()> {
    ensure_target()?;
    build_workspace(EXAMPLES)
}

/// Lints every Rust guest. It compiles nothing that [`build`] does not need as well.
pub(crate) fn clippy() -> Result<()> {
    ensure_target()?;
    for workspace in WORKSPACES {
        cargo("clippy", workspace).args(["--", "--deny", "warnings"]).run()?;
    }
    Ok(())
}

fn build_workspace(workspace: &str) -> Result<()> {
    step(&format!("build the guests of {workspace}"), || cargo("build", workspace).run())
}

fn cargo(verb: &str, workspace: &str) -> Cmd {
    Cmd::new("cargo")
        .args([verb, "--release", "--target", TARGET, "--manifest-path"])
        .arg(format!("{workspace}/Cargo.toml"))
        // A folder shared by all projects of a machine would put the components where no manifest looks for them.
        .without_env("CARGO_TARGET_DIR")
}

/// Adds [`TARGET`] to the toolchain when it is missing.
fn ensure_target() -> Result<()> {
    let library = Cmd::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).read()?;
    if Path::new(&library).is_dir() {
        return Ok(());
    }
    step(&format!("add the target {TARGET}"), || {
        Cmd::new("rustup").args(["target", "add", TARGET]).run().with_context(|| {
            format!(
                "guests are compiled for `{TARGET}`, and this Rust toolchain has no standard library for it. \
                 With rustup it is one command; a Rust from a system's packages has it in a package of its own, \
                 named like `rust-std-static-{TARGET}`"
            )
        })
    })
}
