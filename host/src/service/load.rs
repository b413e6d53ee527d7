//! From a source to an app: read, compile, inspect, settle names and settings, check everything that can be checked
//! before a guest runs.

mod assemble;
mod names;

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::InstancePre;

use super::app::{App, AppInner};
use super::class::Class;
use super::source::Source;
use super::{Host, HostInner};
use crate::artifact::{self, Artifact};
use crate::component::{Offer, encode, section};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{ComponentEntry, Section, parse_section};
use crate::state::{State, Turns};

use assemble::add_component;
use names::{check_sections_exist, class_names};

/// A component after everything that needs no settings.
struct Loaded {
    entry: ComponentEntry,
    artifact: Artifact,
    offer: Offer,
    section: Section,
    pre: Result<InstancePre<State>>,
    size_bytes: usize,
    bytes: Arc<[u8]>,
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
    for class in app.classes() {
        class.kept()?;
    }
    Ok(())
}

/// Runs the `build` hooks of all classes, so that instances start from what they leave.
pub(super) async fn prepare(app: &App) -> Result<()> {
    for class in app.classes() {
        class.inner.pools.keeper().prepared.blueprint().await?;
    }
    Ok(())
}

fn load_blocking(host: &Host, source: Source) -> Result<App> {
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
    };
    for (component, names) in components.into_iter().zip(names) {
        add_component(&mut app, &manifest, component, names)?;
    }
    check_default(&app)?;
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
    Ok(Loaded { entry: entry.clone(), artifact, offer, section, pre, size_bytes, bytes: bytes.into() })
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
    Error::bad_request(if missing.is_empty() {
        format!("`{}` cannot be linked: {error:#}", path.display())
    } else {
        format!("`{}` imports `{}`, which this host does not have", path.display(), missing.join("`, `"))
    })
}
