//! What a component offers: its interfaces with their functions, entrypoint, web handler and imports.
//!
//! Everything is read from the component's own type, once, and kept as plain data beside the component from then on. Which
//! function is a hook and which a method depends on settings too and is decided in [`hooks`]. This module runs no guest.

pub(crate) mod accessor;
pub(crate) mod encode;
pub(crate) mod hollow;
pub(crate) mod hooks;
pub(crate) mod section;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem};

use crate::engine::EngineKind;
use crate::linker;
use crate::values::{NotCallable, Shape};

/// Packages whose exported interfaces are never classes.
const RESERVED: [&str; 3] = ["wasi:", "wasmhost:", "wasmtime:"];

/// What a component offers and needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// Interfaces that are classes, in the order of the exports; the root's functions last.
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) entrypoint: Option<Entrypoint>,
    pub(crate) handler: Option<Handler>,
    pub(crate) imports: Vec<Import>,
}

/// One exported interface, or the functions at the root together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// The name under which it is exported, `ns:pkg/name@1.0.0` or a plain name; `None` for the root.
    pub(crate) export: Option<String>,
    pub(crate) functions: Vec<Function>,
    pub(crate) uncallable: Vec<Uncallable>,
}

/// One exported function with a type this host can pass values of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, Shape)>,
    pub(crate) result: Shape,
    pub(crate) is_async: bool,
}

/// An exported function that cannot be called from outside, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Uncallable {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// How `wasmhost run` starts a component without naming a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Entrypoint {
    /// A root export `main`, with typed arguments.
    Main(Function),
    /// `wasi:cli/run`: arguments are handed over raw.
    Command { export: String },
    /// A root export `main` that cannot be called, and why.
    Unusable(Uncallable),
}

/// The interface of `wasi:http` that a component answers requests with, as exported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handler {
    pub(crate) export: String,
}

impl Handler {
    /// Whether it is of WASI 0.3, where several requests may be under way in one instance.
    pub(crate) fn is_p3(&self) -> bool {
        is_p3_handler(&self.export)
    }
}

/// Whether a handler with this name is of WASI 0.3.
pub(crate) fn is_p3_handler(export: &str) -> bool {
    is_interface(export, "wasi:http/handler")
}

/// Something a component needs from its host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) provided: bool,
}

impl Offer {
    /// Reads the type of a component.
    pub(crate) fn read(component: &Component, engine: &Engine, kind: EngineKind) -> Self {
        let ty = component.component_type();
        let imports = ty
            .imports(engine)
            .filter(|(_, import)| {
                matches!(import.ty, ComponentItem::ComponentInstance(_) | ComponentItem::ComponentFunc(_))
            })
            .map(|(name, _)| Import { name: name.to_owned(), provided: linker::provides(name, kind) })
            .collect();
        let mut offer = Self { interfaces: Vec::new(), entrypoint: None, handler: None, imports };
        let mut root = Interface { export: None, functions: Vec::new(), uncallable: Vec::new() };
        for (name, export) in ty.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) if accessor::is_accessor(name) => {}
                ComponentItem::ComponentFunc(func) => {
                    let function = Function::read(name, &func);
                    if name == "main" {
                        offer.entrypoint = Some(match function {
                            Ok(function) => Entrypoint::Main(function),
                            Err(uncallable) => Entrypoint::Unusable(uncallable),
                        });
                    } else {
                        root.add(function);
                    }
                }
                ComponentItem::ComponentInstance(instance) => {
                    if is_interface(name, "wasi:cli/run") {
                        if offer.entrypoint.is_none() && instance.get_export(engine, "run").is_some() {
                            offer.entrypoint = Some(Entrypoint::Command { export: name.to_owned() });
                        }
                    } else if is_interface(name, "wasi:http/incoming-handler")
                        || is_interface(name, "wasi:http/handler")
                    {
                        offer.handler = Some(Handler { export: name.to_owned() });
                    } else if !RESERVED.iter().any(|package| name.starts_with(package)) {
                        let mut interface =
                            Interface { export: Some(name.to_owned()), functions: Vec::new(), uncallable: Vec::new() };
                        for (function, item) in instance.exports(engine) {
                            if let ComponentItem::ComponentFunc(func) = item.ty {
                                interface.add(Function::read(function, &func));
                            }
                        }
                        if !interface.is_empty() && !interface.is_of_componentize_py() {
                            offer.interfaces.push(interface);
                        }
                    }
                }
                _ => {}
            }
        }
        if !root.is_empty() {
            offer.interfaces.push(root);
        }
        offer
    }

    /// Imports this host does not have; with any of them the component cannot be instantiated.
    pub(crate) fn missing_imports(&self) -> Vec<&str> {
        self.imports.iter().filter(|import| !import.provided).map(|import| import.name.as_str()).collect()
    }
}

impl Interface {
    fn add(&mut self, function: Result<Function, Uncallable>) {
        match function {
            Ok(function) => self.functions.push(function),
            Err(uncallable) => self.uncallable.push(uncallable),
        }
    }

    fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.uncallable.is_empty()
    }

    /// componentize-py leaves the function by which it initialized the interpreter exported beside the guest's own
    /// interfaces; calling it again would break the instance.
    fn is_of_componentize_py(&self) -> bool {
        let names = |function: &Function| function.parameters.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        self.export.as_deref() == Some("exports")
            && self.uncallable.is_empty()
            && matches!(&self.functions[..], [init] if init.name == "init" && names(init) == ["app-name", "symbols", "stub-wasi"])
    }

    /// The class's name when nothing else is said: the interface's own, in lower case; `None` for the root.
    pub(crate) fn short_name(&self) -> Option<String> {
        self.export.as_deref().map(|export| {
            let path = export.split_once('@').map_or(export, |(path, _)| path);
            path.rsplit_once('/').map_or(path, |(_, name)| name).to_ascii_lowercase()
        })
    }
}

impl Function {
    fn read(name: &str, func: &ComponentFunc) -> Result<Self, Uncallable> {
        let uncallable = |reason: String| Uncallable { name: name.to_owned(), reason };
        if let Some(resource) = resource_of(name) {
            return Err(uncallable(format!(
                "it belongs to the resource `{resource}`, which lives only inside the component"
            )));
        }
        let mut parameters = Vec::with_capacity(func.params().len());
        for (parameter, ty) in func.params() {
            let shape = Shape::new(&ty)
                .map_err(|NotCallable(reason)| uncallable(format!("argument `{parameter}` {reason}")))?;
            parameters.push((parameter.to_owned(), shape));
        }
        let result = func.results().next();
        let result = Shape::of_result(result.as_ref())
            .map_err(|NotCallable(reason)| uncallable(format!("its result {reason}")))?;
        Ok(Self { name: name.to_owned(), parameters, result, is_async: func.async_() })
    }

    /// What a call gives back: the result, or the ok side of a `result`.
    pub(crate) fn ok_shape(&self) -> &Shape {
        if let Shape::Result(ok, _) = &self.result { ok } else { &self.result }
    }

    /// The function as WIT writes it: `greet: func(name: string) -> string`.
    pub(crate) fn signature(&self) -> String {
        use crate::values::describe::wit;
        let parameters: Vec<_> =
            self.parameters.iter().map(|(name, shape)| format!("{name}: {}", wit(shape))).collect();
        let result = if self.result == Shape::Unit { String::new() } else { format!(" -> {}", wit(&self.result)) };
        let keyword = if self.is_async { "async func" } else { "func" };
        format!("{}: {keyword}({}){result}", self.name, parameters.join(", "))
    }
}

/// The resource that a function such as `[method]cart.add` belongs to.
fn resource_of(function: &str) -> Option<&str> {
    let (_, rest) = function.strip_prefix('[')?.split_once(']')?;
    Some(rest.split_once('.').map_or(rest, |(resource, _)| resource))
}

/// Whether an export is some version of an interface.
fn is_interface(export: &str, interface: &str) -> bool {
    export.strip_prefix(interface).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_named_after_its_interface() {
        let named = |export: &str| {
            Interface { export: Some(export.to_owned()), functions: Vec::new(), uncallable: Vec::new() }
                .short_name()
                .unwrap()
        };
        assert_eq!(named("example:shop/cart@1.2.0"), "cart");
        assert_eq!(named("greeter"), "greeter");
    }

    #[test]
    fn functions_of_resources_are_told_by_their_names() {
        assert_eq!(resource_of("[constructor]cart"), Some("cart"));
        assert_eq!(resource_of("[method]cart.add"), Some("cart"));
        assert_eq!(resource_of("add"), None);
    }
}
