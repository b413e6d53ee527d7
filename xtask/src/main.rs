//! `cargo xtask`: the commands people type to work on wasmhost, each the same on a laptop and in CI.
//!
//! A command is a row of [`COMMANDS`]; a module holds what it does. Nothing here knows how wasmhost works: everything
//! is done by starting cargo, the built `wasmhost` or a guest language's own tools, through [`run`].

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a terminal is the whole interface of this program")]

mod browser;
mod check;
mod demo;
mod guests;
mod host;
mod repo;
mod run;
mod sdk;
mod test;
mod third_party;
mod toolenv;
mod trained;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::run::{Cmd, step};
use crate::trained::Trained;

/// One thing that `cargo xtask` does.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "",
        about: "build wasmhost and the examples, show some of them at work, and serve one until Ctrl-C",
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "[--full] [-- ARGS…]",
        about: "build the guests and run every test; --full runs the heavier versions, and those under load from a release \
                build; ARGS go to `cargo test`",
        run: test::run,
    },
    Command {
        name: "check",
        arguments: "[STEP…]",
        about: "formatting, lints, dependencies and documentation; or only the steps named",
        run: check::run,
    },
    Command {
        name: "bench",
        arguments: "[--trained] [NAME…]",
        about: "run the benchmarks, all or those named, in the release profile; --trained has them start the program of \
                `install --trained`, where they start one",
        run: bench,
    },
    Command {
        name: "install",
        arguments: "[--trained]",
        about: "install the `wasmhost` program for the current user; --trained lays it out by how it was seen to work, which \
                takes two builds and needs `wrk`",
        run: install,
    },
];

/// A mistake in how xtask was called, as opposed to work that failed: it exits with 2 instead of 1.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(Usage(format!("no command given\n\n{}", help())).into());
    };
    if is_help(name) {
        print!("{}", help());
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(unknown("command", name, COMMANDS.iter().map(|command| command.name)).into());
    };
    // What stands behind `--` belongs to another program, and so does its `--help`.
    if rest.iter().take_while(|argument| *argument != "--").any(|argument| is_help(argument)) {
        println!("cargo xtask {} {}\n  {}", command.name, command.arguments, command.about);
        return Ok(());
    }
    (command.run)(rest)
}

fn is_help(argument: &str) -> bool {
    matches!(argument, "--help" | "-h" | "help")
}

fn help() -> String {
    let mut help = String::from("Usage: cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        help += &format!("  {call:<26}{}\n", command.about);
    }
    help
}

/// Says that `given` is no known `what`, and which known one it resembles most.
pub(crate) fn unknown<'a>(what: &str, given: &str, known: impl Iterator<Item = &'a str> + Clone) -> Usage {
    let likeness = |name: &str| strsim::jaro_winkler(given, name);
    let nearest = known.clone().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
    let all = known.collect::<Vec<_>>().join("`, `");
    Usage(format!("unknown {what} `{given}`; the nearest is `{nearest}` (known: `{all}`)"))
}

/// Refuses arguments, for commands that take none.
pub(crate) fn no_arguments(arguments: &[String]) -> Result<()> {
    match arguments.first() {
        Some(argument) => Err(Usage(format!("unexpected argument `{argument}`: this command takes none")).into()),
        None => Ok(()),
    }
}

/// Has programs be built by what they were seen to do.
const TRAINED: &str = "--trained";

fn bench(arguments: &[String]) -> Result<()> {
    let (flags, names): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|name| name.starts_with('-'));
    let is_trained = is_trained(&flags)?;
    guests::build()?;
    let mut cargo = Cmd::new("cargo").args(["bench", "--package", "wasmhost"]);
    for name in names {
        cargo = cargo.args(["--bench", name]);
    }
    if is_trained {
        cargo = cargo.env(trained::PROGRAM, Trained::train()?.program());
    }
    step("benchmarks", || cargo.run())
}

fn install(arguments: &[String]) -> Result<()> {
    let mut cargo = Cmd::new("cargo").args(["install", "--path", "host", "--locked"]);
    if is_trained(&arguments.iter().collect::<Vec<_>>())? {
        guests::build()?;
        cargo = Trained::train()?.install();
    }
    step("install wasmhost", || cargo.run())
}

fn is_trained(flags: &[&String]) -> Result<bool> {
    match flags.iter().find(|flag| **flag != TRAINED) {
        Some(flag) => Err(Usage(format!("unexpected argument `{flag}`: there is `{TRAINED}`")).into()),
        None => Ok(!flags.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn a_misspelt_command_names_the_nearest_and_is_a_usage_error() {
        let error = dispatch(&arguments("tset --full")).unwrap_err();
        assert!(error.is::<Usage>());
        assert!(error.to_string().contains("the nearest is `test`"), "{error}");
    }

    #[test]
    fn help_has_one_line_for_each_command() {
        let help = help();
        for command in COMMANDS {
            assert_eq!(help.matches(command.about).count(), 1, "{}", command.name);
        }
    }

    #[test]
    fn a_command_without_arguments_refuses_them() {
        assert!(dispatch(&arguments("demo now")).unwrap_err().is::<Usage>());
    }

    #[test]
    fn a_flag_that_there_is_not_is_a_usage_error_before_anything_is_built() {
        for line in ["install now", "install --traind", "bench --traind web"] {
            let error = dispatch(&arguments(line)).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains("`--trained`"), "{line}: {error}");
        }
    }
}
