//! From a source to an app: read, compile, inspect, settle names and settings, check everything that can be checked
//! before a guest runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::InstancePre;

use super::app::{App, AppInner, unknown};
use super::class::{Class, ClassInner};
use super::entrypoint::EntrypointInner;
use super::inspect::ComponentReport;
use super::source::Source;
use super::world::World;
use super::{Host, HostInner};
use crate::artifact::{self, Artifact};
use crate::component::hooks::{self, Sorted, Wish, Wishes};
use crate::component::{Entrypoint, Handler, Interface, Offer, encode, section};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::{Blueprint, Bounds, Setup};
use crate::manifest::{ClassSection, ClassSettings, ComponentEntry, Manifest, Origin, Section, parse_section};
use crate::state::State;
use crate::values::{Limits, Signature, What};

/// A component after everything that needs no settings.
struct Loaded {
    entry: ComponentEntry,
    artifact: Artifact,
    offer: Offer,
    section: Section,
    pre: Result<InstancePre<State>>,
    size_bytes: usize,
}

/// A class while its app is put together.
struct Draft {
    name: String,
    export: Option<String>,
    settings: ClassSettings,
    sorted: Sorted,
    uncallable: Vec<crate::component::Uncallable>,
}

/// Loads an app as far as it can be looked at: a class that cannot be started is there, and says why when it is used.
pub(super) async fn load(host: Host, source: Source) -> Result<App> {
    // Reading, hashing and compiling hold a thread for as long as seconds.
    let loading = tokio::task::spawn_blocking(move || load_blocking(&host, source));
    loading.await.map_err(|error| Error::internal(format!("loading the app failed: {error}")))?
}

/// The first reason why a class or an entrypoint of the app cannot be started.
pub(super) fn check(app: &App) -> Result<()> {
    let classes = app.classes().map(|class| &class.inner.blueprint);
    for blueprint in classes.chain(app.entrypoints().map(|entrypoint| &entrypoint.blueprint)) {
        blueprint.setup.as_ref().map_err(Error::clone)?;
    }
    Ok(())
}

fn load_blocking(host: &Host, source: Source) -> Result<App> {
    let Source { manifest, mut bytes, .. } = source;
    let mut components = Vec::with_capacity(manifest.components.len());
    for entry in &manifest.components {
        components.push(read_component(&host.inner, entry, bytes.take())?);
    }
    let names = class_names(&manifest, &components)?;
    check_sections_exist(&manifest, &components, &names)?;
    let mut app = AppInner {
        host: host.clone(),
        name: manifest.name.clone(),
        classes: Vec::new(),
        entrypoints: Vec::new(),
        components: Vec::new(),
    };
    for (component, names) in components.into_iter().zip(names) {
        add_component(&mut app, &manifest, component, names)?;
    }
    Ok(App { inner: Arc::new(app) })
}

fn read_component(host: &HostInner, entry: &ComponentEntry, bytes: Option<Vec<u8>>) -> Result<Loaded> {
    let bytes = match bytes {
        Some(bytes) => bytes,
        None => read_file(host, entry)?,
    };
    let size_bytes = bytes.len();
    let bytes = encode::component(bytes, &entry.source)?;
    let section = parse_section(&section::manifest(&bytes)).map_err(|error| {
        Error::from(error).wrap(ErrorKind::BadRequest, &format!("the manifest inside `{}`", entry.source.display()))
    })?;
    let artifact = artifact::prepare(&bytes, &entry.source, &host.engines, host.cache.as_ref())?;
    let offer = Offer::read(&artifact.component, host.engines.get(artifact.kind)?, artifact.kind);
    let linker = host.linker(artifact.kind)?;
    let pre = linker.instantiate_pre(&artifact.component).map_err(|error| unlinkable(&entry.source, &offer, &error));
    Ok(Loaded { entry: entry.clone(), artifact, offer, section, pre, size_bytes })
}

fn read_file(host: &HostInner, entry: &ComponentEntry) -> Result<Vec<u8>> {
    let path = &entry.source;
    let what = format!("component `{}`: `{}`", entry.name, path.display());
    let max = host.config.max_component_bytes;
    let metadata = std::fs::metadata(path).map_err(|error| match (&entry.build, error.kind()) {
        (Some(build), std::io::ErrorKind::NotFound) => {
            Error::not_found(format!("{what} is not there; its build command, `{build}`, should have made it"))
        }
        _ => Error::io(&what, error),
    })?;
    if metadata.len() > max {
        let message =
            format!("{what} has {} bytes and may have {max}; the setting is `max-component-bytes`", metadata.len());
        return Err(Error::new(ErrorKind::TooLarge, message).with_limit("max-component-bytes", max.to_string()));
    }
    std::fs::read(path).map_err(|error| Error::io(what, error))
}

fn unlinkable(path: &Path, offer: &Offer, error: &wasmtime::Error) -> Error {
    let missing = offer.missing_imports();
    let reason = if missing.is_empty() {
        format!("{error:#}")
    } else {
        format!("it imports `{}`, which this host does not have", missing.join("`, `"))
    };
    Error::bad_request(format!("`{}` cannot be started: {reason}", path.display()))
}

/// The name of each interface of each component: its own short name, its full name where two would clash, or what the
/// manifest renames it to. The root's functions are named after the component.
fn class_names(manifest: &Manifest, components: &[Loaded]) -> Result<Vec<Vec<String>>> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let renamed = |interface: &Interface| interface.export.as_ref().and_then(|export| manifest.rename.get(export));
    for interface in components.iter().flat_map(|component| &component.offer.interfaces) {
        if renamed(interface).is_none() {
            *taken.entry(interface.short_name().unwrap_or_default()).or_default() += 1;
        }
    }
    let mut seen = BTreeMap::new();
    let mut names = Vec::with_capacity(components.len());
    for component in components {
        let mut of_component = Vec::new();
        for interface in &component.offer.interfaces {
            let name = match (renamed(interface), interface.short_name(), &interface.export) {
                (Some(name), _, _) => name.clone(),
                (None, Some(short), Some(export)) if taken[&short] > 1 => export.clone(),
                (None, Some(short), _) => short,
                (None, None, _) => component.entry.name.clone(),
            };
            if let Some(other) = seen.insert(name.clone(), component.entry.name.clone()) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "two classes are named `{name}`, in the components `{other}` and `{}`; rename one with \
                         `rename = {{ \"the:interface/name\" = \"…\" }}`",
                        component.entry.name
                    ),
                ));
            }
            of_component.push(name);
        }
        names.push(of_component);
    }
    for export in manifest.rename.keys() {
        let exists = components.iter().flat_map(|c| &c.offer.interfaces).any(|i| i.export.as_ref() == Some(export));
        if !exists {
            let known: Vec<_> =
                components.iter().flat_map(|c| &c.offer.interfaces).filter_map(|i| i.export.clone()).collect();
            return Err(as_bad_request(unknown(
                format!("`rename` names the interface `{export}`, which is not there"),
                export,
                &known,
                "interfaces",
            )));
        }
    }
    Ok(names)
}

/// Settings of a class that is not there are a mistake in its name.
fn check_sections_exist(manifest: &Manifest, components: &[Loaded], names: &[Vec<String>]) -> Result<()> {
    let mut known: Vec<String> = names.iter().flatten().cloned().collect();
    // A component with an entrypoint or a handler alone takes its settings under its own name.
    known.extend(components.iter().map(|component| component.entry.name.clone()));
    let exports = components.iter().flat_map(|c| &c.offer.interfaces).filter_map(|i| i.export.as_deref());
    let exports: Vec<_> = exports.collect();
    for class in manifest.classes.keys() {
        if !known.contains(class) && !exports.contains(&class.as_str()) {
            return Err(as_bad_request(unknown(
                format!("`class.{class}`: there is no such class"),
                class,
                &known,
                "classes",
            )));
        }
    }
    Ok(())
}

fn as_bad_request(error: Error) -> Error {
    Error::bad_request(error.message())
}

fn add_component(app: &mut AppInner, manifest: &Manifest, component: Loaded, names: Vec<String>) -> Result<()> {
    let Loaded { entry, artifact, offer, section, pre, size_bytes } = component;
    let host = app.host.clone();
    app.components.push(ComponentReport::new(&entry, &artifact, &offer, size_bytes));
    let Offer { interfaces, entrypoint, handler, .. } = offer;

    let mut drafts = Vec::with_capacity(interfaces.len());
    for (interface, name) in interfaces.into_iter().zip(names) {
        let settings = settings(&name, interface.export.as_deref(), manifest, &section)?;
        let sorted = hooks::sort(&name, interface.functions, wishes(&settings))?;
        drafts.push(Draft { name, export: interface.export, settings, sorted, uncallable: interface.uncallable });
    }
    if drafts.is_empty() && handler.is_some() {
        let settings = settings(&entry.name, None, manifest, &section)?;
        drafts.push(Draft {
            name: entry.name.clone(),
            export: None,
            settings,
            sorted: Sorted::default(),
            uncallable: Vec::new(),
        });
    }
    let builds: Vec<_> = drafts.iter().filter_map(|draft| draft.sorted.build.clone()).collect();
    let of_component = Shared { host: &host, entry: &entry, pre: &pre, builds: &builds };
    if let Some(entrypoint) = entrypoint {
        app.entrypoints.push(of_component.entrypoint(entrypoint, settings(&entry.name, None, manifest, &section)?)?);
    }
    let handled_by = handler_class(handler.as_ref(), &drafts);
    for (index, draft) in drafts.into_iter().enumerate() {
        let handler = handler.clone().filter(|_| handled_by == Some(index));
        app.classes.push(of_component.class(&app.name, draft, handler)?);
    }
    Ok(())
}

/// The class that answers a component's requests: the root's, else the only one.
fn handler_class(handler: Option<&Handler>, drafts: &[Draft]) -> Option<usize> {
    handler?;
    let root = drafts.iter().position(|draft| draft.export.is_none());
    root.or_else(|| (drafts.len() == 1).then_some(0))
}

fn settings(name: &str, export: Option<&str>, manifest: &Manifest, section: &Section) -> Result<ClassSettings> {
    fn find<'a>(
        classes: &'a BTreeMap<String, ClassSection>,
        name: &str,
        export: Option<&str>,
    ) -> Option<&'a ClassSection> {
        classes.get(name).or_else(|| classes.get(export?))
    }
    // A section inside a component knows the interface's own name, not what the manifest renamed it to.
    let inside = find(&section.classes, name, export).or_else(|| {
        let short = Interface { export: Some(export?.to_owned()), functions: Vec::new(), uncallable: Vec::new() }
            .short_name()?;
        section.classes.get(&short)
    });
    Ok(ClassSettings::resolve(name, find(&manifest.classes, name, export), inside)?)
}

fn wishes(settings: &ClassSettings) -> Wishes<'_> {
    let is_explicit = |hook: &str| settings.origin(&format!("hooks.{hook}")) != Origin::Default;
    let named = &settings.hooks;
    Wishes {
        build: Wish { function: named.build.as_deref(), is_explicit: is_explicit("build") },
        enter: Wish { function: named.enter.as_deref(), is_explicit: is_explicit("enter") },
        exit: Wish { function: named.exit.as_deref(), is_explicit: is_explicit("exit") },
        restore: Wish { function: named.restore.as_deref(), is_explicit: is_explicit("restore") },
    }
}

/// What the classes and the entrypoint of one component share.
struct Shared<'a> {
    host: &'a Host,
    entry: &'a ComponentEntry,
    pre: &'a Result<InstancePre<State>>,
    builds: &'a [Arc<crate::component::Function>],
}

impl Shared<'_> {
    fn class(&self, app: &str, draft: Draft, handler: Option<Handler>) -> Result<Class> {
        let Draft { name, export, settings, sorted, uncallable } = draft;
        let limits = limits(&settings);
        let mut parameters =
            Signature::from_shapes(What::Parameter, sorted.enter.iter().flat_map(|enter| shapes(enter)));
        for (parameter, value) in &settings.parameters {
            parameters.set_default(parameter, value, &limits).map_err(|error| {
                Error::from(error).wrap(ErrorKind::BadRequest, &format!("`class.{name}.parameters`"))
            })?;
        }
        let arguments =
            sorted.methods.iter().map(|method| method_arguments(&name, method, &parameters, &settings, &limits));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        check_methods(&name, &sorted, &uncallable, &settings)?;
        let world = World::new(&name, &settings, &self.host.inner.config);
        let blueprint = Blueprint {
            enter: sorted.enter.clone(),
            exit: sorted.exit.clone(),
            methods: sorted.methods.clone(),
            ..self.blueprint(&settings, &world)
        };
        let inner = ClassInner {
            host: self.host.clone(),
            app: app.to_owned(),
            name,
            export,
            component: self.entry.name.clone(),
            settings,
            blueprint: Arc::new(blueprint),
            hooks: sorted,
            parameters,
            arguments,
            uncallable,
            handler,
            _world: world.ok(),
        };
        Ok(Class { inner: Arc::new(inner) })
    }

    fn entrypoint(&self, entrypoint: Entrypoint, settings: ClassSettings) -> Result<EntrypointInner> {
        let limits = limits(&settings);
        let arguments = match &entrypoint {
            Entrypoint::Main(main) => {
                let none = Signature::from_shapes(What::Parameter, []);
                method_arguments(&self.entry.name, main, &none, &settings, &limits)?
            }
            Entrypoint::Command { .. } | Entrypoint::Unusable(_) => Signature::from_shapes(What::Argument, []),
        };
        let world = World::new(&self.entry.name, &settings, &self.host.inner.config);
        let blueprint = Arc::new(self.blueprint(&settings, &world));
        let (component, entrypoint) = (self.entry.name.clone(), Arc::new(entrypoint));
        Ok(EntrypointInner { component, entrypoint, arguments, settings, blueprint, _world: world.ok() })
    }

    /// A blueprint of an instance that is entered for no class.
    fn blueprint(&self, settings: &ClassSettings, world: &Result<World>) -> Blueprint {
        let host = &self.host.inner;
        let setup = match (self.pre, world) {
            (Ok(pre), Ok(world)) => Ok(Setup { pre: pre.clone(), wasi: world.spec.clone() }),
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
        };
        Blueprint {
            setup,
            builds: self.builds.to_vec(),
            enter: None,
            exit: None,
            methods: Vec::new(),
            bounds: Bounds {
                memory_bytes: settings.memory_bytes,
                build_timeout: settings.build_timeout,
                enter_timeout: settings.enter_timeout,
                method_timeout: settings.timeout,
                exit_timeout: settings.exit_timeout,
                values: limits(settings),
                instance: host.config.instance,
            },
            ticker: host.engines.ticker().clone(),
            stop: host.drain.stop_token().clone(),
        }
    }
}

fn limits(settings: &ClassSettings) -> Limits {
    Limits { max_list: usize::try_from(settings.max_list).unwrap_or(usize::MAX) }
}

fn shapes(function: &crate::component::Function) -> impl Iterator<Item = (&str, crate::values::Shape)> {
    function.parameters.iter().map(|(name, shape)| (name.as_str(), shape.clone()))
}

fn method_arguments(
    class: &str,
    method: &crate::component::Function,
    parameters: &Signature,
    settings: &ClassSettings,
    limits: &Limits,
) -> Result<Signature> {
    if let Some((name, _)) = method.parameters.iter().find(|(name, _)| parameters.shape(name).is_some()) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "`{name}` is a parameter of the class `{class}` and an argument of its method `{}`, so that a caller could not \
                 say which is meant; rename one",
                method.name
            ),
        ));
    }
    let mut arguments = Signature::from_shapes(What::Argument, shapes(method));
    let of_method = settings.methods.get(&method.name);
    for (argument, value) in of_method.iter().flat_map(|method| &method.arguments) {
        arguments.set_default(argument, value, limits).map_err(|error| {
            let key = format!("`class.{class}.method.{}.arguments`", method.name);
            Error::from(error).wrap(ErrorKind::BadRequest, &key)
        })?;
    }
    if let Some(route) = of_method.and_then(|method| method.web.as_ref()) {
        let unbound = route.captures().find(|name| arguments.shape(name).is_none() && parameters.shape(name).is_none());
        if let Some(name) = unbound {
            return Err(Error::bad_request(format!(
                "`class.{class}.method.{}.web`: `{{{name}}}` is neither an argument of the method nor a parameter of the class",
                method.name
            )));
        }
    }
    Ok(arguments)
}

/// Settings of a method that is not there are a mistake in its name.
fn check_methods(
    class: &str,
    sorted: &Sorted,
    uncallable: &[crate::component::Uncallable],
    settings: &ClassSettings,
) -> Result<()> {
    let known: Vec<_> = sorted.methods.iter().map(|method| method.name.clone()).collect();
    for method in settings.methods.keys() {
        let is_known = known.contains(method)
            || uncallable.iter().any(|uncallable| uncallable.name == *method)
            || method == "main";
        if !is_known {
            let what = format!("`class.{class}.method.{method}`: the class has no such method");
            return Err(as_bad_request(unknown(what, method, &known, "methods")));
        }
    }
    Ok(())
}
