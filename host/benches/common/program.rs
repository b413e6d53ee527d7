//! The program that benches start: that which was built with them, or another one.

use std::ffi::OsString;

/// Names another program than that which was built with the bench, as one that was built by a profile.
const PROGRAM: &str = "WASMHOST_BENCH_PROGRAM";

pub(crate) fn program() -> OsString {
    std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_wasmhost").into())
}
