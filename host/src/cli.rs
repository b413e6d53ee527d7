//! The command line: verbs, exit codes, and what is printed where.
//!
//! Results go to standard output, everything else to standard error. A command ends with the exit code of its error's
//! kind, see [`ErrorKind::exit_code`](crate::error::ErrorKind::exit_code); an entrypoint's own exit code is passed on.

mod args;
mod build;
mod call;
mod choices;
mod client;
mod complete;
mod context;
mod inspect;
mod interrupts;
mod listing;
mod new;
mod options;
mod prepare;
mod progress;
mod ps;
mod run;
mod serve;
mod table;
mod target;
mod terminal;
mod usage;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Cli, Verb};
use terminal::{Failure, Outcome};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return terminal::print_clap(&error),
    };
    terminal::start_logging(cli.common.verbose);
    let runtime = match runtime(&cli.verb) {
        Ok(runtime) => runtime,
        Err(error) => return terminal::report(&Failure::from(crate::error::Error::io("the async runtime", error))),
    };
    let outcome = runtime.block_on(verb(cli));
    // A guest that waits for terminal input holds a thread that cannot be joined.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(failure) => terminal::report(&failure),
    }
}

/// A process that prepares a component computes on threads of the compiler's.
const PREPARE_WORKERS: usize = 1;

/// Polls of tasks on a worker before it looks at its sockets and timers. Of guests that compute there are no more in the run
/// queue than turns, but each first poll may last a tick, so tokio's default of 61 is long. A few, as 7, keep a
/// worker from ever running out of work, and so from taking over what another has queued that the kernel has put aside.
const POLLS_BETWEEN_EVENTS: u32 = 31;

/// How long a thread that did file operations waits for more. Each has memory of its own, which a burst should not leave behind.
const FILE_THREADS_WAIT: Duration = Duration::from_secs(2);

fn runtime(verb: &Verb) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Verb::Serve(args) = verb {
        builder.event_interval(POLLS_BETWEEN_EVENTS).thread_keep_alive(FILE_THREADS_WAIT);
        if let Some(workers) = args.workers {
            builder.worker_threads(workers.get());
        }
    }
    if let Verb::Prepare = verb {
        builder.worker_threads(PREPARE_WORKERS).thread_keep_alive(Duration::MAX);
    }
    builder.enable_all().build()
}

async fn verb(cli: Cli) -> Outcome {
    match cli.verb {
        Verb::New(args) => new::new(&args),
        Verb::Inspect(args) => inspect::inspect(args).await,
        Verb::Run(args) => run::run(args).await,
        Verb::Serve(args) => serve::serve(args).await,
        Verb::Call(args) => call::call(&cli.common, args).await,
        Verb::Ps(args) => ps::ps(args).await,
        Verb::Build(args) => build::build_verb(args).await,
        Verb::Prepare => prepare::prepare().await,
        Verb::Completions { shell } => complete::completions(shell),
    }
}
