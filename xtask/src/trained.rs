//! Programs that the compiler lays out by what they were seen to do, known as profile-guided optimisation.
//!
//! ```text
//!  built to take notes ──▶ benches run once, briefly ──▶ notes merged to a profile ──▶ built by it
//! ```
//! A request runs through much code once. Which of it runs at all is what the compiler does not know by itself: told, it
//! puts that together, and the rest elsewhere. This takes two builds of everything, each of ten minutes and more.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::browser::is_on_path;
use crate::repo;
use crate::run::{Cmd, step};

/// What is seen at work, as benches of the host.
const TRAINING: [&str; 3] = ["web", "calls", "snapshot_restore"];

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
    /// If a build or a bench fails, or the compiler's tools cannot be had.
    pub(crate) fn train() -> Result<Self> {
        ensure!(is_on_path("wrk"), "`wrk` is not on PATH, and makes the load; on Debian it is in the package `wrk`");
        let host = Cmd::new("rustc").args(["--print", "host-tuple"]).read()?;
        let notes = folder().join("notes");
        let profile = folder().join("profile.profdata");
        let merger = merger(&host)?;
        step("notes of a program at work", || {
            remove(&notes)?;
            let mut cargo = Cmd::new("cargo").args(["test", "--release", "--package", "wasmhost"]);
            for bench in TRAINING {
                cargo = cargo.args(["--bench", bench]);
            }
            // Notes are the same with and without optimisation across crates, which takes most of the time.
            let cargo = cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
            flagged(cargo, &host, &format!("-Cprofile-generate={}", notes.display()), "taking-notes").run()
        })?;
        step("a profile of the notes", || {
            Cmd::new(merger)
                .args(["merge", "--output"])
                .arg(profile.display().to_string())
                .arg(notes.display().to_string())
                .run()
        })?;
        // Cargo builds anew where a flag has changed, and not where a file did that the flag names.
        let named = folder().join(format!("{}.profdata", checksum(&profile)?));
        std::fs::rename(&profile, &named).with_context(|| format!("cannot rename `{}`", profile.display()))?;
        Ok(Self { host, profile: named })
    }

    /// The same command of cargo's, which builds by the profile.
    pub(crate) fn build_by(&self, cargo: Cmd) -> Cmd {
        flagged(cargo, &self.host, &format!("-Cprofile-use={}", self.profile.display()), "program")
    }
}

fn folder() -> PathBuf {
    repo::target_dir().join("trained")
}

/// With a target named, flags are for programs alone, and not for what runs while they are built.
fn flagged(cargo: Cmd, host: &str, flag: &str, built: &str) -> Cmd {
    cargo.args(["--target", host]).env(FLAGS, flag).env("CARGO_TARGET_DIR", folder().join(built))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// What merges notes, which rustup has as a part of its own.
fn merger(host: &str) -> Result<PathBuf> {
    let compiler = Cmd::new("rustc").args(["--print", "sysroot"]).read()?;
    let merger = Path::new(&compiler).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    if !merger.exists() {
        step("the compiler's tools", || Cmd::new("rustup").args(["component", "add", "llvm-tools"]).run())?;
    }
    Ok(merger)
}

fn checksum(file: &Path) -> Result<String> {
    let line = Cmd::new("sha256sum").arg(file.display().to_string()).read()?;
    Ok(line.split_whitespace().next().unwrap_or_default().chars().take(16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_by_a_profile_lies_apart_and_says_by_which() {
        let trained = Trained { host: "some-host".to_owned(), profile: folder().join("notes of mine.profdata") };
        let line = trained.build_by(Cmd::new("cargo").arg("bench")).to_string();
        assert!(line.ends_with("cargo bench --target some-host"), "{line}");
        assert!(line.contains("-Cprofile-use=") && line.contains("notes of mine.profdata'"), "{line}");
        assert!(line.contains("trained/program"), "{line}");
    }
}
