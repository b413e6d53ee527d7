//! Bindings of `wit/handler.wit`, and what exports a handler.

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

wasmhost_guest_macros::handler!("wit/handler.wit");
