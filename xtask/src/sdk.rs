//! The guest SDK: a workspace of its own beside the host's, checked and tested like it.

use std::path::Path;

use anyhow::Result;

use crate::run::{Cmd, step};

/// Where it lies.
pub(crate) const WORKSPACE: &str = "guest-sdk";

/// Lints the SDK. Its guests are linted with the others.
pub(crate) fn clippy() -> Result<()> {
    cargo("clippy").args(["--workspace", "--all-targets", "--", "--deny", "warnings"]).run()
}

/// Makes the SDK's documentation.
pub(crate) fn doc() -> Result<()> {
    cargo("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings").run()
}

/// Runs the SDK's tests, those under the host with `program`.
pub(crate) fn test(program: &Path) -> Result<()> {
    step("tests of the guest SDK", || {
        cargo("test").args(["--workspace", "--no-fail-fast"]).env("WASMHOST", program).run()
    })
}

fn cargo(verb: &str) -> Cmd {
    Cmd::new("cargo").args([verb, "--manifest-path"]).arg(format!("{WORKSPACE}/Cargo.toml"))
}
