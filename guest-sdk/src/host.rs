//! What a guest asks of its host: bindings of `wit/host.wit`.
//!
//! A component imports of it what it uses; the linker leaves out the rest.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "it is generated"
)]

wasmhost_guest_macros::imports!("wit/host.wit");

pub use self::wasmhost::host::{calls, context};
