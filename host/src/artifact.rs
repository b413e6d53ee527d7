//! From a component to what its instances are made of: examined, built, compiled, kept on disk, verified when it is mapped.
//!
//! ```text
//!              Order ─▶ perform, here or in a process of its own ─▶ Store
//!                        examine · compile · build and take a snapshot · compile that
//!
//!  load:   records alone are read
//!  first instance:   open ─ hash through that descriptor ─ same? ─ yes ─▶ map what was hashed
//!                                                            └─ no ──▶ set aside, compile from the durable part
//! ```
//! Compiled code is executable: whoever can write it owns the process. So each file has a record with a digest keyed by a
//! secret of the store, and what is mapped is the very descriptor that was hashed. This module must not know apps, pools or
//! settings' files.

mod compile;
mod digest;
mod order;
mod perform;
mod store;
mod turn;

pub(crate) use digest::Digest;
pub(crate) use order::{BuildOrder, Event, Listener, Order, Task};
pub(crate) use perform::{IMAGE, Site, perform};
pub(crate) use store::{
    Built, Collected, ComponentRecord, FileRecord, Kept, Outcome, PrintedLine, SnapshotKey, Store, Taken, is_lost,
};
pub(crate) use turn::turn;

pub use order::PreparePhase;
