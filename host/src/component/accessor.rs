//! Ways into a guest's table of handles, appended to its component.
//!
//! A guest keeps the *numbers* of its handles in its memory, which a snapshot holds; the handles themselves are the engine's.
//! So for each resource type that a component imports, two functions come with it: `give` takes a handle and says which number
//! it has got, `take` gives the handle of a number back.
//!
//! ```text
//!  give: func(handle: own<T>) -> u32     both are one core function that returns its argument:
//!  take: func(number: u32) -> own<T>     what it is given, and what becomes of it, is in the types alone
//! ```
//! Pure: bytes to bytes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CodeSection, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentSection, ComponentTypeSection, ComponentValType, ExportKind, ExportSection, Function, FunctionSection,
    InstanceSection, Module, ModuleArg, ModuleSection, PrimitiveValType, TypeSection, ValType,
};
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::TypesRef;
use wasmparser::{CanonicalFunction, ComponentExternalKind, Parser, Payload, Validator, WasmFeatures};

/// A resource type that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ImportedResource {
    /// The interface, as the component imports it: `wasi:io/streams@0.2.6`.
    pub(crate) interface: String,
    /// The type's name in it: `output-stream`.
    pub(crate) name: String,
}

/// A component with the functions.
pub(crate) struct Accessible {
    pub(crate) bytes: Vec<u8>,
    /// The types, in the order of the functions' numbers.
    pub(crate) resources: Vec<ImportedResource>,
    /// Whether the component may have handles of its own beside those: of resources that it makes, or for asynchronous calls.
    pub(crate) may_have_own: bool,
}

/// The name of the function that puts a handle of the type with this number into the guest's table.
pub(crate) fn give(resource: usize) -> String {
    format!("wasmhost-give-{resource}")
}

/// The name of the function that takes one out.
pub(crate) fn take(resource: usize) -> String {
    format!("wasmhost-take-{resource}")
}

/// Whether an export is one of these functions.
pub(crate) fn is_accessor(name: &str) -> bool {
    name.starts_with("wasmhost-give-") || name.starts_with("wasmhost-take-")
}

/// Appends the functions to a component.
///
/// # Errors
///
/// What the validator says of a component that is none.
pub(crate) fn append(component: &[u8]) -> Result<Accessible, String> {
    let types =
        Validator::new_with_features(WasmFeatures::all()).validate_all(component).map_err(|error| error.to_string())?;
    let types = types.as_ref();
    let (mut resources, mut found) = (Vec::new(), HashSet::new());
    let mut places = Vec::new();
    for (instance, interface) in imported_instances(component)? {
        for name in resources_of(types, instance, &mut found) {
            places.push(instance);
            resources.push(ImportedResource { interface: interface.clone(), name });
        }
    }
    let mut bytes = component.to_vec();
    if !resources.is_empty() {
        append_functions(&mut bytes, types, &resources, &places);
    }
    Ok(Accessible { bytes, resources, may_have_own: may_have_own(component) })
}

/// Whether any part of the component makes handles that no import gave it.
fn may_have_own(component: &[u8]) -> bool {
    Parser::new(0).parse_all(component).any(|payload| match payload {
        Ok(Payload::ComponentCanonicalSection(functions)) => functions.into_iter().flatten().any(|function| {
            let of_the_host = matches!(
                function,
                CanonicalFunction::Lift { .. }
                    | CanonicalFunction::Lower { .. }
                    | CanonicalFunction::ResourceDrop { .. }
                    | CanonicalFunction::ResourceRep { .. }
            );
            !of_the_host
        }),
        Err(_) => true,
        Ok(_) => false,
    })
}

/// The imported instances, by their place among all instances.
fn imported_instances(component: &[u8]) -> Result<Vec<(u32, String)>, String> {
    let (mut instances, mut count, mut depth) = (Vec::new(), 0, 0);
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| error.to_string())?;
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ if depth > 1 => {}
            Payload::ComponentImportSection(imports) => {
                for import in imports.into_iter().flatten() {
                    if import.ty.kind() == ComponentExternalKind::Instance {
                        instances.push((count, import.name.name.to_owned()));
                        count += 1;
                    }
                }
            }
            Payload::ComponentInstanceSection(made) => count += made.count(),
            Payload::ComponentAliasSection(aliases) => {
                let of_instances = aliases.into_iter().flatten().filter(|alias| {
                    matches!(
                        alias,
                        wasmparser::ComponentAlias::InstanceExport { kind: ComponentExternalKind::Instance, .. }
                    )
                });
                count += u32::try_from(of_instances.count()).unwrap_or(u32::MAX);
            }
            Payload::ComponentExportSection(exports) => {
                let of_instances =
                    exports.into_iter().flatten().filter(|export| export.kind == ComponentExternalKind::Instance);
                count += u32::try_from(of_instances.count()).unwrap_or(u32::MAX);
            }
            _ => {}
        }
    }
    Ok(instances)
}

/// The names of an instance's resource types that no instance before it had.
fn resources_of(
    types: TypesRef<'_>,
    instance: u32,
    found: &mut HashSet<wasmparser::component_types::ResourceId>,
) -> Vec<String> {
    let exports = &types[types.component_instance_at(instance)].exports;
    let new = exports.iter().filter_map(|(name, item)| match item.ty {
        ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(resource), .. } => {
            found.insert(resource.resource()).then(|| name.clone())
        }
        _ => None,
    });
    new.collect()
}

fn append_functions(bytes: &mut Vec<u8>, types: TypesRef<'_>, resources: &[ImportedResource], places: &[u32]) {
    let mut modules = Vec::new();
    let identity = identity();
    ModuleSection(&identity).append_to_component(&mut modules);
    bytes.extend(modules);

    let mut instances = InstanceSection::new();
    instances.instantiate(types.module_count(), std::iter::empty::<(&str, ModuleArg)>());
    instances.append_to_component(bytes);

    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::CoreInstanceExport {
        instance: types.core_instance_count(),
        kind: ExportKind::Func,
        name: IDENTITY,
    });
    for (resource, instance) in resources.iter().zip(places) {
        let (instance, name) = (*instance, resource.name.as_str());
        aliases.alias(Alias::InstanceExport { instance, kind: ComponentExportKind::Type, name });
    }
    aliases.append_to_component(bytes);

    // The aliases are the first new types; three more follow for each of them.
    let first_alias = types.component_type_count();
    let first_type = first_alias + count(resources);
    let (mut declared, mut functions, mut exports) =
        (ComponentTypeSection::new(), CanonicalFunctionSection::new(), ComponentExportSection::new());
    let (core, first_function) = (types.function_count(), types.component_function_count());
    let number = ComponentValType::Primitive(PrimitiveValType::U32);
    for (at, resource) in (0..).zip(0..resources.len()) {
        let own = first_type + 3 * at;
        let handle = ComponentValType::Type(own);
        declared.defined_type().own(first_alias + at);
        declared.function().params([("handle", handle)]).result(Some(number));
        declared.function().params([("number", number)]).result(Some(handle));
        for (place, name) in [give(resource), take(resource)].into_iter().enumerate() {
            let place = u32::from(place == 1);
            functions.lift(core, own + 1 + place, []);
            // Each export is a function of its own too.
            exports.export(&name, ComponentExportKind::Func, first_function + 2 * at + place, None);
        }
    }
    declared.append_to_component(bytes);
    functions.append_to_component(bytes);
    exports.append_to_component(bytes);
}

fn count(resources: &[ImportedResource]) -> u32 {
    u32::try_from(resources.len()).unwrap_or(u32::MAX)
}

const IDENTITY: &str = "identity";

/// A module with a function that returns its argument.
fn identity() -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export(IDENTITY, ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().local_get(0).end();
    code.function(&body);
    module.section(&types).section(&functions).section(&exports).section(&code);
    module
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{ComponentBuilder, ComponentTypeRef, InstanceType, TypeBounds};

    fn importing(resources: &[(&str, &[&str])]) -> Vec<u8> {
        let mut component = ComponentBuilder::default();
        for (interface, names) in resources {
            let mut instance = InstanceType::new();
            for name in *names {
                instance.export(*name, ComponentTypeRef::Type(TypeBounds::SubResource));
            }
            let ty = component.type_instance(None, &instance);
            component.import(*interface, ComponentTypeRef::Instance(ty));
        }
        component.finish()
    }

    #[test]
    fn each_imported_resource_type_gets_two_functions() {
        let component = importing(&[
            ("wasi:io/streams@0.2.6", &["input-stream", "output-stream"]),
            ("a:b/c", &[]),
            ("a:b/d", &["r"]),
        ]);
        let accessible = append(&component).unwrap();
        let names: Vec<_> = accessible.resources.iter().map(|resource| resource.name.as_str()).collect();
        assert_eq!(names, ["input-stream", "output-stream", "r"]);
        assert_eq!(accessible.resources[2].interface, "a:b/d");
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(&accessible.bytes).unwrap();
        for number in 0..3 {
            for name in [give(number), take(number)] {
                assert!(types.as_ref().component_item_for_export(&name).is_some() && is_accessor(&name), "{name}");
            }
        }
        assert!(types.as_ref().component_item_for_export(&give(3)).is_none());
    }

    #[test]
    fn a_component_without_resources_stays_as_it_is() {
        let component = importing(&[("a:b/c", &[])]);
        let accessible = append(&component).unwrap();
        assert!(accessible.resources.is_empty());
        assert_eq!(accessible.bytes, component);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        append(b"\0asm").map(|_| ()).unwrap_err();
        append(b"nothing").map(|_| ()).unwrap_err();
    }
}
