//! From the bytes of a component to code that runs: compile once, keep the result on disk, check it before it is mapped.
//!
//! ```text
//! bytes ─ digest ─▶ key ─▶ record? ─ no ──▶ compile ─▶ write file, write record
//!                            │ yes
//!                            ▼
//!                  open ─ hash through that descriptor ─ same? ─ no ─▶ quarantine, compile
//!                                                          │ yes
//!                                                          ▼
//!                                                    map what was hashed
//! ```
//! A compiled component is executable code: whoever can write it owns the process. So each file has a record with a digest
//! keyed by a secret of this cache, and what is mapped is the very descriptor that was hashed. This module must not know
//! classes or settings.

mod record;
mod store;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use wasmparser::Payload;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{EngineKind, Engines};
use crate::error::{Error, ErrorKind, Result};

pub(crate) use record::Digest;
pub(crate) use store::{CompileCache, keyed_digest, make_private_dir, sync_dir};

/// A component ready to be instantiated, and where its code came from.
pub(crate) struct Artifact {
    pub(crate) component: Component,
    pub(crate) kind: EngineKind,
    pub(crate) digest: Digest,
    pub(crate) origin: CodeOrigin,
}

/// Where a component's compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeOrigin {
    /// It was compiled now, in this time.
    Compiled(Duration),
    /// It was on disk.
    Cached,
}

/// Compiles a component for the engine it needs, or finds it compiled.
///
/// Blocks for seconds when a large component has to be compiled: call it off the runtime's workers.
///
/// # Errors
///
/// `bad-request` when the bytes are no valid component of what the engines allow. Failures of the cache are logged and
/// only cost time.
pub(crate) fn prepare(bytes: &[u8], name: &Path, engines: &Engines, cache: Option<&CompileCache>) -> Result<Artifact> {
    prepare_known(Digest::of(bytes), engine_kind(bytes), || Ok(bytes), name, engines, cache)
}

/// Like [`prepare`], of a component whose digest is known: its bytes are asked for only when it has to be compiled.
///
/// # Errors
///
/// As [`prepare`], and what the bytes could not be had for.
pub(crate) fn prepare_known<B: AsRef<[u8]>>(
    digest: Digest,
    kind: EngineKind,
    bytes: impl FnOnce() -> Result<B>,
    name: &Path,
    engines: &Engines,
    cache: Option<&CompileCache>,
) -> Result<Artifact> {
    let engine = engines.get(kind)?;
    if let Some(component) = cache.and_then(|cache| cache.load(&digest, kind, engine)) {
        return Ok(Artifact { component, kind, digest, origin: CodeOrigin::Cached });
    }
    let started = Instant::now();
    let component = compile(engine, bytes()?.as_ref()).map_err(|reason| {
        // What a pool has no room for is told with its number by the engine, and by nobody with the setting.
        let setting = if reason.contains("in the pooling allocator") { "; the setting is `max-parts`" } else { "" };
        let message = format!("`{}` is no component this host can run: {reason}{setting}", name.display());
        Error::new(ErrorKind::BadRequest, message)
    })?;
    let took = started.elapsed();
    if let Some(cache) = cache {
        cache.save(&digest, kind, engine, &component);
    }
    Ok(Artifact { component, kind, digest, origin: CodeOrigin::Compiled(took) })
}

/// Compiles a component. A compiler that panics over somebody's bytes is a refusal of these bytes, not the end of the host.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
    // Nothing that a panic could leave half done outlives the closure: the engine's own tables are behind its locks.
    let compiled = std::panic::catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes)));
    match compiled {
        Ok(compiled) => compiled.map_err(|error| format!("{error:#}")),
        Err(_) => Err("the compiler failed on it".to_owned()),
    }
}

/// Whether any part of a component needs the engine with concurrency: the validator knows every construct that does.
fn engine_kind(bytes: &[u8]) -> EngineKind {
    let mut features = wasmparser::WasmFeatures::default();
    features.insert(wasmparser::WasmFeatures::CM_MAP);
    features.remove(wasmparser::WasmFeatures::CM_ASYNC);
    if types_are_valid(bytes, features) && !names_wasi_0_3(bytes) { EngineKind::Sync } else { EngineKind::Async }
}

/// Whether the component imports or exports an interface of WASI 0.3: these are linked on the engine with concurrency alone,
/// also those without a single async function.
fn names_wasi_0_3(bytes: &[u8]) -> bool {
    let is_0_3 = |name: &str| name.starts_with("wasi:") && name.contains("@0.3.");
    wasmparser::Parser::new(0).parse_all(bytes).any(|payload| match payload {
        Ok(Payload::ComponentImportSection(imports)) => {
            imports.into_iter().flatten().any(|import| is_0_3(import.name.name))
        }
        Ok(Payload::ComponentExportSection(exports)) => {
            exports.into_iter().flatten().any(|export| is_0_3(export.name.name))
        }
        _ => false,
    })
}

/// Validates everything but function bodies, which say nothing about concurrency and are most of the bytes.
fn types_are_valid(bytes: &[u8], features: wasmparser::WasmFeatures) -> bool {
    let mut validator = wasmparser::Validator::new_with_features(features);
    wasmparser::Parser::new(0)
        .parse_all(bytes)
        .all(|payload| payload.is_ok_and(|payload| validator.payload(&payload).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{ComponentBuilder, ComponentTypeRef, InstanceType};

    fn importing(name: &str) -> Vec<u8> {
        let mut component = ComponentBuilder::default();
        let ty = component.type_instance(None, &InstanceType::new());
        component.import(name, ComponentTypeRef::Instance(ty));
        component.finish()
    }

    #[test]
    fn a_component_of_wasi_0_3_runs_with_concurrency_even_without_async_functions() {
        assert_eq!(engine_kind(&importing("wasi:random/insecure-seed@0.3.0")), EngineKind::Async);
        assert_eq!(engine_kind(&importing("wasi:random/insecure-seed@0.2.6")), EngineKind::Sync);
        assert_eq!(engine_kind(b"not wasm"), EngineKind::Async, "whose compiler says what is wrong");
    }
}
