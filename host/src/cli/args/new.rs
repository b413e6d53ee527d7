//! The flags of `new`. What templates there are is said where they are, and shown here.

use std::path::PathBuf;

use clap::Args;

use crate::cli::new::Template;

#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(in crate::cli) struct NewArgs {
    /// The project's directory, new or empty; its last part is the app's name, at most 30 lower-case letters, digits and dashes
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub(in crate::cli) path: PathBuf,

    /// What it is made of, see below
    #[arg(long, default_value = "method", hide_possible_values = true)]
    pub(in crate::cli) template: Template,

    /// The app's name, where the directory has another
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
}

fn after_help() -> String {
    let templates: String =
        Template::ALL.iter().map(|template| format!("  {:<12}{}\n", template.name(), template.about())).collect();
    format!(
        "\
Templates:
{templates}
All have the same class, so that the same calls work. A project in Rust takes the guest SDK from
the checkout that this program was built from; WASMHOST_SDK names another, the directory
`guest-sdk` of a checkout.

Examples:
  wasmhost new hello && cd hello && wasmhost run . --name world
  wasmhost new services/shop --template web"
    )
}
