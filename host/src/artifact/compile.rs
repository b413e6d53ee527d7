//! Compiling a component, and telling which engine it needs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmparser::Payload;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::EngineKind;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::of_panic;

/// Compiles a component. Blocks for seconds when it is large.
///
/// # Errors
///
/// `bad-request` when the bytes are no component of what the engines allow. A compiler that panics over somebody's bytes is a
/// refusal of these bytes, not the end of the host.
pub(crate) fn compile(engine: &Engine, bytes: &[u8], name: &str) -> Result<Component> {
    // Nothing that a panic could leave half done outlives the closure: the engine's own tables are behind its locks.
    let compiled = catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes)));
    let reason = match compiled {
        Ok(Ok(component)) => return Ok(component),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => of_panic("the compiler failed on it", &*panic),
    };
    // What a pool has no room for is told with its number by the engine, and by nobody with the setting.
    let setting = if reason.contains("in the pooling allocator") { "; the setting is `max-parts`" } else { "" };
    let message = format!("`{name}` is no component this host can run: {reason}{setting}");
    Err(Error::new(ErrorKind::BadRequest, message))
}

/// Whether any part of a component needs the engine with concurrency: the validator knows every construct that does.
pub(super) fn engine_kind(bytes: &[u8]) -> EngineKind {
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
