//! Why a piece of guest code did not return: from wasmtime's errors to ours, with limit, setting and the guest's own words.

use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::{Bounds, Span};
use crate::error::{Error, ErrorKind};
use crate::state::{MemoryRefusal, State};

/// Functions of a backtrace that an error shows.
const MAX_FRAMES: usize = 24;

/// How an attempt to run guest code ended.
pub(super) enum Attempt<T> {
    /// The guest returned, or trapped.
    Done(wasmtime::Result<T>),
    /// The host was told to stop while the guest ran.
    Stopped,
    /// The guest waited for something beyond its time.
    TimedOut,
}

impl<T> Attempt<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Self::Done(done) => Attempt::Done(done.map(f)),
            Self::Stopped => Attempt::Stopped,
            Self::TimedOut => Attempt::TimedOut,
        }
    }
}

/// Explains an attempt that did not succeed. `what` is the function as a message names it.
pub(super) fn explain(attempt: Attempt<()>, state: &mut State, what: &str, span: &Span, bounds: &Bounds) -> Error {
    let stderr = state.output.stderr_tail();
    let refusal = state.memory.take_refusal();
    let error = match attempt {
        Attempt::Done(Ok(())) => return Error::internal(format!("{what} succeeded and was taken for a failure")),
        Attempt::Stopped => return of_waiting(Attempt::Stopped, what, span),
        Attempt::TimedOut => return of_waiting(Attempt::TimedOut, what, span).with_stderr(stderr),
        Attempt::Done(Err(error)) => error,
    };
    let backtrace = backtrace(&error);
    // A guest that had a growth refused ends itself by `unreachable`; one that failed in another way survived the refusal.
    let gave_up = error.downcast_ref::<Trap>().is_none_or(|trap| *trap == Trap::UnreachableCodeReached);
    let refusal = refusal.filter(|_| gave_up && !error.is::<I32Exit>());
    let told = if state.deadline.passed() {
        timed_out(what, span)
    } else if let Some(refusal) = refusal {
        memory_exceeded(what, refusal)
    } else {
        of_guest(what, &error, bounds)
    };
    told.with_backtrace(backtrace).with_stderr(stderr)
}

/// Explains why a guest is no longer waited for.
pub(super) fn of_waiting(attempt: Attempt<()>, what: &str, span: &Span) -> Error {
    match attempt {
        Attempt::Stopped => Error::new(ErrorKind::Draining, format!("{what} was stopped: the host shuts down")),
        Attempt::TimedOut | Attempt::Done(_) => timed_out(what, span),
    }
}

fn timed_out(what: &str, span: &Span) -> Error {
    let limit = format!("{:?}", span.timeout.unwrap_or(Duration::MAX));
    Error::new(ErrorKind::TimedOut, format!("{what} ran longer than {limit}; the setting is `{}`", span.setting))
        .with_limit(span.setting, limit)
}

fn memory_exceeded(what: &str, refusal: MemoryRefusal) -> Error {
    match refusal {
        MemoryRefusal::Bytes { wanted, max } => {
            let (wanted, max) = (mebibytes(wanted), mebibytes(max));
            Error::new(
                ErrorKind::MemoryExceeded,
                format!("{what} wanted {wanted} of memory and may have {max}; the setting is `memory`"),
            )
            .with_limit("memory", max)
        }
        MemoryRefusal::NoneLeft => {
            let message = format!("{what} wanted more memory than the system has for it: Cannot allocate memory");
            Error::new(ErrorKind::MemoryExceeded, message)
        }
        MemoryRefusal::TableElements { wanted, max } => Error::new(
            ErrorKind::MemoryExceeded,
            format!("{what} wanted a table of {wanted} elements, and the host allows {max}"),
        )
        .with_limit("max-table-elements", max.to_string()),
    }
}

/// Explains an error without a look at what else its instance does.
pub(super) fn of_guest(what: &str, error: &wasmtime::Error, bounds: &Bounds) -> Error {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Error::new(ErrorKind::Trapped, format!("{what} ended its own process with exit code {}", exit.0));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Error::new(
            ErrorKind::Overloaded,
            format!("{what} found no room: {error}; the setting is `max-instances`"),
        )
        .with_limit("max-instances", bounds.max_instances.to_string());
    }
    if let Some(limited) = of_limit(what, error, bounds) {
        return limited;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        // The trap's own words begin with "wasm trap: ", which the kind says already.
        let reason = trap.to_string();
        let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason).to_owned();
        return Error::new(ErrorKind::Trapped, format!("{what} trapped: {reason}"));
    }
    let reason = error.root_cause().to_string();
    Error::new(ErrorKind::Trapped, format!("{what} trapped: {reason}"))
}

/// Limits that wasmtime reports as text alone; the tests of each limit fail when the words change.
fn of_limit(what: &str, error: &wasmtime::Error, bounds: &Bounds) -> Option<Error> {
    let reason = error.root_cause().to_string();
    let limits = &bounds.instance;
    let limited = |message: String, setting: &str, limit: String| {
        Some(Error::new(ErrorKind::Trapped, message).with_limit(setting, limit))
    };
    if reason.contains("fuel allocated for hostcalls") {
        let limit = mebibytes(limits.max_hostcall_bytes as u64);
        return limited(
            format!(
                "{what} passed more than {limit} of values to the host at once; the setting is `max-hostcall-bytes`"
            ),
            "max-hostcall-bytes",
            limit,
        );
    }
    if reason.contains("handle limit exceeded") || reason.contains("no free keys") {
        let limit = limits.max_handles.to_string();
        return limited(
            format!("{what} held more than {limit} handles; the setting is `max-handles`"),
            "max-handles",
            limit,
        );
    }
    if reason.starts_with("requested len") {
        let limit = limits.max_random_bytes.to_string();
        return limited(
            format!("{what} asked for too many random bytes at once: {reason}; the setting is `max-random-bytes`"),
            "max-random-bytes",
            limit,
        );
    }
    None
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let mut functions: Vec<_> = backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("<function {}>", frame.func_index()),
        })
        .collect();
    if functions.len() > MAX_FRAMES {
        let more = functions.len() - MAX_FRAMES;
        functions.truncate(MAX_FRAMES);
        functions.push(format!("… and {more} more"));
    }
    functions
}

/// Bytes as people write limits: whole MiB where it comes out even, else with one decimal or in bytes.
fn mebibytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{}MiB", bytes / MIB),
        _ if bytes >= MIB => format!("{}.{}MiB", bytes / MIB, bytes % MIB * 10 / MIB),
        _ => format!("{}KiB", bytes.div_ceil(1024)),
    }
}
