//! Puts the classes and the entrypoint of one component together: settings, hooks, parameters, arguments, world.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::super::Host;
use super::super::app::AppInner;
use super::super::class::{Class, ClassInner};
use super::super::code::ComponentCode;
use super::super::entrypoint::EntrypointInner;
use super::super::inspect::ComponentReport;
use super::super::keeper::ClassKeeper;
use super::super::known::unknown;
use super::super::nested::Way;
use super::super::plan::{BuildHook, Plan};
use super::super::prepared::{Build, Prepared, snapshot_key};
use super::super::siblings::Siblings;
use super::super::world::World;
use super::Loaded;
use super::names::{as_bad_request, handler_name};
use crate::artifact::BuildOrder;
use crate::component::hooks::{self, Sorted, Wish, Wishes};
use crate::component::{Entrypoint, Handler, Interface, Offer};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Bounds;
use crate::manifest::{
    ClassSection, ClassSettings, ComponentEntry, FileEntry, Manifest, Origin, Section, SnapshotMode,
};
use crate::pool::{self, Pools};
use crate::state::{OutputOrigin, Turns, WasiSpec};
use crate::values::{Limits, Signature, What};

/// What of a class's settings its `build` hook can see. Where it is the same, one run serves all.
#[derive(Debug, PartialEq)]
struct Seen {
    env: Vec<(String, String)>,
    files: Vec<FileEntry>,
    outbound: Vec<String>,
    /// The names of all directories: the guest may remember them by their places.
    directories: Vec<String>,
    memory_bytes: u64,
    tmp_bytes: Option<u64>,
    build_timeout: Duration,
}

impl Seen {
    fn new(settings: &ClassSettings, wasi: &WasiSpec) -> Self {
        Self {
            env: wasi.env.clone(),
            files: settings.files.clone(),
            outbound: wasi.outbound.destinations(),
            directories: wasi.directories.iter().map(|directory| directory.guest.clone()).collect(),
            memory_bytes: settings.memory_bytes,
            tmp_bytes: settings.tmp_bytes,
            build_timeout: settings.build_timeout,
        }
    }
}

/// A class while its app is put together.
struct Draft {
    name: String,
    export: Option<String>,
    settings: ClassSettings,
    sorted: Sorted,
    uncallable: Vec<crate::component::Uncallable>,
}

pub(super) fn add_component(
    app: &mut AppInner,
    manifest: &Manifest,
    component: Loaded,
    names: Vec<String>,
) -> Result<()> {
    let own_name = handler_name(&component).map(str::to_owned);
    let Loaded { entry, offer, section, size_bytes, code, linkable } = component;
    let (host, turns, siblings) = (app.host.clone(), app.turns.clone(), app.siblings.clone());
    app.components.push(ComponentReport::new(&host, &entry, &code, &offer, size_bytes));
    let Offer { interfaces, entrypoint, handler, .. } = offer;

    let mut drafts = Vec::with_capacity(names.len());
    let mut names = names.into_iter();
    for (interface, name) in interfaces.into_iter().zip(&mut names) {
        let settings = settings(&name, interface.export.as_deref(), manifest, &section)?;
        let sorted = hooks::sort(&name, interface.functions, wishes(&settings))?;
        drafts.push(Draft { name, export: interface.export, settings, sorted, uncallable: interface.uncallable });
    }
    // Whoever has no interface has the handler.
    let mut handled_by = None;
    if let Some(name) = names.next() {
        // Where two have the same name they are called like their components. Where it is alone, a manifest may do so as well.
        let other_name = own_name.as_deref().filter(|own| *own != name);
        let other_name = other_name.or_else(|| drafts.is_empty().then_some(&*entry.name));
        let settings = settings(&name, other_name, manifest, &section)?;
        handled_by = Some(drafts.len());
        drafts.push(Draft { name, export: None, settings, sorted: Sorted::default(), uncallable: Vec::new() });
    }
    let builds = drafts.iter().filter_map(|draft| Some((draft.export.clone(), draft.sorted.build.clone()?)));
    let builds: Arc<[BuildHook]> = builds.collect();
    let of_component = Shared {
        host: &host,
        app: app.name.clone(),
        entry: &entry,
        code: &code,
        linkable: &linkable,
        builds: &builds,
        turns: &turns,
        siblings: &siblings,
        made: RefCell::default(),
    };
    if let Some(entrypoint) = entrypoint {
        // Inside a component its author cannot know what a manifest calls it.
        let settings = settings(&entry.name, Some("main"), manifest, &section)?;
        app.entrypoints.push(of_component.entrypoint(entrypoint, settings)?);
    }
    if handler.is_some() && handled_by.is_none() {
        handled_by = handler_class(&app.name, &entry.name, &drafts);
    }
    for (index, draft) in drafts.into_iter().enumerate() {
        let handler = handler.clone().filter(|_| handled_by == Some(index));
        app.classes.push(of_component.class(&app.name, draft, handler)?);
    }
    Ok(())
}

/// The class that answers a component's requests: the default one, the root's, or the only one. Where nobody says which of
/// several, it is the first, with a warning.
fn handler_class(app: &str, component: &str, drafts: &[Draft]) -> Option<usize> {
    let default = drafts.iter().position(|draft| draft.settings.is_default);
    let root = || drafts.iter().position(|draft| draft.export.is_none());
    if let Some(known) = default.or_else(root) {
        return Some(known);
    }
    let [first, others @ ..] = drafts else { return None };
    if !others.is_empty() {
        let class = &first.name;
        tracing::warn!(
            app,
            component,
            class,
            "the component has a web handler and several classes, and none of them has `default = true`: its requests go to \
             this one"
        );
    }
    Some(0)
}

/// How often an instance may be used of a component that was not written for being used again: one with a web handler and
/// nothing else. Handlers of WASI 0.3 are made for several requests at a time.
fn uses_of_a_stranger(plan: &Plan, settings: &ClassSettings) -> Option<(u32, u32)> {
    /// As `wasmtime serve` has it.
    const OF_P3: u32 = 128;

    let handler = plan.handler.as_ref()?;
    let has_hooks = !plan.builds.is_empty() || plan.enter.is_some() || plan.exit.is_some();
    if settings.reuse || has_hooks || !plan.methods.is_empty() {
        return None;
    }
    let uses = if handler.is_p3() { OF_P3 } else { 1 };
    Some((uses, uses))
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
    app: String,
    entry: &'a ComponentEntry,
    code: &'a Arc<ComponentCode>,
    /// Whether instances can be made of it here.
    linkable: &'a Result<()>,
    builds: &'a Arc<[BuildHook]>,
    turns: &'a Turns,
    siblings: &'a Arc<Siblings>,
    /// The runs of `build` so far, one for all that see the same of the world.
    made: RefCell<Vec<(Seen, Arc<Build>)>>,
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
        let world = World::new(&name, &settings, &self.host.inner).map(Arc::new);
        let build = self.build(&name, &settings, &world)?;
        let plan = Arc::new(Plan {
            export: export.clone(),
            enter: sorted.enter.clone(),
            exit: sorted.exit.clone(),
            methods: sorted.methods.clone(),
            handler: handler.clone(),
            ..self.plan(&settings, world.as_deref().map_err(Error::clone))
        });
        let (code, made) = (self.code.clone(), OnceCell::new());
        let prepared = Arc::new(Prepared { plan: plan.clone(), code, build, made });
        let pools = self.pools(app, &name, &settings, prepared, &parameters)?;
        let metrics = self.host.inner.metrics.class(app, &name);
        let inner = ClassInner {
            host: self.host.clone(),
            app: app.to_owned(),
            name,
            export,
            component: self.entry.name.clone(),
            settings,
            plan,
            hooks: sorted,
            parameters,
            arguments,
            uncallable,
            handler,
            pools,
            metrics,
            _world: world.ok(),
        };
        Ok(Class { inner: Arc::new(inner), _siblings: self.siblings.clone() })
    }

    fn pools(
        &self,
        app: &str,
        class: &str,
        settings: &ClassSettings,
        prepared: Arc<Prepared>,
        parameters: &Signature,
    ) -> Result<Pools<ClassKeeper>> {
        let plan = prepared.plan.clone();
        let has_async = plan.methods.iter().any(|method| method.is_async);
        if settings.concurrency > 1 && !has_async && plan.handler.is_none() {
            return Err(Error::bad_request(format!(
                "`class.{class}.concurrency` = {}: calls share an instance only where methods are `async func`, and this \
                 class has none",
                settings.concurrency
            ))
            .with_limit("concurrency", "1"));
        }
        if settings.concurrency > 1 && plan.handler.as_ref().is_some_and(|handler| !handler.is_p3()) {
            return Err(Error::bad_request(format!(
                "`class.{class}.concurrency` = {}: requests share an instance only where its web handler is of WASI 0.3, \
                 and this class has one of 0.2",
                settings.concurrency
            ))
            .with_limit("concurrency", "1"));
        }
        let host = &self.host.inner;
        let names = (app, class, self.peers(settings));
        let keeper = ClassKeeper::new(host, prepared, names, parameters.clone(), settings.concurrency);
        let pool_settings = pool::Settings {
            limits: pool::Limits {
                buffer_instances: settings.buffer_instances,
                max_instances: settings.max_instances,
                concurrency: settings.concurrency,
                max_waiting: settings.max_waiting,
                idle_timeout: settings.idle_timeout,
            },
            wait_timeout: settings.wait_timeout,
            max_calls: match settings.max_calls {
                None => uses_of_a_stranger(&plan, settings),
                Some(calls) => Some((calls.least, calls.most)),
            },
        };
        Ok(Pools::new(keeper, pool_settings, host.budget.app(app, std::time::Instant::now())))
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
        let world = World::new(&self.entry.name, &settings, &self.host.inner).map(Arc::new);
        // It is entered for no class: of `build` it needs what is at the root, where it stands itself.
        let (builds, build) = match self.builds.iter().any(|(export, _)| export.is_none()) {
            true => (self.builds.clone(), self.build(&self.entry.name, &settings, &world)?),
            false => (Arc::default(), None),
        };
        let mut plan = Plan { builds, ..self.plan(&settings, world.as_deref().map_err(Error::clone)) };
        if let Entrypoint::Main(main) = &entrypoint {
            plan.methods.push(Arc::new(main.clone()));
        }
        let (component, entrypoint) = (self.entry.name.clone(), Arc::new(entrypoint));
        let (plan, code, made) = (Arc::new(plan), self.code.clone(), OnceCell::new());
        let prepared = Arc::new(Prepared { plan, code, build, made });
        let (peers, world) = (self.peers(&settings), world.ok());
        Ok(EntrypointInner { component, entrypoint, arguments, settings, prepared, peers, _world: world })
    }

    /// The run of `build` for a class; that of another class if it sees the same of the world.
    fn build(&self, class: &str, settings: &ClassSettings, world: &Result<Arc<World>>) -> Result<Option<Arc<Build>>> {
        let has_snapshot = !self.builds.is_empty() && settings.snapshot != SnapshotMode::Off;
        let (Ok(world), Ok(()), true) = (world, self.linkable, has_snapshot) else { return Ok(None) };
        let seen = Seen::new(settings, &world.spec);
        let mut made = self.made.borrow_mut();
        if let Some((_, build)) = made.iter().find(|(other, _)| *other == seen) {
            return Ok(Some(build.clone()));
        }
        let host = &self.host.inner;
        let hooks: Vec<_> = self.builds.iter().map(|(export, hook)| (export.clone(), hook.name.clone())).collect();
        let key = snapshot_key(&host.store, self.code, &hooks, &world.spec, settings.memory_bytes);
        let order = BuildOrder {
            key: key.map_err(|error| Error::io("what `build` sees", error))?,
            kind: self.code.kind,
            again: false,
            hooks,
            wasi: world.spec.clone(),
            bounds: self.bounds(settings),
            origin: OutputOrigin {
                app: self.app.clone(),
                class: class.to_owned(),
                parameters: String::new(),
                instance: "build".to_owned(),
            },
            output: host.config.output,
        };
        let build = Arc::new(Build {
            code: self.code.clone(),
            order,
            _world: world.clone(),
            ready: OnceCell::new(),
            is_fallback_told: AtomicBool::new(false),
        });
        made.push((seen, build.clone()));
        Ok(Some(build))
    }

    /// The way from instances to other classes.
    fn peers(&self, settings: &ClassSettings) -> Arc<Way> {
        Arc::new(Way {
            host: Arc::downgrade(&self.host.inner),
            siblings: Arc::downgrade(self.siblings),
            allowed: settings.allow_calls.clone(),
        })
    }

    /// The plan of an instance that is entered for no class.
    fn plan(&self, settings: &ClassSettings, world: Result<&World>) -> Plan {
        let host = &self.host.inner;
        Plan {
            wasi: self.linkable.clone().and(world.map(|world| world.spec.clone())),
            export: None,
            builds: self.builds.clone(),
            enter: None,
            exit: None,
            methods: Vec::new(),
            handler: None,
            bounds: self.bounds(settings),
            ticker: host.linkers.engines().ticker().clone(),
            turns: self.turns.clone(),
            stop: host.drain.stop_token().clone(),
        }
    }

    fn bounds(&self, settings: &ClassSettings) -> Bounds {
        let host = &self.host.inner.config;
        Bounds {
            memory_bytes: settings.memory_bytes,
            max_instances: host.max_instances,
            build_timeout: settings.build_timeout,
            enter_timeout: settings.enter_timeout,
            method_timeout: settings.timeout,
            exit_timeout: settings.exit_timeout,
            values: limits(settings),
            instance: host.instance,
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
