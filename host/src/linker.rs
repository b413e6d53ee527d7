//! What guests may import: WASI 0.2 on both engines, WASI 0.3 on the one with concurrency, `wasi:http` with the feature
//! of that name, and `wasmhost:host`.
//!
//! [`provides`] is the same list as names, for `inspect` and for errors: an import that is not in it is told by name, and
//! whatever else does not fit is told by the engine. This module must not know classes, settings or instances.

use std::sync::OnceLock;

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::engine::{EngineKind, Engines};
use crate::error::{Error, Result};
#[cfg(feature = "http")]
use crate::state::link_inbound;
use crate::state::{State, link_calls, link_errors, link_filesystem, link_outbound};

/// Interfaces of WASI 0.2 and the newest patch version of each package that is linked.
const WASI_0_2: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &["instance-network", "ip-name-lookup", "network", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
    #[cfg(feature = "http")]
    ("wasi:http", &["outgoing-handler", "types"]),
];

/// Interfaces of WASI 0.3, only for components that run on the engine with concurrency.
const WASI_0_3: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
            "types",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "system-clock", "types"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets", &["ip-name-lookup", "types"]),
    #[cfg(feature = "http")]
    ("wasi:http", &["client", "types"]),
];

/// What the host offers of its own.
const HOST_0_1: &[(&str, &[&str])] = &[("wasmhost:host", &["context", "calls"])];

/// Both engines with what guests on them may import, each made when the first component needs it.
pub(crate) struct Linkers {
    engines: Engines,
    sync: OnceLock<Linker<State>>,
    concurrent: OnceLock<Linker<State>>,
}

impl Linkers {
    pub(crate) fn new(engines: Engines) -> Self {
        Self { engines, sync: OnceLock::new(), concurrent: OnceLock::new() }
    }

    pub(crate) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The linker of one engine.
    ///
    /// # Errors
    ///
    /// As [`Engines::get`].
    pub(crate) fn get(&self, kind: EngineKind) -> Result<&Linker<State>> {
        let cell = match kind {
            EngineKind::Sync => &self.sync,
            EngineKind::Async => &self.concurrent,
        };
        if let Some(linker) = cell.get() {
            return Ok(linker);
        }
        let linker = linker(self.engines.get(kind)?, kind)?;
        Ok(cell.get_or_init(|| linker))
    }
}

impl std::fmt::Debug for Linkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linkers").field("engines", &self.engines).finish_non_exhaustive()
    }
}

/// Makes the linker of one engine.
///
/// # Errors
///
/// `internal` when an interface is defined twice, which no input can cause.
fn linker(engine: &Engine, kind: EngineKind) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    link(&mut linker, kind).map_err(|error| Error::internal(format!("WASI could not be linked: {error:#}")))?;
    Ok(linker)
}

fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    #[cfg(feature = "http")]
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    if kind == EngineKind::Async {
        wasmtime_wasi::p3::add_to_linker(linker)?;
        #[cfg(feature = "http")]
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
    }
    link_calls(linker, kind)?;
    // Last, for these take the place of what is there.
    link_outbound(linker, kind)?;
    link_errors(linker)?;
    #[cfg(feature = "http")]
    link_inbound(linker)?;
    link_filesystem(linker, kind)
}

/// Whether an imported interface, such as `wasi:cli/stdout@0.2.6`, is linked for components of this kind.
pub(crate) fn provides(import: &str, kind: EngineKind) -> bool {
    let Some((path, version)) = import.rsplit_once('@') else { return false };
    let Some((package, interface)) = path.split_once('/') else { return false };
    let among = |table: &[(&str, &[&str])]| {
        table.iter().any(|(name, interfaces)| *name == package && interfaces.contains(&interface))
    };
    // Within 0.1, 0.2 and 0.3 versions only add, and wasmtime matches any of them.
    // A draft is matched by nothing but itself.
    if version.contains('-') {
        return false;
    }
    match version.split('.').take(2).collect::<Vec<_>>()[..] {
        ["0", "2"] => among(WASI_0_2),
        ["0", "3"] => kind == EngineKind::Async && among(WASI_0_3),
        ["0", "1"] => among(HOST_0_1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_linked_is_not_provided() {
        assert!(!provides("wasi:keyvalue/store@0.2.0", EngineKind::Sync));
        assert!(!provides("wasi:cli/stdout@0.3.0", EngineKind::Sync));
        assert!(!provides("wasi:cli/stdout", EngineKind::Async));
        assert!(provides("wasi:cli/stdout@0.2.99", EngineKind::Sync));
        assert!(provides("wasmhost:host/calls@0.1.0", EngineKind::Sync));
        assert!(!provides("wasmhost:host/calls@0.2.0", EngineKind::Sync));
    }
}
