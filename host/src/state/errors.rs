//! What guests are told of the errors of their streams.
//!
//! Wasmtime's own `to-debug-string` has the host's backtrace in it, where those are on: nothing for guests, and to say where its
//! functions are the host would load all it knows of its own code, a hundred megabytes in a program with debug information.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::IoError;

use super::State;

/// Links what says an error in words, in place of what is linked.
///
/// # Errors
///
/// When it cannot be defined, which no input can cause.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:io/error@0.2.12")?.func_wrap("[method]error.to-debug-string", to_debug_string)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The error with all its causes, in one line.
fn to_debug_string(store: StoreContextMut<'_, State>, (error,): (Resource<IoError>,)) -> wasmtime::Result<(String,)> {
    Ok((format!("{:#}", store.data().table.get(&error)?),))
}
