//! `cargo xtask demo`: from a fresh clone to some examples at work, and a server to try, in one command.

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
        shows: "an entrypoint runs with the terminal's streams, and calls classes",
        arguments: &["run", "examples/entrypoint", "--foo", "1", "--bar", "hello"],
    },
];

/// Requests for whoever looks on, while the server runs at the end.
const REQUESTS: &[&str] = &[
    "curl \"http://parameterized.localhost:8080/?foo=hedgehog&bar=7&qux=override\"",
    "curl \"http://parameterized.localhost:8080/?foo=hedgehog&qux=override\"",
    "curl \"http://parameterized.localhost:8080/?foo=hedgehog&bar=10\"",
    "curl \"http://parameterized.localhost:8080/?foo=hedgehog\"",
    "curl \"http://localhost:8080/parameterized/my-class/?foo=hedgehog\"",
    "target/debug/wasmhost call parameterized --foo hedgehog --qux override",
    "target/debug/wasmhost ps",
];

/// Builds wasmhost and the examples, walks through [`TOUR`], and ends with a server that runs until it is interrupted.
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
    step("a server, until Ctrl-C; try it from another terminal", || {
        REQUESTS.iter().for_each(|request| println!("    {request}"));
        let serve = ["serve", "examples/parameterized"];
        Cmd::new(&wasmhost).args(serve).without_env("CARGO_TARGET_DIR").run()
    })
}
