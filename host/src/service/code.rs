//! The code of a component as it came: on disk when the app is loaded, mapped when the first instance needs it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::OnceCell;
use wasmtime::component::{Component, InstancePre};

use super::HostInner;
use crate::artifact::{Digest, Order, Task};
use crate::engine::EngineKind;
use crate::error::{Error, Result};
use crate::state::State;

/// Code that instances can be made of.
pub(super) struct Code {
    pub(super) component: Component,
    pub(super) pre: InstancePre<State>,
}

impl Code {
    /// Links what was mapped.
    ///
    /// # Errors
    ///
    /// `internal`: it was linked before, when it was examined.
    pub(super) fn link(host: &HostInner, component: Component, kind: EngineKind) -> Result<Self> {
        let pre = host.linkers.get(kind)?.instantiate_pre(&component);
        let pre = pre.map_err(|error| Error::internal(format!("a component cannot be linked: {error:#}")))?;
        Ok(Self { component, pre })
    }
}

/// A component of an app, and its code once somebody needs it.
pub(super) struct ComponentCode {
    pub(super) host: Weak<HostInner>,
    /// The file it came from, if it came from one.
    pub(super) source: Option<PathBuf>,
    /// For messages.
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) kind: EngineKind,
    pub(super) mapped: OnceCell<Arc<Code>>,
}

impl ComponentCode {
    /// Sees to it that the code is on disk.
    ///
    /// # Errors
    ///
    /// `bad-request` where the component cannot be compiled.
    pub(super) async fn ensure(self: &Arc<Self>) -> Result<()> {
        if self.mapped.initialized() {
            return Ok(());
        }
        self.blocking(|code, host| {
            let engine = host.linkers.engines().get(code.kind)?;
            match code.of_store(host, host.store.has_code(&code.digest, code.kind, engine))? {
                Some(_) => Ok(()),
                None => code.perform(host, Task::Compile(code.kind)),
            }
        })
        .await
    }

    /// The code, verified and mapped.
    ///
    /// # Errors
    ///
    /// As [`ensure`](Self::ensure).
    pub(super) async fn get(self: &Arc<Self>) -> Result<Arc<Code>> {
        let mapped =
            self.mapped.get_or_try_init(|| self.blocking(|code, host| code.map(host, &code.digest).map(Arc::new)));
        mapped.await.cloned()
    }

    fn map(&self, host: &HostInner, digest: &Digest) -> Result<Code> {
        let engine = host.linkers.engines().get(self.kind)?;
        let component = match self.of_store(host, host.store.map_code(digest, self.kind, engine))? {
            Some(component) => component,
            None => {
                self.perform(host, Task::Compile(self.kind))?;
                let mapped = self.of_store(host, host.store.map_code(digest, self.kind, engine));
                mapped?.ok_or_else(|| Error::internal("the code of a component is gone right after it was written"))?
            }
        };
        Code::link(host, component, self.kind)
    }

    /// What the store gave, or what went wrong there.
    pub(super) fn of_store<T>(&self, host: &HostInner, given: io::Result<T>) -> Result<T> {
        given.map_err(|error| host.store.failed(&self.name, error))
    }

    /// Has something done with the component. Blocks.
    pub(super) fn perform(&self, host: &HostInner, task: Task) -> Result<()> {
        let order = Order { name: self.name.clone(), component: self.digest, task };
        let performed = host.perform(&order);
        // A copy that was damaged, or that somebody removed, is made again of the file it came from.
        if performed.is_err() && !host.store.has_bytes(&self.digest) && self.restore_bytes(host) {
            return host.perform(&order);
        }
        performed
    }

    fn restore_bytes(&self, host: &HostInner) -> bool {
        let bytes = self.source.as_ref().and_then(|source| std::fs::read(source).ok());
        bytes.is_some_and(|bytes| {
            Digest::of(&bytes) == self.digest && host.store.keep_bytes(&self.digest, &bytes).is_ok()
        })
    }

    /// Does something that takes long off the runtime's workers.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &HostInner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let host = self.host.upgrade().ok_or_else(|| Error::internal("the host is gone"))?;
        let code = self.clone();
        let working = tokio::task::spawn_blocking(move || work(&code, &host));
        working.await.map_err(|error| Error::internal(format!("preparing a component failed: {error}")))?
    }
}
