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
//! Once the numbers are known, functions are appended to the snapshot that give a fresh guest all of them, up to
//! [`MAX_TOGETHER`] in a call:
//!
//! ```text
//!  give-all: func(handle1: own<T1>, handle2: own<T2>, ...) -> bool     whether their numbers are 1, 2, ...
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

/// The most handles that one function gives: what the canonical ABI passes without a memory.
pub(crate) const MAX_TOGETHER: usize = 16;

/// The name of the function that gives the handles with these numbers, counted in steps of [`MAX_TOGETHER`].
pub(crate) fn give_all(step: usize) -> String {
    format!("wasmhost-give-all-{step}")
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
    let (places, resources) = imported_resources(component, types)?.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    let mut bytes = component.to_vec();
    if !resources.is_empty() {
        append_functions(&mut bytes, types, &resources, &places);
    }
    Ok(Accessible { bytes, resources, may_have_own: may_have_own(component) })
}

/// Appends functions that give a fresh guest handles of these types, which are numbers among the imported resource types, with
/// the numbers 1, 2, and so on.
///
/// # Errors
///
/// What the validator says of a component that is none, and that a type is not imported.
pub(crate) fn append_give_all(mut component: Vec<u8>, handles: &[usize]) -> Result<Vec<u8>, String> {
    if handles.is_empty() {
        return Ok(component);
    }
    let types = Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .map_err(|error| error.to_string())?;
    let types = types.as_ref();
    let imported = imported_resources(&component, types)?;
    let steps: Vec<_> = handles.chunks(MAX_TOGETHER).collect();

    let (mut modules, mut instances) = (Vec::new(), InstanceSection::new());
    for (step, handles) in (0..).zip(&steps) {
        ModuleSection(&numbers_in_order(step, handles.len())).append_to_component(&mut modules);
        instances.instantiate(types.module_count() + step, std::iter::empty::<(&str, ModuleArg)>());
    }
    let mut aliases = ComponentAliasSection::new();
    for step in 0..count(&steps) {
        let instance = types.core_instance_count() + step;
        aliases.alias(Alias::CoreInstanceExport { instance, kind: ExportKind::Func, name: ONLY });
    }
    // The aliases are the first new types; after them each step has those of its handles, and its own.
    let (mut declared, mut functions, mut exports) =
        (ComponentTypeSection::new(), CanonicalFunctionSection::new(), ComponentExportSection::new());
    let mut own = types.component_type_count() + count(handles);
    let mut alias = types.component_type_count();
    for (step, handles) in (0..).zip(&steps) {
        let mut parameters = Vec::new();
        for (place, resource) in handles.iter().enumerate() {
            let (instance, resource) = imported.get(*resource).ok_or("a handle is of no imported type")?;
            aliases.alias(Alias::InstanceExport {
                instance: *instance,
                kind: ComponentExportKind::Type,
                name: &resource.name,
            });
            declared.defined_type().own(alias);
            parameters.push((format!("handle{place}"), ComponentValType::Type(own)));
            alias += 1;
            own += 1;
        }
        let parameters = parameters.iter().map(|(name, ty)| (name.as_str(), *ty));
        declared.function().params(parameters).result(Some(ComponentValType::Primitive(PrimitiveValType::Bool)));
        functions.lift(types.function_count() + step, own, []);
        own += 1;
        // Each export is a function of its own too.
        let function = types.component_function_count() + step;
        exports.export(give_all(step as usize), ComponentExportKind::Func, function, None);
    }
    component.extend(modules);
    instances.append_to_component(&mut component);
    aliases.append_to_component(&mut component);
    declared.append_to_component(&mut component);
    functions.append_to_component(&mut component);
    exports.append_to_component(&mut component);
    Ok(component)
}

/// The resource types that a component imports, each with the instance that it is of.
fn imported_resources(component: &[u8], types: TypesRef<'_>) -> Result<Vec<(u32, ImportedResource)>, String> {
    let (mut resources, mut found) = (Vec::new(), HashSet::new());
    for (instance, interface) in imported_instances(component)? {
        for name in resources_of(types, instance, &mut found) {
            resources.push((instance, ImportedResource { interface: interface.clone(), name }));
        }
    }
    Ok(resources)
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
        name: ONLY,
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

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// What the only function of a module is called.
const ONLY: &str = "f";

/// A module with a function that returns its argument.
fn identity() -> Module {
    let mut body = Function::new([]);
    body.instructions().local_get(0).end();
    module_of(1, &body)
}

/// A module with a function that tells whether its arguments are the numbers of this step, in their order.
fn numbers_in_order(step: u32, count: usize) -> Module {
    let mut body = Function::new([]);
    let mut instructions = body.instructions();
    instructions.i32_const(1);
    for (argument, number) in (0..).zip((1 + step as usize * MAX_TOGETHER..).take(count)) {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        instructions.local_get(argument).i32_const(number).i32_eq().i32_and();
    }
    instructions.end();
    module_of(count, &body)
}

/// A module with one function, from so many numbers to one.
fn module_of(parameters: usize, body: &Function) -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function(std::iter::repeat_n(ValType::I32, parameters), [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export(ONLY, ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(body);
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
    fn handles_are_given_in_steps_of_sixteen() {
        let component = importing(&[("a:b/c", &["r", "s"]), ("a:b/d", &["t"])]);
        let with_accessors = append(&component).unwrap().bytes;
        let handles: Vec<_> = (0..3).cycle().take(35).collect();
        let given = append_give_all(with_accessors.clone(), &handles).unwrap();
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(&given).unwrap();
        let lengths = (0..4).map(|step| match types.as_ref().component_item_for_export(&give_all(step))?.ty {
            ComponentEntityType::Func(function) => Some(types.as_ref()[function].params.len()),
            _ => None,
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [Some(16), Some(16), Some(3), None]);
        assert_eq!(append_give_all(with_accessors.clone(), &[]).unwrap(), with_accessors);
        append_give_all(with_accessors, &[3]).unwrap_err();
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
