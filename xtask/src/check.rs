//! `cargo xtask check`: everything that can be said about the code without running it.
//!
//! All steps run, whatever the ones before them found, so that one run shows every mistake.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run::{Cmd, step};
use crate::{guests, repo, sdk, unknown};

type Work = fn() -> Result<()>;

/// The cheap ones first, and `clippy` before `doc`, which takes over the dependencies that it has checked.
const STEPS: &[(&str, Work)] = &[
    ("fmt", fmt),
    ("clippy", clippy),
    ("clippy-embedded", clippy_embedded),
    ("clippy-guests", guests::clippy),
    ("clippy-sdk", sdk::clippy),
    ("doc", doc),
    ("doc-sdk", sdk::doc),
    ("deny", deny),
];

/// Runs all steps, or those named.
pub(crate) fn run(names: &[String]) -> Result<()> {
    let known = STEPS.iter().map(|(name, _)| *name);
    if let Some(name) = names.iter().find(|name| !known.clone().any(|known| known == *name)) {
        return Err(unknown("step", name, known).into());
    }
    let mut failures = Vec::new();
    for (name, work) in STEPS {
        let wanted = names.is_empty() || names.iter().any(|wanted| wanted == name);
        if wanted && let Err(error) = step(name, work) {
            failures.push(format!("{error:#}"));
        }
    }
    match failures.len() {
        0 => Ok(()),
        1 => bail!("{}", failures[0]),
        count => bail!("{count} steps failed:\n{}", failures.join("\n")),
    }
}

fn fmt() -> Result<()> {
    Cmd::new("cargo").args(["fmt", "--all", "--check"]).run()?;
    for workspace in guests::WORKSPACES.iter().chain([&sdk::WORKSPACE]) {
        let manifest = format!("{workspace}/Cargo.toml");
        Cmd::new("cargo").args(["fmt", "--all", "--check", "--manifest-path"]).arg(manifest).run()?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    Cmd::new("cargo").args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()
}

/// What an embedder gets who takes neither the program nor the web.
fn clippy_embedded() -> Result<()> {
    Cmd::new("cargo")
        .args(["clippy", "--package", "wasmhost", "--no-default-features", "--", "--deny", "warnings"])
        .run()
}

fn doc() -> Result<()> {
    Cmd::new("cargo").args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings").run()
}

const CARGO_DENY: &str = "0.20.2";

fn deny() -> Result<()> {
    let deny = |args: &[&str]| {
        // Its own folder first, so that `cargo` finds the pinned version and no other.
        Cmd::new("cargo").path_first(cargo_deny_root().join("bin")).arg("deny").args(args.iter().copied())
    };
    install_cargo_deny(&deny(&["--version"]))?;
    let what = ["--hide-inclusion-graph", "bans", "licenses", "sources"];
    deny(&["check"]).args(what).run()?;
    // It has fewer dependencies, so that not every licence is met.
    let of_sdk = format!("{}/Cargo.toml", sdk::WORKSPACE);
    let arguments =
        ["--manifest-path", &of_sdk, "--config", "deny.toml", "check", "--allow", "license-not-encountered"];
    deny(&arguments).args(what).run()?;

    // The advisories are a git repository elsewhere. Where it cannot be reached, code did not become worse, so that
    // is said and is no failure; an advisory that is found is one.
    if let Err(error) = deny(&["fetch", "db"]).read() {
        let reason = error.to_string();
        println!("NOT RUN: advisories, because their database could not be fetched:\n{reason}");
        return Ok(());
    }
    deny(&["check", "--disable-fetch", "advisories"]).run()
}

fn cargo_deny_root() -> PathBuf {
    repo::target_dir().join("tools")
}

fn install_cargo_deny(version: &Cmd) -> Result<()> {
    if version.read().is_ok_and(|found| found == format!("cargo-deny {CARGO_DENY}")) {
        return Ok(());
    }
    println!("cargo-deny {CARGO_DENY} is not here yet: building it takes 2 to 4 minutes on 2 cores");
    let root = cargo_deny_root();
    Cmd::new("cargo")
        .args(["install", "--quiet", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root"])
        .arg(repo::from_root(&root).to_string_lossy())
        // It runs for seconds and is built once a machine: compiling it quickly matters more than its speed.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .run()
}
