//! An app: a named set of classes and entrypoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Host;
use super::class::Class;
use super::entrypoint::{Command, EntrypointInner, Main};
use super::inspect::ComponentReport;
use super::known::unknown;
use super::siblings::Siblings;
use crate::error::Result;
use crate::state::Turns;

/// A loaded app. Cheap to clone; ephemeral: it lives as long as its clones, its classes and their instances.
#[derive(Clone, Debug)]
pub struct App {
    pub(super) inner: Arc<AppInner>,
}

pub(super) struct AppInner {
    pub(super) host: Host,
    pub(super) name: String,
    /// The manifest or component file; `None` if it came out of memory.
    pub(super) source: Option<PathBuf>,
    pub(super) classes: Vec<Class>,
    pub(super) entrypoints: Vec<EntrypointInner>,
    pub(super) components: Vec<ComponentReport>,
    pub(super) siblings: Arc<Siblings>,
    /// Shared by the guests of all classes.
    pub(super) turns: Turns,
}

impl std::fmt::Debug for AppInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("classes", &self.classes).finish_non_exhaustive()
    }
}

impl App {
    /// The app's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The manifest or component file that it was loaded from; `None` if it came out of memory.
    pub fn source(&self) -> Option<&Path> {
        self.inner.source.as_deref()
    }

    /// The classes, in the order of the manifest's components and their exports.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = &Class> {
        self.inner.classes.iter()
    }

    /// Finds a class by name, or by the full name of its interface.
    ///
    /// # Errors
    ///
    /// `not-found`, naming the nearest classes.
    pub fn class(&self, name: &str) -> Result<Class> {
        let found = self.classes().find(|class| class.name() == name || class.inner.export.as_deref() == Some(name));
        found.cloned().ok_or_else(|| {
            let known: Vec<_> = self.classes().map(|class| class.name().to_owned()).collect();
            unknown(format!("the app `{}` has no class `{name}`", self.name()), name, &known, "classes")
        })
    }

    /// The typed entrypoint `main`, if there is exactly one.
    pub fn main(&self) -> Option<Main> {
        let mut mains = self.entrypoints().filter(|entrypoint| entrypoint.main().is_some());
        let only = mains.next().filter(|_| mains.next().is_none())?;
        Main::new(self.clone(), only)
    }

    /// The command (`wasi:cli/run`), if there is exactly one.
    pub fn command(&self) -> Option<Command> {
        let mut commands = self.entrypoints().filter(|entrypoint| entrypoint.is_command());
        let only = commands.next().filter(|_| commands.next().is_none())?;
        Command::new(self.clone(), only)
    }

    /// Whether guests of the app can call others.
    pub(super) fn makes_calls(&self) -> bool {
        let imports = self.inner.components.iter().flat_map(|component| &component.imports);
        imports.into_iter().any(|import| import.name.starts_with("wasmhost:host/calls@"))
    }

    /// Lets idle instances exit, and each other one when its call is done.
    pub(super) fn retire(&self) {
        self.classes().for_each(|class| class.inner.pools.retire());
    }

    pub(super) fn entrypoints(&self) -> impl Iterator<Item = &EntrypointInner> {
        self.inner.entrypoints.iter()
    }
}
