//! Every verb and flag of the program, each defined once: parsing, `--help` and completion all come from here.

//!
//! A file for each group of verbs; what several groups have in common is here.

mod calls;
mod new;
mod serve;
mod server;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::manifest::{AnySize, TimeSpan};

pub(super) use calls::Calls;
pub(super) use new::NewArgs;
pub(super) use serve::ServeArgs;
pub(super) use server::{PsArgs, ServerArgs};
pub(super) use target::{CallArgs, RunArgs, is_of_a_verb_with_target};

/// Runs functions compiled to WebAssembly: classes with lifecycle hooks, parameters and typed methods.
#[derive(Debug, Parser)]
#[command(name = "wasmhost", version, max_term_width = 100, propagate_version = false, after_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const AFTER_HELP: &str = "\
SOURCE is a directory with `wasmhost.toml`, that file, or a component (`.wasm`).
TARGET is SOURCE[::[class.]method]; of a server, APP[/[class.]method].

Exit codes:
  0  done                 5  conflict
  1  the guest failed     6  no server, or shutting down
  2  wrong input          7  overloaded
  3  not allowed          8  timed out
  4  not found           70  a fault of wasmhost";

/// Where the options of all verbs stand in the help of each: after its own, and before `--help`.
const LAST: usize = 900;

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Print what the host does, to standard error; twice for more (WASMHOST_LOG takes tracing's filters)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = LAST)]
    pub(super) verbose: u8,
}

/// Where compiled components are kept, for the verbs that compile.
#[derive(Debug, Default, Args)]
pub(super) struct Cache {
    /// Keep compiled components below this directory [default: $WASMHOST_CACHE_DIR, else $XDG_CACHE_HOME/wasmhost]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, display_order = LAST)]
    pub(super) cache_dir: Option<PathBuf>,

    /// Neither look for compiled components nor keep them
    #[arg(long, conflicts_with = "cache_dir", display_order = LAST)]
    pub(super) no_cache: bool,

    /// How large the cache may become before what was used least recently goes [default: 10GiB]
    #[arg(long, value_name = "SIZE", conflicts_with = "no_cache", display_order = LAST)]
    pub(super) max_cache: Option<AnySize>,
}

/// What manifests may take from this machine.
#[derive(Debug, Default, Args)]
pub(super) struct Permissions {
    /// Let manifests take this variable from the environment; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) allow_env: Vec<String>,

    /// Let manifests mount this directory and those below it; may be repeated
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) allow_mount: Vec<PathBuf>,
}

/// What preparing a component may take: finding out what it offers, compiling it, running its `build` hooks.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Preparing components")]
pub(super) struct Preparing {
    /// Run `build` hooks again, although there are snapshots of what they left
    #[arg(long)]
    pub(super) rebuild: bool,

    /// How long preparing one component may take [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) prepare_timeout: Option<Duration>,

    /// How much CPU time of all cores together it may take [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) prepare_cpu_time: Option<Duration>,

    /// How much memory it may take [default: 4GiB]
    #[arg(long, value_name = "SIZE")]
    pub(super) prepare_memory: Option<AnySize>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a project that builds and runs at once
    New(NewArgs),
    /// Print what a component offers and needs: classes, hooks, methods, settings, imports
    Inspect(InspectArgs),
    /// Call a method in an instance of its own, or run an entrypoint
    Run(RunArgs),
    /// Answer HTTP requests with the methods that have a `web` route
    Serve(Box<ServeArgs>),
    /// Call a method of an app that a server has
    Call(CallArgs),
    /// Print the pools of running servers
    Ps(PsArgs),
    /// Run the build commands of a manifest's components
    Build(BuildArgs),
    /// Prepare a component for the process that started this one
    #[command(hide = true)]
    Prepare,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// What to look at: SOURCE[::[class.]method]
    #[arg(default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub(super) target: String,

    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) permissions: Permissions,

    #[command(flatten)]
    pub(super) cache: Cache,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A directory with `wasmhost.toml`, or that file
    #[arg(default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub(super) source: PathBuf,
}

/// A duration as manifests spell it.
fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map(|span: TimeSpan| span.duration()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_verbs_that_compile_take_a_cache() {
        let mut command = Cli::command();
        // Global options are handed down.
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let compiles = matches!(verb.get_name(), "inspect" | "run" | "serve");
            for option in ["cache-dir", "no-cache"] {
                let has = verb.get_arguments().any(|argument| argument.get_long() == Some(option));
                assert_eq!(has, compiles, "{} --{option}", verb.get_name());
            }
        }
    }
}
