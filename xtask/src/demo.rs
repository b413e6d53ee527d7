//! `cargo xtask demo`: from a fresh clone to every example at work, in one command.

use anyhow::Result;

use crate::run::{Cmd, step};
use crate::{guests, host, no_arguments};

/// What is shown of wasmhost, and how it is called for that.
struct Stop {
    shows: &'static str,
    arguments: &'static [&'static str],
}

const TOUR: &[Stop] = &[
    Stop {
        shows: "what a component offers: classes, hooks, methods, parameters",
        arguments: &["inspect", "examples/parameterized"],
    },
    Stop {
        shows: "parameters say which pool a call goes to",
        arguments: &[
            "run",
            "examples/parameterized::my-class.baz",
            "--foo",
            "hedgehog",
            "--bar",
            "7",
            "--qux",
            "override",
        ],
    },
    Stop {
        shows: "what is left out takes its default",
        arguments: &["run", "examples/parameterized::my-class.baz", "--foo", "fox"],
    },
    Stop {
        shows: "enter loads the model, once per instance",
        arguments: &["run", "examples/model", "--name", "alice", "--prompt", "the"],
    },
    Stop {
        shows: "enter opens what exit closes; the log is in examples/etl-pipeline/out",
        arguments: &[
            "run",
            "--allow-mount",
            "examples/etl-pipeline/out",
            "examples/etl-pipeline",
            "--args",
            "examples/etl-pipeline/records.json",
        ],
    },
    Stop {
        shows: "an entrypoint runs with the terminal's streams",
        arguments: &["run", "examples/entrypoint", "--foo", "1", "--bar", "hello"],
    },
];

/// Builds wasmhost and the examples, and walks through [`TOUR`].
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    no_arguments(arguments)?;
    let wasmhost = host::build()?;
    guests::build_examples()?;
    for stop in TOUR {
        step(stop.shows, || {
            // The manifests' own `build` commands must put components where the manifests say.
            Cmd::new(&wasmhost).args(stop.arguments.iter().copied()).without_env("CARGO_TARGET_DIR").run()
        })?;
    }
    Ok(())
}
