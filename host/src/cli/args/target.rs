//! The verbs whose target has options of its own, `run` and `call`: what stands before it is ours, what stands after it is
//! the guest's.

use std::ffi::OsString;

use clap::{Args, CommandFactory};

use super::{Cache, Calls, Cli, Permissions, Preparing, ServerArgs};

/// What stands in the help of the verbs that take a target with options of its own.
macro_rules! after_target {
    () => {
        "\
Everything after TARGET belongs to what it names:
  --name value, --name=value   a parameter of the class or an argument of the method
  --flag, --no-flag            the same for a bool
  --args FILE                  names and values from a JSON object, `-` for standard input
  --help                       its own parameters and arguments
"
    };
}

#[derive(Debug, Args)]
#[command(
    override_usage = "wasmhost run [OPTIONS] [TARGET [--NAME VALUE]...]",
    after_help = concat!(after_target!(), "\
A command (`wasi:cli/run`) takes its arguments as they are, after `--`.

Examples:
  wasmhost run examples/parameterized::my-class.baz --foo hedgehog --bar 7
  wasmhost run examples/entrypoint --foo 1 --bar hello
  wasmhost run tool.wasm -- --verbose input.txt")
)]
pub(in crate::cli) struct RunArgs {
    /// Print the result as WAVE instead of JSON
    #[arg(long, conflicts_with = "raw")]
    pub(in crate::cli) wave: bool,

    /// Print a string without quotes
    #[arg(short, long)]
    pub(in crate::cli) raw: bool,

    /// Do not run the manifest's build commands first
    #[arg(long)]
    pub(in crate::cli) no_build: bool,

    #[command(flatten)]
    pub(in crate::cli) permissions: Permissions,

    #[command(flatten)]
    pub(in crate::cli) cache: Cache,

    /// What to run, SOURCE[::[class.]method], and its own arguments [default: .]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "TARGET", value_hint = clap::ValueHint::AnyPath)]
    pub(in crate::cli) target: Vec<OsString>,

    // Last, for their headings would stand over whatever follows.
    #[command(flatten)]
    pub(in crate::cli) calls: Calls,

    #[command(flatten)]
    pub(in crate::cli) preparing: Preparing,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "wasmhost call [OPTIONS] TARGET [--NAME VALUE]...",
    after_help = concat!(after_target!(), "
Without --data-dir or --socket the server is the running one that has the app.

Examples:
  wasmhost call parameterized --foo hedgehog --bar 7
  wasmhost call -r parameterized/my-class.baz --foo fox --qux override
  wasmhost call parameterized/baz --help")
)]
pub(in crate::cli) struct CallArgs {
    /// Print a string without quotes
    #[arg(short, long, conflicts_with = "json")]
    pub(in crate::cli) raw: bool,

    /// Print the value and the instance that gave it, as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,

    #[command(flatten)]
    pub(in crate::cli) server: ServerArgs,

    /// What to call, APP[/[class.]method], and its own arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "TARGET")]
    pub(in crate::cli) target: Vec<OsString>,
}

/// Whether a verb that takes a target has this option: one for `wasmhost`, and not for what the target names.
pub(in crate::cli) fn is_of_a_verb_with_target(name: &str) -> bool {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| matches!(verb.get_name(), "run" | "call"));
    let mut options = command.get_arguments().chain(verbs.flat_map(clap::Command::get_arguments));
    options.any(|option| option.get_long() == Some(name))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Verb;
    use super::*;

    #[test]
    fn options_of_the_verbs_with_a_target_are_known() {
        for name in ["json", "wave", "raw", "socket", "no-cache", "verbose", "allow-env"] {
            assert!(is_of_a_verb_with_target(name), "{name}");
        }
        for name in ["watch", "listen", "foo", ""] {
            assert!(!is_of_a_verb_with_target(name), "{name}");
        }
    }

    #[test]
    fn everything_after_the_target_is_the_guests() {
        let cli = Cli::try_parse_from(["wasmhost", "run", "-r", "app::m", "--raw", "--wave", "-x", "--", "y"]).unwrap();
        let Verb::Run(run) = cli.verb else { panic!("a run") };
        assert!(run.raw && !run.wave);
        assert_eq!(run.target, ["app::m", "--raw", "--wave", "-x", "--", "y"]);
        let cli = Cli::try_parse_from(["wasmhost", "call", "--json", "-v", "app/m", "--json", "--help"]).unwrap();
        let Verb::Call(call) = cli.verb else { panic!("a call") };
        assert!(call.json && cli.common.verbose == 1);
        assert_eq!(call.target, ["app/m", "--json", "--help"]);
    }
}
