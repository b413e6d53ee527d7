//! The one way xtask starts a process: from the repository's root, shown as it can be typed again.
//!
//! A [`step`] is what the reader of a long log looks for: a header, the commands with their output, and a closing line
//! with the duration. A command that fails ends its step with an error that holds the line to repeat it with.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::repo;

/// Does `work` between a header and a line that gives its outcome and duration.
///
/// # Errors
///
/// What `work` returned, with the step's title in front.
pub(crate) fn step(title: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n=== {title}");
    let started = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "done in" } else { "FAILED after" };
    println!("--- {title}: {verdict} {}", Seconds(started.elapsed()));
    outcome.with_context(|| title.to_owned())
}

/// A command line with its environment.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, OsString)>,
    env_removed: Vec<&'static str>,
    path_first: Vec<PathBuf>,
}

impl Cmd {
    /// A command that runs `program`, found through `PATH` when it is a bare name.
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_removed: Vec::new(),
            path_first: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Hides a variable of xtask's own environment from the command.
    pub(crate) fn without_env(mut self, name: &'static str) -> Self {
        if std::env::var_os(name).is_some() {
            self.env_removed.push(name);
        }
        self
    }

    /// Lets programs of `folder` be found before those of the folders already on `PATH`.
    pub(crate) fn path_first(mut self, folder: impl Into<PathBuf>) -> Self {
        self.path_first.push(folder.into());
        self
    }

    /// Prints the command, runs it with the terminal as its output, and waits for it.
    ///
    /// # Errors
    ///
    /// If it cannot be started or does not succeed.
    pub(crate) fn run(&self) -> Result<()> {
        println!("$ {self}");
        let status = self.command()?.status().with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{}` failed ({status}); to repeat it:\n  {self}", Shown(&self.program));
        }
        Ok(())
    }

    /// Runs the command unseen and returns what it printed, without the line end.
    ///
    /// # Errors
    ///
    /// If it cannot be started or does not succeed, with what it printed as an error.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self.command()?.output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("`{self}` failed ({}): {}", output.status, complaint.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`; is it installed and on PATH?", Shown(&self.program))
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(repo::root()).stdin(Stdio::null());
        // `cargo run` describes xtask to xtask. Passed on, that would be a changed environment to every build script
        // that watches these variables, and dependencies would be built anew whenever xtask is not the one who asks.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        for name in &self.env_removed {
            command.env_remove(name);
        }
        if !self.path_first.is_empty() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = self.path_first.iter().cloned().chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(folders).context("a folder for PATH contains its separator")?);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// The command as a line for a POSIX shell in the repository's root.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.env_removed.is_empty() {
            f.write_str("env ")?;
            for name in &self.env_removed {
                write!(f, "-u {name} ")?;
            }
        }
        // Absolute, unlike the program: what the command starts may do so from another folder, as `cargo test` does.
        if !self.path_first.is_empty() {
            let folders: Vec<String> = self.path_first.iter().map(|folder| absolute(folder)).collect();
            write!(f, "PATH=\"{}:$PATH\" ", folders.join(":"))?;
        }
        for (name, value) in &self.env {
            let path = Path::new(value);
            if path.starts_with(repo::root()) {
                write!(f, "{name}=\"{}\" ", absolute(path))?;
            } else {
                write!(f, "{name}={} ", quoted(&value.to_string_lossy()))?;
            }
        }
        write!(f, "{}", Shown(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

/// A path as a shell word, relative to the repository where it lies inside.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&repo::from_root(self.0).to_string_lossy()))
    }
}

/// A path as it stands inside double quotes, good in every folder once the shell in the root has read it.
fn absolute(path: &Path) -> String {
    let shown = repo::from_root(path).to_string_lossy();
    if path.starts_with(repo::root()) { format!("$PWD/{shown}") } else { shown.into_owned() }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_secs();
        if whole < 60 {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} min {} s", whole / 60, whole % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_would_read_it_back() {
        let cmd = Cmd::new("cargo").args(["clippy", "it's", "a b", ""]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(cmd.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo clippy 'it'\''s' 'a b' ''");
    }

    #[test]
    fn paths_inside_the_repository_are_shown_relative_to_it() {
        let cmd = Cmd::new(repo::root().join("target/debug/wasmhost")).path_first(repo::root().join("target/py/bin"));
        assert_eq!(cmd.to_string(), "PATH=\"$PWD/target/py/bin:$PATH\" target/debug/wasmhost");
    }

    #[test]
    fn a_failed_command_says_how_to_repeat_it() {
        let cmd = Cmd::new("sh").args(["-c", "exit 3"]);
        let error = step("a step", || cmd.run()).unwrap_err();
        let message = format!("{error:#}");
        assert!(message.contains("a step") && message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("sh -c 'exit 3'"), "{message}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Cmd::new("wasmhost-has-no-such-tool").read().unwrap_err();
        assert!(error.to_string().contains("cannot start `wasmhost-has-no-such-tool`"), "{error}");
    }

    #[test]
    fn commands_do_not_see_how_cargo_describes_xtask() {
        let seen = Cmd::new("sh").args(["-c", "echo \"${CARGO_PKG_NAME-none}\""]).read().unwrap();
        assert_eq!(seen, "none");
    }
}
