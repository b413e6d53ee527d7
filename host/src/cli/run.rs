//! `wasmhost run`: one call in an instance of its own, or an entrypoint.

use std::ffi::OsString;
use std::process::ExitCode;

use super::args::RunArgs;
use super::interrupts::{INTERRUPTED, Interrupts};
use super::options::{self, Given, Text};
use super::target::{Named, Target, split};
use super::terminal::{self, Failure, Outcome, say, with_patience};
use super::{build, context};
use crate::component::Function;
use crate::error::{Error, Fault};
use crate::service::{Bound, Host, Main, Method};
use crate::values::{Shape, Value, json, wave};

pub(super) async fn run(args: RunArgs) -> Outcome {
    let (target, words) = split("run", &args.target)?;
    let target = Target::parse(&target);
    let mut interrupts = Interrupts::listen()?;
    let host = context::host(&args.cache, &args.permissions, &args.preparing, &args.calls)?;
    let source = context::source(target.source)?;
    let loading = format!("loading {}", source.path().display());
    let app = async {
        if !args.no_build {
            build::build(&source).await?;
        }
        with_patience(&loading, host.look(source)).await
    };
    let app = tokio::select! {
        biased;
        app = app => app?,
        () = interrupts.next() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let named = target.find(&app)?;
    let usage = match (&named, target.usage(&named)) {
        (Named::Command(command), _) => {
            let arguments = raw_arguments(words)?;
            let run = async {
                with_patience(&loading, host.prepare_called(&app)).await?;
                command.run(arguments).await
            };
            let Some(code) = interruptible(&host, &mut interrupts, run).await else {
                return Ok(ExitCode::from(INTERRUPTED));
            };
            host.shutdown().await;
            return Ok(exit_code(code?));
        }
        (_, usage) => usage.ok_or_else(|| Error::internal("a typed target can be described"))?,
    };
    let with_usage = |error| Failure::with_usage(error, usage.line());
    let options = match usage.takes.parse(words) {
        Ok(Given::Help) => {
            terminal::print(usage.help().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Given::Options(options)) => options,
        Err(error) => return Err(with_usage(error)),
    };
    // Mistakes are told before `build` runs for minutes.
    let given = Call::read(&named, &options).map_err(with_usage)?;
    let prepared = async {
        match &named {
            Named::Method(class, ..) => host.prepare(&app, class).await,
            _ => host.prepare_called(&app).await,
        }
    };
    tokio::select! {
        biased;
        prepared = with_patience(&loading, prepared) => prepared?,
        () = interrupts.next() => return Ok(ExitCode::from(INTERRUPTED)),
    }
    let Some(called) = interruptible(&host, &mut interrupts, given.make()).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    // However the call ended, its instance is owed its `exit` if it is still sound.
    host.shutdown().await;
    terminal::flush_guest_lines();
    let value = match called {
        // A mistake on the command line, not one of the guest: the usage line helps.
        Err(error) if error.fault() == Fault::Caller => return Err(with_usage(error)),
        called => called?,
    };
    print_result(&args, &value, function(&named)?.ok_shape())?;
    Ok(ExitCode::SUCCESS)
}

fn raw_arguments(words: &[OsString]) -> Result<Vec<String>, Error> {
    let words = match words.split_first() {
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) => {
            return Err(Error::bad_request(format!(
                "`{}` stands before `--`; this target is a command and takes its arguments after it",
                first.display()
            )));
        }
        None => words,
    };
    let text = |word: &OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| Error::bad_request(format!("`{}` is not UTF-8", word.display())))
    };
    words.iter().map(text).collect()
}

/// A call with all that it is given.
enum Call<'a> {
    Method(Bound, Method<'a>, Vec<Value>),
    Main(&'a Main, Vec<Value>),
}

impl<'a> Call<'a> {
    fn read(named: &'a Named, given: &[(String, Text)]) -> Result<Self, Error> {
        match named {
            Named::Method(class, _, described) => {
                let (method, limits) = (class.method(&described.name)?, class.limits());
                let parameters = options::read(class.parameter_signature(), &limits, given)?;
                let arguments = options::read(method.argument_signature(), &limits, given)?;
                Ok(Self::Method(class.bind_values(parameters)?, method, arguments))
            }
            Named::Main(main, _) => {
                Ok(Self::Main(main, options::read(main.argument_signature(), &main.limits(), given)?))
            }
            Named::Command(_) => Err(Error::internal("a command takes no typed arguments")),
        }
    }

    async fn make(self) -> Result<Value, Error> {
        match self {
            Self::Method(bound, method, arguments) => bound.call_values(method, arguments).await,
            Self::Main(main, arguments) => main.call_values(arguments).await,
        }
    }
}

fn function(named: &Named) -> Result<&Function, Error> {
    match named {
        Named::Method(class, _, described) => Ok(class.method(&described.name)?.function()),
        Named::Main(main, _) => Ok(main.function()),
        Named::Command(_) => Err(Error::internal("a command has no typed result")),
    }
}

/// The exit code of a process has eight bits; what does not fit is a failure all the same.
fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1).max(u8::from(code != 0)))
}

/// Awaits a call. The first interrupt lets it end and its `exit` run; with the second there is no result.
async fn interruptible<T>(host: &Host, interrupts: &mut Interrupts, call: impl Future<Output = T>) -> Option<T> {
    let mut call = std::pin::pin!(call);
    tokio::select! {
        biased;
        done = &mut call => return Some(done),
        () = interrupts.next() => {}
    }
    say("stopping: the call is waited for, then `exit` runs; interrupt again to leave at once");
    let both = async { tokio::join!(call, host.shutdown()).0 };
    tokio::select! {
        biased;
        done = both => Some(done),
        () = interrupts.next() => None,
    }
}

fn print_result(args: &RunArgs, value: &Value, shape: &Shape) -> Result<(), Error> {
    if *shape == Shape::Unit {
        return Ok(());
    }
    let mut text = match (args.raw, args.wave, value) {
        (true, _, Value::Val(wasmtime::component::Val::String(text))) => text.clone().into_bytes(),
        (true, _, Value::Bytes(bytes)) => return terminal::print(bytes),
        (_, true, value) => wave::write(value).into_bytes(),
        (_, _, value) => json::write(value, shape)?,
    };
    text.push(b'\n');
    terminal::print(&text)
}
