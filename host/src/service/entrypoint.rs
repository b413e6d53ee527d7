//! Entrypoints: code of a component that runs in this process, with its standard streams, for as long as it likes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::app::App;
use super::class::{Argument, arguments};
use super::nested::Way;
use super::prepared::Prepared;
use super::world::World;
use crate::component::Entrypoint;
use crate::error::Result;
use crate::instance::Live;
use crate::manifest::{ClassSettings, MethodSettings};
use crate::pool::Stake;
use crate::state::{Identity, Output, OutputOrigin, Stdio};
use crate::values::{Limits, Signature, Value, from_value};

/// An entrypoint as it was loaded.
pub(super) struct EntrypointInner {
    pub(super) component: String,
    pub(super) entrypoint: Arc<Entrypoint>,
    pub(super) arguments: Signature,
    pub(super) settings: ClassSettings,
    /// Without the arguments and streams of a run, which are part of what its instance sees.
    pub(super) prepared: Arc<Prepared>,
    /// How it reaches the classes.
    pub(super) peers: Arc<Way>,
    /// Holds the files in place.
    pub(super) _world: Option<Arc<World>>,
}

impl EntrypointInner {
    pub(super) fn main(&self) -> Option<&crate::component::Function> {
        if let Entrypoint::Main(function) = &*self.entrypoint { Some(function) } else { None }
    }

    /// The arguments of `main`, in the order of the declaration.
    pub(super) fn arguments(&self) -> impl ExactSizeIterator<Item = Argument<'_>> {
        static NO_DOCS: BTreeMap<String, String> = BTreeMap::new();
        arguments(&self.arguments, self.main_settings().map_or(&NO_DOCS, |main| &main.argument_docs))
    }

    /// What `main` does, where the manifest says.
    pub(super) fn docs(&self) -> Option<&str> {
        self.main_settings().and_then(|main| main.docs.as_deref())
    }

    fn main_settings(&self) -> Option<&MethodSettings> {
        self.settings.methods.get("main")
    }

    pub(super) fn is_command(&self) -> bool {
        matches!(*self.entrypoint, Entrypoint::Command { .. })
    }

    async fn start(&self, app: &App, arguments: Vec<String>) -> Result<(Live, Stake)> {
        let host = &app.inner.host.inner;
        let stake = host.budget.app(app.name(), Instant::now()).reserve(self.settings.wait_timeout).await?;
        let id = host.next_instance_id();
        let origin = OutputOrigin {
            app: app.name().to_owned(),
            class: self.component.clone(),
            parameters: "{}".to_owned(),
            instance: id.to_string(),
        };
        let output = Output::new(origin, host.output.0.clone(), host.config.output);
        let identity = Identity {
            app: app.name().into(),
            class: None,
            parameters: String::new(),
            peers: Some(self.peers.clone()),
        };
        let mut blueprint = (*self.prepared.blueprint().await?).clone();
        let wasi = &mut blueprint.setup.wasi;
        wasi.arguments = std::iter::once(self.component.clone()).chain(arguments).collect();
        wasi.stdio = Stdio::Inherit;
        Ok((Live::start_unentered(Arc::new(blueprint), output, Arc::new(identity)).await?, stake))
    }
}

/// The typed entrypoint of an app: the root export `main` of one of its components.
#[derive(Clone, Debug)]
pub struct Main {
    app: App,
    index: usize,
}

impl Main {
    pub(super) fn new(app: App, entrypoint: &EntrypointInner) -> Option<Self> {
        let index = position(&app, entrypoint)?;
        Some(Self { app, index })
    }

    /// The arguments, in the order of the declaration.
    pub fn arguments(&self) -> Vec<Argument<'_>> {
        self.inner().arguments().collect()
    }

    /// The function as WIT writes it.
    pub fn signature(&self) -> String {
        self.function().signature()
    }

    /// What it does, in Markdown, where the manifest says.
    pub fn docs(&self) -> Option<&str> {
        self.inner().docs()
    }

    /// Runs `main` in an instance of its own, with this process's standard streams and without a time limit.
    ///
    /// # Errors
    ///
    /// As [`Bound::call`](super::Bound::call).
    pub async fn call<A, R>(&self, arguments: &A) -> Result<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let arguments = self.inner().arguments.from_serde(arguments, &self.limits())?;
        Ok(from_value(self.call_values(arguments).await?, self.function().ok_shape())?)
    }

    pub(crate) async fn call_values(&self, arguments: Vec<Value>) -> Result<Value> {
        let _working = self.app.inner.host.inner.drain.work()?;
        let (mut live, _stake) = self.inner().start(&self.app, Vec::new()).await?;
        live.run_main(arguments).await
    }

    pub(crate) fn function(&self) -> &crate::component::Function {
        self.inner().main().expect("a `Main` is made of such an entrypoint only")
    }

    pub(crate) fn argument_signature(&self) -> &Signature {
        &self.inner().arguments
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner().prepared.plan.bounds.values
    }

    fn inner(&self) -> &EntrypointInner {
        &self.app.inner.entrypoints[self.index]
    }
}

/// A program that exports `wasi:cli/run`.
#[derive(Clone, Debug)]
pub struct Command {
    app: App,
    index: usize,
}

impl Command {
    pub(super) fn new(app: App, entrypoint: &EntrypointInner) -> Option<Self> {
        let index = position(&app, entrypoint)?;
        Some(Self { app, index })
    }

    /// Runs the program with these arguments, this process's standard streams and no time limit; gives its exit code.
    ///
    /// # Errors
    ///
    /// `trapped` or `memory-exceeded` from the guest, `draining` after a shutdown began.
    pub async fn run(&self, arguments: Vec<String>) -> Result<i32> {
        let _working = self.app.inner.host.inner.drain.work()?;
        let inner = &self.app.inner.entrypoints[self.index];
        let Entrypoint::Command { export } = &*inner.entrypoint else {
            return Err(crate::error::Error::internal("a `Command` is made of such an entrypoint only"));
        };
        let (mut live, _stake) = inner.start(&self.app, arguments).await?;
        live.run_command(export).await
    }
}

fn position(app: &App, entrypoint: &EntrypointInner) -> Option<usize> {
    app.entrypoints().position(|other| std::ptr::eq(other, entrypoint))
}
