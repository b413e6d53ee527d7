//! `cargo xtask test`: makes what the tests run, then runs them all with plain `cargo test`.
//!
//! With `--full` the tests under load run once more from a release build, since they promise times, and what people
//! serve with is that build.

use anyhow::{Result, bail};

use crate::run::{Cmd, step};
use crate::toolenv::{TOOL_ENVS, ToolEnv};
use crate::{Usage, browser, guests, host, sdk, third_party};

/// Builds the guests, fetches those of others, makes the tools of other languages and `wasmhost`, and runs every test.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;

    guests::build()?;
    third_party::fetch()?;
    let (ready, not_run) = tools()?;
    let program = host::build()?;
    let tests = step("tests", || cargo_test(&options, &ready).run());
    let load = match load_tests(&options) {
        Some(commands) => step("tests under load, in the release profile", || commands.iter().try_for_each(Cmd::run)),
        None => Ok(()),
    };

    // Who chose tests of the host did not mean those of the SDK.
    let sdk = if options.cargo_test.is_empty() { sdk::test(&program) } else { Ok(()) };

    // After the tests, where it is read: a suite that is left out must not look like one that passed.
    for (suites, reason) in &not_run {
        println!("NOT RUN: {suites}: {reason}");
    }
    let failures: Vec<_> = [tests, load, sdk].into_iter().filter_map(Result::err).collect();
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!(failures.iter().map(|failure| format!("{failure:#}")).collect::<Vec<_>>().join("; and ")),
    }
}

/// Set for tests that are to run in their heavier versions.
const FULL: &str = "WASMHOST_TEST_FULL";

#[derive(Debug, PartialEq)]
struct Options<'a> {
    full: bool,
    cargo_test: &'a [String],
}

impl<'a> Options<'a> {
    fn parse(arguments: &'a [String]) -> Result<Self> {
        let mut options = Self { full: false, cargo_test: &[] };
        for (index, argument) in arguments.iter().enumerate() {
            match argument.as_str() {
                "--full" => options.full = true,
                "--" => {
                    options.cargo_test = &arguments[index + 1..];
                    break;
                }
                other => {
                    let message =
                        format!("unexpected argument `{other}`; arguments for `cargo test` stand behind `--`");
                    return Err(Usage(message).into());
                }
            }
        }
        Ok(options)
    }
}

/// Suites, and why they are left out.
type NotRun = Vec<(&'static str, String)>;

/// The tool environments that stand, and the suites whose tools cannot be had.
///
/// # Errors
///
/// In CI, if there are such: a suite left out would go unnoticed there.
fn tools() -> Result<(Vec<&'static ToolEnv>, NotRun)> {
    let (mut ready, mut not_run) = (Vec::new(), Vec::new());
    for env in TOOL_ENVS {
        match env.ensure() {
            Ok(()) => ready.push(env),
            Err(error) => not_run.push((env.suites, format!("{error:#}"))),
        }
    }
    if let Err(error) = browser::ensure(in_ci()) {
        not_run.push((browser::SUITES, format!("{error:#}")));
    }
    match not_run.as_slice() {
        [(suites, reason), ..] if in_ci() => bail!("{suites} cannot run, and CI runs all: {reason}"),
        _ => Ok((ready, not_run)),
    }
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// What runs the tests under load from a release build: if all is to be run, and not what somebody chose.
fn load_tests(options: &Options<'_>) -> Option<[Cmd; 2]> {
    // The same packages in both, with what tests need, so that cargo unites their features alike and builds nothing twice.
    let cargo = |verb| Cmd::new("cargo").args([verb, "--release", "-p", "wasmhost", "-p", "wasmhost-tests"]);
    let program = cargo("build").args(["--bin", "wasmhost", "--test", "load"]);
    let tests = cargo("test").args(["--test", "load"]).env(FULL, "1");
    (options.full && options.cargo_test.is_empty()).then_some([program, tests])
}

fn cargo_test(options: &Options<'_>, ready: &[&ToolEnv]) -> Cmd {
    // The whole record of a run is wanted, not only the record up to the first suite that fails.
    let mut cargo = Cmd::new("cargo").args(["test", "--workspace", "--no-fail-fast"]).args(options.cargo_test);
    if options.full {
        cargo = cargo.env(FULL, "1");
    }
    for env in ready {
        cargo = cargo.env(env.variable, env.dir()).path_first(env.programs_dir());
    }
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn everything_behind_the_dashes_goes_to_cargo_test() {
        let arguments = strings("--full -- --package wasmhost -- --full");
        let options = Options::parse(&arguments).unwrap();
        assert_eq!(options, Options { full: true, cargo_test: &strings("--package wasmhost -- --full") });
    }

    #[test]
    fn a_filter_without_dashes_is_refused_with_the_way_to_give_it() {
        let error = Options::parse(&strings("tidy")).map(|_| ()).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("behind `--`"), "{error}");
    }

    #[test]
    fn a_full_run_holds_a_release_build_to_its_promises() {
        let full = Options { full: true, cargo_test: &[] };
        assert_eq!(cargo_test(&full, &[]).to_string(), "WASMHOST_TEST_FULL=1 cargo test --workspace --no-fail-fast");
        let lines = load_tests(&full).unwrap().map(|command| command.to_string());
        assert_eq!(
            lines,
            [
                "cargo build --release -p wasmhost -p wasmhost-tests --bin wasmhost --test load",
                "WASMHOST_TEST_FULL=1 cargo test --release -p wasmhost -p wasmhost-tests --test load",
            ]
        );
        let chosen = strings("--test it");
        for options in [Options { full: false, cargo_test: &[] }, Options { full: true, cargo_test: &chosen }] {
            assert!(load_tests(&options).is_none(), "{options:?}");
        }
    }

    #[test]
    fn tests_learn_where_the_tools_are_only_if_they_stand() {
        let options = Options { full: false, cargo_test: &[] };
        assert!(cargo_test(&options, &[]).to_string().starts_with("cargo test"));
        let line = cargo_test(&options, &[&TOOL_ENVS[0]]).to_string();
        assert!(line.starts_with("PATH=") && line.contains("WASMHOST_TEST_PY="), "{line}");
    }
}
