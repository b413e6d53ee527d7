//! Builds the Rust guests: the examples, and the components that tests of the host and of the SDK run.
//!
//! Each of these is a workspace of its own, built for [`TARGET`] in the release profile and into its own `target`
//! folder, because that is the place its manifests name.

use anyhow::{Context as _, Result};
use std::path::Path;

use crate::repo;
use crate::run::{Cmd, step};

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// The workspaces of guests.
pub(crate) const WORKSPACES: &[&str] = &[EXAMPLES, "tests/guests", "guest-sdk/tests/guests"];

const EXAMPLES: &str = "examples";

/// Builds every Rust guest.
pub(crate) fn build() -> Result<()> {
    build_examples()?;
    let others = WORKSPACES.iter().filter(|workspace| **workspace != EXAMPLES);
    others
        .copied()
        .try_for_each(|workspace| step(&format!("build the guests of {workspace}"), || cargo("build", workspace).run()))
}

/// Builds the Rust examples, one by one, as the commands in their manifests do.
///
/// Together cargo would unite the features of what they depend on, and those commands would then build each of them anew.
pub(crate) fn build_examples() -> Result<()> {
    ensure_target()?;
    step("build the examples", || examples()?.iter().try_for_each(|example| cargo("build", example).run()))
}

/// The folders of the examples that are guests in Rust.
fn examples() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in repo::root().join(EXAMPLES).read_dir()? {
        let folder = entry?.path();
        if ["Cargo.toml", "wasmhost.toml"].iter().all(|file| folder.join(file).is_file()) {
            names.push(repo::from_root(&folder).display().to_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Lints every Rust guest.
pub(crate) fn clippy() -> Result<()> {
    ensure_target()?;
    for workspace in WORKSPACES {
        cargo("clippy", workspace).args(["--", "--deny", "warnings"]).run()?;
    }
    Ok(())
}

fn cargo(verb: &str, folder: &str) -> Cmd {
    Cmd::new("cargo")
        .args([verb, "--release", "--target", TARGET, "--manifest-path"])
        .arg(format!("{folder}/Cargo.toml"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_in_rust_are_found_and_neither_programs_nor_guests_in_other_languages() {
        let found = examples().unwrap();
        assert!(found.contains(&"examples/parameterized".to_owned()), "{found:?}");
        for other in ["examples/embed", "examples/parameterized-js", "examples/target"] {
            assert!(!found.contains(&other.to_owned()), "{found:?}");
        }
    }
}
