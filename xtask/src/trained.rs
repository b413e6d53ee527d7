//! A `wasmhost` that the compiler lays out by what it was seen to do, known as profile-guided optimisation.
//!
//! ```text
//!  built to take notes ──▶ serves the requests of a bench ──▶ notes merged to a profile ──▶ built by it
//! ```
//! A request runs through much code once. Which of it runs at all is what the compiler does not know by itself: told, it
//! puts that together, and the rest elsewhere. This takes two builds of everything, each of ten minutes and more.
//!
//! A function is found in a profile by its name, of which cargo makes a part of all settings of a build. So the two builds
//! must not differ but in their flags, and whether they do is looked at in the end.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::browser::is_on_path;
use crate::repo;
use crate::run::{Cmd, step};

/// Has the bench start this program, and not that which cargo has built with it.
pub(crate) const PROGRAM: &str = "WASMHOST_BENCH_PROGRAM";

/// Separates flags where one may have spaces.
const FLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";

/// How to build by a profile.
pub(crate) struct Trained {
    host: String,
    profile: PathBuf,
}

impl Trained {
    /// Makes the profile. The guests have to be there.
    ///
    /// # Errors
    ///
    /// If a build or the bench fails, or `wrk` or the compiler's tools cannot be had.
    pub(crate) fn train() -> Result<Self> {
        ensure!(is_on_path("wrk"), "`wrk` is not on PATH, and makes the load; on Debian it is in the package `wrk`");
        let host = Cmd::new("rustc").args(["--print", "host-tuple"]).read()?;
        let (notes, profile) = (folder().join("notes"), folder().join("profile.profdata"));
        let tools = tools(&host)?;
        step("a program that takes notes", || {
            flagged(build(), &host, &format!("-Cprofile-generate={}", notes.display()), NOTES).run()
        })?;
        step("a program at work", || {
            // Compiling guests is part of the work, and what was compiled before is kept.
            [notes.clone(), repo::target_dir().join("tmp/web-cache")].iter().try_for_each(|folder| remove(folder))?;
            let bench = Cmd::new("cargo").args(["test", "--workspace", "--bench", "web"]);
            bench.env(PROGRAM, program(NOTES, &host)).run()
        })?;
        step("a profile of the notes", || {
            let (notes, profile) = (notes.display().to_string(), profile.display().to_string());
            Cmd::new(tools.join("llvm-profdata")).args(["merge", "--output", &profile, &notes]).run()
        })?;
        // Cargo builds anew where a flag has changed, and not where a file did that the flag names.
        let profiles = folder().join("profiles");
        let named = profiles.join(format!("{}.profdata", checksum(&profile)?));
        remove(&profiles)?;
        std::fs::create_dir_all(&profiles).with_context(|| format!("cannot make `{}`", profiles.display()))?;
        std::fs::rename(&profile, &named).with_context(|| format!("cannot rename `{}`", profile.display()))?;
        let trained = Self { host, profile: named };
        step("a program built by the profile", || {
            trained.flagged(build()).run()?;
            trained.ensure_is_used(&tools)
        })?;
        Ok(trained)
    }

    /// The program.
    pub(crate) fn program(&self) -> PathBuf {
        program(TRAINED, &self.host)
    }

    /// Installs it for the current user, without another build.
    pub(crate) fn install(&self) -> Cmd {
        self.flagged(Cmd::new("cargo").args(["install", "--path", "host", "--locked"]))
    }

    fn flagged(&self, cargo: Cmd) -> Cmd {
        flagged(cargo, &self.host, &format!("-Cprofile-use={}", self.profile.display()), TRAINED)
    }

    /// Fails if the functions of the profile are others than the program's.
    fn ensure_is_used(&self, tools: &Path) -> Result<()> {
        let shown = Cmd::new(tools.join("llvm-profdata")).args([
            "show",
            "--all-functions",
            &self.profile.display().to_string(),
        ]);
        let (shown, symbols) =
            (shown.read()?, Cmd::new(tools.join("llvm-nm")).arg(self.program().display().to_string()).read()?);
        let symbols: HashSet<&str> = symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
        // Many others are part of their callers, and have no name in the program.
        let names = || shown.lines().filter_map(function).filter(|name| is_large(name));
        let found = names().filter(|name| symbols.contains(name)).count();
        println!(
            "{found} of {} functions that were looked for in the program are those of the profile",
            names().count()
        );
        ensure!(found > 0, "the profile is of another program: a setting of the builds differs");
        Ok(())
    }
}

/// The folders of the two builds.
const NOTES: &str = "taking-notes";
const TRAINED: &str = "program";

fn folder() -> PathBuf {
    repo::target_dir().join("trained")
}

fn program(built: &str, host: &str) -> PathBuf {
    folder().join(built).join(host).join("release/wasmhost")
}

/// Without what tests and benches need, as `cargo install` does.
fn build() -> Cmd {
    Cmd::new("cargo").args(["build", "--release", "--locked", "--package", "wasmhost", "--bin", "wasmhost"])
}

/// With a target named, flags are for the program alone, and not for what runs while it is built.
fn flagged(cargo: Cmd, host: &str, flag: &str, built: &str) -> Cmd {
    cargo.args(["--target", host]).env(FLAGS, flag).env("CARGO_TARGET_DIR", folder().join(built))
}

/// The mangled name in a line of a profile that begins a function. Before a name that others may have as well stands a file's.
fn function(line: &str) -> Option<&str> {
    line.trim().strip_suffix(':')?.rsplit(';').next()
}

/// Whether a mangled name is that of a function of ours in the way of each request.
fn is_large(name: &str) -> bool {
    name.contains("wasmhost") && ["in_class", "handle_in_one", "acquire"].iter().any(|part| name.contains(part))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Where those are that read and merge notes, which rustup has as a part of its own.
fn tools(host: &str) -> Result<PathBuf> {
    let compiler = Cmd::new("rustc").args(["--print", "sysroot"]).read()?;
    let tools = Path::new(&compiler).join("lib/rustlib").join(host).join("bin");
    if !tools.join("llvm-profdata").exists() {
        step("the compiler's tools", || Cmd::new("rustup").args(["component", "add", "llvm-tools"]).run())?;
    }
    Ok(tools)
}

fn checksum(file: &Path) -> Result<String> {
    let line = Cmd::new("sha256sum").arg(file.display().to_string()).read()?;
    Ok(line.split_whitespace().next().unwrap_or_default().chars().take(16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_builds_differ_in_their_flags_and_folders_alone() {
        let trained = Trained { host: "some-host".to_owned(), profile: folder().join("mine.profdata") };
        let (noting, by_profile) = (flagged(build(), "some-host", "-Cnotes", NOTES), trained.flagged(build()));
        let [noting, by_profile] = [noting, by_profile].map(|cargo| cargo.to_string());
        let command = |line: &str| line.split_once(" cargo ").unwrap().1.to_owned();
        assert_eq!(command(&noting), command(&by_profile));
        assert!(noting.contains("-Cnotes") && noting.contains("trained/taking-notes"), "{noting}");
        assert!(by_profile.contains("mine.profdata") && by_profile.contains("trained/program"), "{by_profile}");
        assert!(trained.program().ends_with("trained/program/some-host/release/wasmhost"));
    }

    #[test]
    fn functions_are_named_with_and_without_a_file() {
        let lines = ["Counters:", "  _RN_8wasmhost:", "  wasmhost.1-cgu.0;_RN_4core:", "    Hash: 0x1"];
        assert_eq!(lines.map(function), [Some("Counters"), Some("_RN_8wasmhost"), Some("_RN_4core"), None]);
    }

    #[test]
    fn names_are_looked_for_that_each_request_passes() {
        assert!(is_large("_RNCNvNtNtCs1_8wasmhost3web7request8in_class0B7_"));
        assert!(!is_large("_RNvNtCs1_8wasmhost3cli3run") && !is_large("_RNvNtCs1_5tokio7acquire"));
    }
}
