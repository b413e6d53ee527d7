//! The flags of the verbs that ask a running server.

use std::path::PathBuf;

use clap::Args;

use crate::manifest::TimeSpan;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmhost ps
  wasmhost ps parameterized --watch
  wasmhost ps --json | jq '.[].pools[]'")]
pub(in crate::cli) struct PsArgs {
    /// Only this app
    pub(in crate::cli) app: Option<String>,

    /// Print JSON: a list of apps, each with its pools
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// Print again and again, until interrupted
    #[arg(short, long)]
    pub(in crate::cli) watch: bool,

    /// How often to print, with --watch
    #[arg(long, value_name = "DURATION", default_value = "1s", requires = "watch")]
    pub(in crate::cli) interval: TimeSpan,

    #[command(flatten)]
    pub(in crate::cli) server: ServerArgs,
}

/// Which server is asked.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct ServerArgs {
    /// Ask the server that has this data directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Ask the server that listens on this control socket
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath, conflicts_with = "data_dir")]
    pub(in crate::cli) socket: Option<PathBuf>,
}
