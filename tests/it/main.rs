//! The tests of wasmhost as a whole, one program so that the host is linked once.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, its helpers too")]

mod api;
mod call;
mod child;
mod cli;
mod client;
mod downloads;
mod examples;
mod files;
mod guide;
mod handlers;
mod inspect;
mod library;
mod lifecycle;
mod limits;
mod log;
mod mutants;
mod nested;
mod new;
mod outbound;
mod pools;
mod sdk_sites;
mod serve;
mod snapshots;
mod store;
mod third_party;
mod tidy;
mod web;
