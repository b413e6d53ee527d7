//! The tests of wasmhost as a whole, one program so that the host is linked once.

mod cli;
mod examples;
mod inspect;
mod library;
mod lifecycle;
mod limits;
mod third_party;
mod tidy;
