//! From a source to an app: find out what its components offer, settle names and settings, check everything that can be
//! checked before a guest runs.
//!
//! Of a component that was examined before, here or by another process, its record is read and nothing else.

mod assemble;
mod names;

use std::fs::Metadata;
use std::path::Path;
use std::sync::{Arc, Weak};

use tokio::sync::OnceCell;

use super::app::{App, AppInner};
use super::class::Class;
use super::code::ComponentCode;
use super::published::Published;
use super::siblings::Siblings;
use super::source::Source;
use super::{Host, HostInner};
use crate::artifact::{ComponentRecord, Digest, Order, Task};
use crate::component::{Offer, encode};
use crate::error::{Error, ErrorKind, Result};
use crate::linker;
use crate::manifest::{ComponentEntry, Section, parse_section};
use crate::state::Turns;

use assemble::add_component;
use names::{check_sections_exist, class_names};

/// A component after everything that needs no settings.
struct Loaded {
    entry: ComponentEntry,
    offer: Offer,
    section: Section,
    size_bytes: u64,
    code: Arc<ComponentCode>,
    /// Whether instances can be made of it here.
    linkable: Result<()>,
}

/// Loads an app as far as it can be looked at: a class that cannot be started is there, and says why when it is used.
pub(super) async fn load(host: Host, source: Source, published: Weak<Published>) -> Result<App> {
    // Reading, hashing and compiling hold a thread for as long as seconds.
    let loading = tokio::task::spawn_blocking(move || load_blocking(&host, source, published));
    loading.await.map_err(|error| Error::internal(format!("loading the app failed: {error}")))?
}

/// The first reason why a class or an entrypoint of the app cannot be started.
pub(super) fn check(app: &App) -> Result<()> {
    let classes = app.classes().map(|class| &*class.inner.plan);
    for plan in classes.chain(app.entrypoints().map(|entrypoint| &*entrypoint.prepared.plan)) {
        plan.wasi.as_ref().map_err(Error::clone)?;
    }
    for class in app.classes() {
        class.kept()?;
    }
    Ok(())
}

/// Sees to it that the code of a class is there, and runs `build` hooks, so that instances start from what they leave.
pub(super) async fn prepare_class(app: &App, class: &Class) -> Result<()> {
    let prepared = &class.inner.pools.keeper().prepared;
    prepared.ensure().await.map_err(|error| match (error.kind(), app.inner.components.len()) {
        (ErrorKind::BuildFailed | ErrorKind::MemoryExceeded, 2..) => {
            let kind = error.kind();
            error.wrap(kind, &format!("component `{}`", class.inner.component))
        }
        _ => error,
    })
}

/// The same for all classes.
pub(super) async fn prepare(app: &App) -> Result<()> {
    for class in app.classes() {
        prepare_class(app, class).await?;
    }
    // An entrypoint beside classes is compiled when somebody runs it.
    if app.classes().len() == 0 {
        for entrypoint in app.entrypoints() {
            entrypoint.prepared.ensure().await?;
        }
    }
    Ok(())
}

fn load_blocking(host: &Host, source: Source, published: Weak<Published>) -> Result<App> {
    let Source { manifest, mut bytes, path } = source;
    let source = bytes.is_none().then_some(path);
    let mut components = Vec::with_capacity(manifest.components.len());
    for entry in &manifest.components {
        components.push(read_component(&host.inner, entry, bytes.take())?);
    }
    let names = class_names(&manifest, &components)?;
    check_sections_exist(&manifest, &components, &names)?;
    let mut app = AppInner {
        host: host.clone(),
        name: manifest.name.clone(),
        source,
        classes: Vec::new(),
        entrypoints: Vec::new(),
        components: Vec::new(),
        turns: Turns::default(),
        siblings: Siblings::new(&manifest.name, published),
    };
    for (component, names) in components.into_iter().zip(names) {
        add_component(&mut app, &manifest, component, names)?;
    }
    check_default(&app)?;
    app.siblings.complete(&app.classes);
    Ok(App { inner: Arc::new(app) })
}

/// Refuses a second default class, which no manifest alone may show: components have sections of their own.
fn check_default(app: &AppInner) -> Result<()> {
    let mut defaults = app.classes.iter().filter(|class| class.settings().is_default).map(Class::name);
    match (defaults.next(), defaults.next()) {
        (Some(first), Some(second)) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "the classes `{first}` and `{second}` of the app `{}` are both its default; set `default = false` for one of \
                 them",
                app.name
            ),
        )),
        _ => Ok(()),
    }
}

fn read_component(host: &Arc<HostInner>, entry: &ComponentEntry, bytes: Option<Vec<u8>>) -> Result<Loaded> {
    let name = entry.source.display().to_string();
    let source = bytes.is_none().then(|| entry.source.clone());
    let (digest, record) = match bytes {
        Some(bytes) => examined(host, &name, &bytes)?,
        None => read_file(host, entry, &name)?,
    };
    let ComponentRecord { kind, size_bytes, mut offer, section, unlinkable } = record;
    for import in &mut offer.imports {
        import.provided = linker::provides(&import.name, kind);
    }
    let section = parse_section(section.as_bytes())
        .map_err(|error| Error::from(error).wrap(ErrorKind::BadRequest, &format!("the manifest inside `{name}`")))?;
    let linkable = unlinkable.map_or(Ok(()), |reason| Err(unlinkable_because(&name, &offer, &reason)));
    let host = Arc::downgrade(host);
    let code = ComponentCode { host, source, name, digest, kind, mapped: OnceCell::new() };
    Ok(Loaded { entry: entry.clone(), offer, section, size_bytes, code: Arc::new(code), linkable })
}

/// What is known of a file's component.
fn read_file(host: &HostInner, entry: &ComponentEntry, name: &str) -> Result<(Digest, ComponentRecord)> {
    let path = &entry.source;
    let what = format!("component `{}`: `{name}`", entry.name);
    let metadata = std::fs::metadata(path).map_err(|error| match (&entry.build, error.kind()) {
        (Some(build), std::io::ErrorKind::NotFound) => {
            Error::not_found(format!("{what} is not there; its build command, `{build}`, should have made it"))
        }
        _ => Error::io(&what, error),
    })?;
    check_size(host, &what, &metadata)?;
    let known = host.store.known_source(path, &metadata);
    if let Some(found) = known.and_then(|digest| Some((digest, host.store.component(&digest)?))) {
        return Ok(found);
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io(what, error))?;
    let (digest, record) = examined(host, name, &bytes)?;
    host.store.note_source(path, &metadata, digest);
    Ok((digest, record))
}

/// What is known of a component, found out now if it was not before.
fn examined(host: &HostInner, name: &str, bytes: &[u8]) -> Result<(Digest, ComponentRecord)> {
    encode::check_outline(bytes, Path::new(name))?;
    let digest = Digest::of(bytes);
    // Also where the rest is known: somebody may have removed them, and what came as bytes comes from nowhere else.
    host.store.keep_bytes(&digest, bytes).map_err(|error| host.store.failed(name, error))?;
    if let Some(record) = host.store.component(&digest) {
        return Ok((digest, record));
    }
    let order = Order { name: name.to_owned(), component: digest, task: Task::Examine };
    let mut performed = host.perform(&order);
    if performed.is_err() && !host.store.has_bytes(&digest) && host.store.keep_bytes(&digest, bytes).is_ok() {
        // The copy was damaged, or somebody else's try took it away.
        performed = host.perform(&order);
    }
    performed?;
    let record = host.store.component(&digest);
    Ok((digest, record.ok_or_else(|| Error::internal("the record of a component is gone right after it was written"))?))
}

fn check_size(host: &HostInner, what: &str, metadata: &Metadata) -> Result<()> {
    let max = host.config.max_component_bytes;
    if metadata.len() <= max {
        return Ok(());
    }
    let message =
        format!("{what} has {} bytes and may have {max}; the setting is `max-component-bytes`", metadata.len());
    Err(Error::new(ErrorKind::TooLarge, message).with_limit("max-component-bytes", max.to_string()))
}

fn unlinkable_because(name: &str, offer: &Offer, reason: &str) -> Error {
    let missing = offer.missing_imports();
    Error::bad_request(if missing.is_empty() {
        format!("`{name}` cannot be linked: {reason}")
    } else {
        format!("`{name}` imports `{}`, which this host does not have", missing.join("`, `"))
    })
}
