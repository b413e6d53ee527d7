//! Every verb and flag of the program, each defined once: parsing, `--help` and completion all come from here.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::manifest::{AnySize, TimeSpan};
use crate::service::HostBuilder;

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
pub(super) struct RunArgs {
    /// Print the result as WAVE instead of JSON
    #[arg(long, conflicts_with = "raw")]
    pub(super) wave: bool,

    /// Print a string without quotes
    #[arg(short, long)]
    pub(super) raw: bool,

    /// Do not run the manifest's build commands first
    #[arg(long)]
    pub(super) no_build: bool,

    #[command(flatten)]
    pub(super) permissions: Permissions,

    #[command(flatten)]
    pub(super) cache: Cache,

    /// What to run, SOURCE[::[class.]method], and its own arguments [default: .]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "TARGET", value_hint = clap::ValueHint::AnyPath)]
    pub(super) target: Vec<OsString>,

    // Last, for its heading would stand over whatever follows.
    #[command(flatten)]
    pub(super) preparing: Preparing,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Requests are matched by host, else by path; DOMAIN is `localhost` and each `--domain`:
  http://{app}--{class}.DOMAIN/…  a class
  http://{app}.DOMAIN/…           the only class with routes, or the one with `default = true`
  /{app}/{class}/…                a class, at any other host
  /…                              the app, if SOURCE is only one

The first SIGINT or SIGTERM lets requests end and instances exit, a second one does not wait. With
--drain-delay the first only says at /.well-known/wasmhost/ready that the server is about to end.

Examples:
  wasmhost serve examples/parameterized
  wasmhost serve shop blog --listen 0.0.0.0:80 --domain example.org
  wasmhost serve --watch --expose-methods")]
pub(super) struct ServeArgs {
    /// Directories with `wasmhost.toml`, such files, or components
    #[arg(default_value = ".", value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    pub(super) sources: Vec<String>,

    /// Listen here; with port 0 on a free port, which is printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(super) listen: SocketAddr,

    /// Answer hosts below this domain, besides those below `localhost`; may be repeated
    #[arg(long, value_name = "NAME", value_parser = domain)]
    pub(super) domain: Vec<String>,

    /// Let every method answer `POST /{method}`; only on a loopback address, and web pages only if `cors` lists them
    #[arg(long)]
    pub(super) expose_methods: bool,

    /// Build and load an app again when its files change; the last version that worked is served meanwhile
    #[arg(long)]
    pub(super) watch: bool,

    /// Do not run the manifests' build commands
    #[arg(long)]
    pub(super) no_build: bool,

    /// Print what is served as one line of JSON, once it is
    #[arg(long)]
    pub(super) json: bool,

    /// How long to go on as before after a signal, only no longer ready, so that balancers see it; another signal cuts it short
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = delay)]
    pub(super) drain_delay: Duration,

    /// How long requests may go on after a signal, or after that delay
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) drain_timeout: Duration,

    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(super) header_timeout: Duration,

    /// How long a client may take to send a body of parameters and arguments
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) body_timeout: Duration,

    /// How many threads run guests [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    pub(super) workers: Option<NonZeroUsize>,

    /// Keep the server's data in this directory, which no other server may have [default: keep nothing]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(super) permissions: Permissions,

    #[command(flatten)]
    pub(super) cache: Cache,

    #[command(flatten)]
    pub(super) limits: Limits,

    #[command(flatten)]
    pub(super) preparing: Preparing,
}

/// Limits of the whole host.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// How many instances may be alive at once [default: 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_instances: Option<u32>,

    /// Above how much memory of all instances idle ones go [default: half of the machine's]
    #[arg(long, value_name = "SIZE")]
    pub(super) memory_budget: Option<AnySize>,

    /// How many calls of one app run at once, those that share an instance as one [default: three quarters of --max-instances]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_running_calls: Option<u32>,

    /// How many calls of one app wait for an instance [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(super) max_queued_calls: Option<u32>,

    /// How many sets of parameters of one app may have a pool at a time [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(super) max_tuples: Option<usize>,

    /// How many new sets of parameters of one app get a pool in a second [default: 100]
    #[arg(long, value_name = "COUNT")]
    pub(super) tuple_rate: Option<u32>,

    /// How many of them at once after a silence [default: 1000]
    #[arg(long, value_name = "COUNT")]
    pub(super) tuple_burst: Option<u32>,

    /// How large the parameters and arguments of one call may be together [default: 4MiB]
    #[arg(long, value_name = "SIZE")]
    pub(super) max_body: Option<AnySize>,
}

impl Limits {
    /// Sets what was given; the rest keeps its default.
    pub(super) fn apply(&self, mut builder: HostBuilder) -> HostBuilder {
        if let Some(instances) = self.max_instances {
            builder = builder.max_instances(instances);
        }
        if let Some(size) = self.memory_budget {
            builder = builder.memory_budget_bytes(size.bytes());
        }
        if let Some(calls) = self.max_running_calls {
            builder = builder.max_running_calls(calls);
        }
        if let Some(calls) = self.max_queued_calls {
            builder = builder.max_queued_calls(calls);
        }
        if let Some(tuples) = self.max_tuples {
            builder = builder.max_tuples(tuples);
        }
        if self.tuple_rate.is_some() || self.tuple_burst.is_some() {
            builder = builder.tuple_rate(self.tuple_rate.unwrap_or(100), self.tuple_burst.unwrap_or(1_000));
        }
        if let Some(size) = self.max_body {
            builder = builder.max_body_bytes(usize::try_from(size.bytes()).unwrap_or(usize::MAX));
        }
        builder
    }
}

/// A duration as manifests spell it.
fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map(|span: TimeSpan| span.duration()).map_err(|error| error.to_string())
}

/// A duration that may be none.
fn delay(text: &str) -> Result<Duration, String> {
    if matches!(text, "0ms" | "0s" | "0m") { Ok(Duration::ZERO) } else { duration(text) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it is no IP address with a port, such as `127.0.0.1:8080` or `[::]:80`".to_owned())
}

/// Whether a verb that takes a target has this option: one for `wasmhost`, and not for what the target names.
pub(super) fn is_of_a_verb_with_target(name: &str) -> bool {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| matches!(verb.get_name(), "run" | "call"));
    let mut options = command.get_arguments().chain(verbs.flat_map(clap::Command::get_arguments));
    options.any(|option| option.get_long() == Some(name))
}

fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_domain = text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label);
    if is_domain { Ok(text.to_owned()) } else { Err("it is no domain name, such as `example.org`".to_owned()) }
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
pub(super) struct CallArgs {
    /// Print a string without quotes
    #[arg(short, long, conflicts_with = "json")]
    pub(super) raw: bool,

    /// Print the value and the instance that gave it, as JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) server: ServerArgs,

    /// What to call, APP[/[class.]method], and its own arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "TARGET")]
    pub(super) target: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmhost ps
  wasmhost ps parameterized --watch
  wasmhost ps --json | jq '.[].pools[]'")]
pub(super) struct PsArgs {
    /// Only this app
    pub(super) app: Option<String>,

    /// Print JSON: a list of apps, each with its pools
    #[arg(long)]
    pub(super) json: bool,

    /// Print again and again, until interrupted
    #[arg(short, long)]
    pub(super) watch: bool,

    /// How often to print, with --watch
    #[arg(long, value_name = "DURATION", default_value = "1s", requires = "watch")]
    pub(super) interval: TimeSpan,

    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// Which server is asked.
#[derive(Debug, Default, Args)]
pub(super) struct ServerArgs {
    /// Ask the server that has this data directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) data_dir: Option<PathBuf>,

    /// Ask the server that listens on this control socket
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath, conflicts_with = "data_dir")]
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A directory with `wasmhost.toml`, or that file
    #[arg(default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub(super) source: PathBuf,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_spelled_as_in_manifests_and_domains_are_names() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("30").unwrap_err().contains("no unit"));
        assert!(duration("0s").is_err());
        assert_eq!((delay("0s"), delay("5s")), (Ok(Duration::ZERO), Ok(Duration::from_secs(5))));
        for text in ["example.org", "localhost.", "a-b.c_d.9"] {
            assert!(domain(text).is_ok(), "{text}");
        }
        for text in ["", ".", "a..b", "http://a", "a:80", "a/b", "*.a"] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("[::1]:0").map(|address| address.port()), Ok(0));
        for text in ["80", ":80", "localhost:80", "127.0.0.1"] {
            assert!(address(text).unwrap_err().contains("127.0.0.1:8080"), "{text}");
        }
    }

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
