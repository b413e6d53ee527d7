//! What `inspect` tells of an app: plain data, ready to be printed or serialized.

mod snapshot;

use serde::{Deserialize, Serialize};

use super::Host;
use super::app::App;
use super::class::{Argument, Class};
use super::code::ComponentCode;
use crate::component::{Entrypoint, Function, Offer};
use crate::manifest::{ComponentEntry, Setting, SnapshotMode};
use crate::values::{Shape, describe};

pub use snapshot::{CapturedReport, SnapshotReport, TimingsReport};

/// What an app offers and needs. Serializes with snake_case keys; within a minor version keys are only added.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The app's name.
    pub app: String,
    /// Its components, in the order of the manifest.
    pub components: Vec<ComponentReport>,
    /// Its classes, in the order of the components' exports.
    pub classes: Vec<ClassReport>,
    /// What `wasmhost run` starts when no method is named.
    pub entrypoints: Vec<EntrypointReport>,
}

/// One component file.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentReport {
    /// Its name in the manifest.
    pub name: String,
    /// The file.
    pub source: String,
    /// The command that makes the file, if the manifest has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The size of the file in bytes.
    pub size_bytes: u64,
    /// The BLAKE3 digest of the component.
    pub digest: String,
    /// The engine it runs on: `sync`, or `async` if anything in it is asynchronous.
    pub engine: &'static str,
    /// The size of its code as it came, compiled for this host's engine, in bytes; null if it is not compiled.
    pub code_bytes: Option<u64>,
    /// What it imports.
    pub imports: Vec<ImportReport>,
}

/// An imported interface or function.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// Its name, with its version.
    pub name: String,
    /// Whether this host has it.
    pub provided: bool,
}

/// One class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub name: String,
    /// Its component.
    pub component: String,
    /// The interface it is; null for the functions at the component's root.
    pub interface: Option<String>,
    /// What it is for, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// Why no instance of it can be started here; null if one can.
    pub problem: Option<String>,
    /// The hooks that were found, in the order in which they run.
    pub hooks: Vec<FunctionReport>,
    /// Methods that have a hook's name but not its type.
    pub near_misses: Vec<NearMissReport>,
    /// The parameters: the arguments of `enter`.
    pub parameters: Vec<ArgumentReport>,
    /// The methods that can be called.
    pub methods: Vec<FunctionReport>,
    /// The functions that cannot be called, with the reason.
    pub uncallable: Vec<UncallableReport>,
    /// The interface it answers web requests with, such as `wasi:http/incoming-handler@0.2.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// What came of its component's `build` hooks; none if it has no such hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// Every setting with its value and where it comes from: `default`, `section` (in the component) or `file`.
    pub settings: Vec<Setting>,
    /// Things worth knowing about how this class will run.
    pub notes: Vec<String>,
}

/// A hook or a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FunctionReport {
    /// Its name; for a hook the hook's.
    pub name: String,
    /// The function as WIT writes it.
    pub signature: String,
    /// Whether it is an `async func`.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// What it does, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// Its arguments.
    pub arguments: Vec<ArgumentReport>,
    /// The requests it answers once served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// The type of what a call gives back, as WIT; none if it gives back nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives: Option<String>,
}

/// A parameter or an argument; see [`Argument`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the same fields, owned, are described at `Argument`")]
pub struct ArgumentReport {
    pub name: String,
    pub r#type: String,
    pub needs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// A method with the name of a hook.
#[derive(Clone, Debug, Serialize)]
pub struct NearMissReport {
    /// The method.
    pub name: String,
    /// The hook it would have been.
    pub hook: &'static str,
    /// What about its type does not fit.
    pub reason: String,
}

/// A function that cannot be called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UncallableReport {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// Code that runs in this process when no method is named.
#[derive(Clone, Debug, Serialize)]
pub struct EntrypointReport {
    /// Its component.
    pub component: String,
    /// `main` with typed arguments, or `command` with raw ones.
    pub kind: &'static str,
    /// The function as WIT writes it.
    pub signature: String,
    /// What `main` does, in Markdown.
    pub docs: Option<String>,
    /// The arguments of `main`.
    pub arguments: Vec<ArgumentReport>,
    /// Why it cannot be run; null if it can.
    pub problem: Option<String>,
}

impl Inspection {
    pub(super) fn of(app: &App) -> Self {
        Self {
            app: app.name().to_owned(),
            components: app.inner.components.clone(),
            classes: app.classes().map(ClassReport::of).collect(),
            entrypoints: app.entrypoints().map(EntrypointReport::of).collect(),
        }
    }
}

impl ComponentReport {
    pub(super) fn new(
        host: &Host,
        entry: &ComponentEntry,
        code: &ComponentCode,
        offer: &Offer,
        size_bytes: u64,
    ) -> Self {
        let imports = offer.imports.iter();
        let engine = host.inner.linkers.engines().get(code.kind).ok();
        Self {
            name: entry.name.clone(),
            source: entry.source.display().to_string(),
            build: entry.build.clone(),
            size_bytes,
            digest: code.digest.to_string(),
            engine: code.kind.as_str(),
            code_bytes: engine.and_then(|engine| host.inner.store.has_code(&code.digest, code.kind, engine).ok()?),
            imports: imports
                .map(|import| ImportReport { name: import.name.clone(), provided: import.provided })
                .collect(),
        }
    }
}

impl ClassReport {
    pub(crate) fn of(class: &Class) -> Self {
        let inner = &class.inner;
        let hooks = [
            ("build", &inner.hooks.build),
            ("enter", &inner.hooks.enter),
            ("restore", &inner.hooks.restore),
            ("exit", &inner.hooks.exit),
        ];
        let hooks =
            hooks.into_iter().filter_map(|(name, hook)| hook.as_ref().map(|hook| FunctionReport::hook(name, hook)));
        let near_misses = class.near_misses().iter();
        let uncallable = inner.uncallable.iter();
        Self {
            name: inner.name.clone(),
            component: inner.component.clone(),
            interface: inner.export.clone(),
            docs: inner.settings.docs.clone(),
            problem: inner.plan.wasi.as_ref().err().map(ToString::to_string),
            snapshot: SnapshotReport::of(class),
            hooks: hooks.collect(),
            near_misses: near_misses
                .map(|miss| NearMissReport { name: miss.name.clone(), hook: miss.hook, reason: miss.reason.clone() })
                .collect(),
            parameters: class.parameters().map(ArgumentReport::of).collect(),
            methods: class
                .methods()
                .map(|method| FunctionReport {
                    name: method.name().to_owned(),
                    signature: method.signature(),
                    is_async: method.is_async(),
                    docs: method.docs().map(str::to_owned),
                    arguments: method.arguments().into_iter().map(ArgumentReport::of).collect(),
                    web: method.web(),
                    gives: gives(method.function()),
                })
                .collect(),
            uncallable: uncallable
                .map(|function| UncallableReport { name: function.name.clone(), reason: function.reason.clone() })
                .collect(),
            handler: inner.handler.as_ref().map(|handler| handler.export.clone()),
            settings: inner.settings.iter().cloned().collect(),
            notes: notes(class),
        }
    }
}

/// What about a class works in another way than its settings or its component may suggest.
fn notes(class: &Class) -> Vec<String> {
    let inner = &class.inner;
    let settings = &inner.settings;
    let mut notes = Vec::new();
    if settings.snapshot == SnapshotMode::Enter {
        notes.push("`snapshot = \"enter\"` has no effect in this version: every instance is entered anew".to_owned());
    }
    if inner.handler.is_some() && !inner.hooks.has_hooks() && !settings.reuse {
        notes.push(
            "no hooks and no `reuse = true`: its instances are not kept between requests to its web handler".to_owned(),
        );
    }
    notes
}

impl FunctionReport {
    /// The typed entrypoint.
    #[cfg(feature = "cli")]
    pub(crate) fn main(main: &super::Main) -> Self {
        Self {
            docs: main.docs().map(str::to_owned),
            arguments: main.arguments().into_iter().map(ArgumentReport::of).collect(),
            ..Self::hook("main", main.function())
        }
    }

    fn hook(name: &str, function: &Function) -> Self {
        let arguments = function.parameters.iter().map(|(name, shape)| ArgumentReport {
            name: name.clone(),
            r#type: describe::wit(shape),
            needs: describe::plain(shape),
            default: None,
            required: !shape.is_option(),
            docs: None,
        });
        Self {
            name: name.to_owned(),
            signature: function.signature(),
            is_async: function.is_async,
            docs: None,
            arguments: arguments.collect(),
            web: None,
            gives: gives(function),
        }
    }
}

/// The type of what a call gives back: its result, or the ok side of it.
fn gives(function: &Function) -> Option<String> {
    let shape = function.ok_shape();
    (*shape != Shape::Unit).then(|| describe::wit(shape))
}

impl ArgumentReport {
    fn of(argument: Argument<'_>) -> Self {
        Self {
            name: argument.name.to_owned(),
            r#type: argument.r#type,
            needs: argument.needs,
            default: argument.default,
            required: argument.required,
            docs: argument.docs.map(str::to_owned),
        }
    }
}

impl EntrypointReport {
    fn of(entrypoint: &super::entrypoint::EntrypointInner) -> Self {
        let problem = entrypoint.prepared.plan.wasi.as_ref().err().map(ToString::to_string);
        let component = entrypoint.component.clone();
        match &*entrypoint.entrypoint {
            Entrypoint::Main(function) => Self {
                component,
                kind: "main",
                signature: function.signature(),
                docs: entrypoint.docs().map(str::to_owned),
                arguments: entrypoint.arguments().map(ArgumentReport::of).collect(),
                problem,
            },
            Entrypoint::Command { export, .. } => Self {
                component,
                kind: "command",
                signature: format!("{export}#run"),
                docs: None,
                arguments: Vec::new(),
                problem,
            },
            Entrypoint::Unusable(uncallable) => Self {
                component,
                kind: "main",
                signature: "main".to_owned(),
                docs: None,
                arguments: Vec::new(),
                problem: Some(format!("`main` cannot be called: {}", uncallable.reason)),
            },
        }
    }
}
