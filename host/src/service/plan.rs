//! What the instances of one class have in common before their code is there: settled when the class is loaded.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::code::Code;
use crate::component::{Function, Handler};
use crate::engine::Ticker;
use crate::error::{Error, Result};
use crate::instance::{Blueprint, Bounds, Linked, Replay, Setup};
use crate::state::{Turns, WasiSpec};

/// A `build` hook, with the interface that exports it, or the root.
pub(super) type BuildHook = (Option<String>, Arc<Function>);

/// A class, or an entrypoint, without its code.
#[derive(Clone)]
pub(super) struct Plan {
    /// What its instances see of the world, or why none can be made: an import is missing, a permission was not given.
    pub(super) wasi: Result<WasiSpec>,
    /// The interface of its functions, or the root.
    pub(super) export: Option<String>,
    /// The `build` hooks of every class of the component, in the order of its exports.
    pub(super) builds: Arc<[BuildHook]>,
    pub(super) enter: Option<Arc<Function>>,
    pub(super) exit: Option<Arc<Function>>,
    pub(super) methods: Vec<Arc<Function>>,
    /// What answers `wasi:http` requests.
    pub(super) handler: Option<Handler>,
    pub(super) bounds: Bounds,
    pub(super) ticker: Arc<Ticker>,
    /// Those of the app.
    pub(super) turns: Turns,
    /// Cancelled when the host stops waiting for running calls.
    pub(super) stop: CancellationToken,
}

impl Plan {
    /// The blueprint of instances in which `build` runs first.
    ///
    /// # Errors
    ///
    /// Why no instance can be made; `internal` where the code is not that of the component which was examined.
    pub(super) fn on(&self, code: &Code) -> Result<Blueprint> {
        let builds = self.builds.iter().map(|(export, hook)| linked(code, export.as_deref(), hook));
        let builds = builds.collect::<Result<_>>()?;
        Ok(Blueprint { builds, ..self.linked(code, self.wasi.clone()?, None)? })
    }

    /// The blueprint of instances that begin where `build` ended.
    ///
    /// # Errors
    ///
    /// As [`on`](Self::on).
    pub(super) fn on_snapshot(&self, code: &Code, wasi: WasiSpec, handles: Arc<Replay>) -> Result<Blueprint> {
        self.linked(code, wasi, Some(handles))
    }

    fn linked(&self, code: &Code, wasi: WasiSpec, handles: Option<Arc<Replay>>) -> Result<Blueprint> {
        let find = |function: &Arc<Function>| linked(code, self.export.as_deref(), function);
        Ok(Blueprint {
            setup: Setup { pre: code.pre.clone(), wasi, handles },
            builds: Vec::new(),
            enter: self.enter.as_ref().map(find).transpose()?,
            exit: self.exit.as_ref().map(find).transpose()?,
            methods: self.methods.iter().map(find).collect::<Result<_>>()?,
            #[cfg(feature = "http")]
            handler: self.handler.as_ref().map(|handler| linked_handler(code, handler)).transpose()?,
            bounds: self.bounds,
            ticker: self.ticker.clone(),
            turns: self.turns.clone(),
            stop: self.stop.clone(),
        })
    }
}

fn linked(code: &Code, export: Option<&str>, function: &Arc<Function>) -> Result<Linked> {
    Linked::find(&code.component, export, function)
        .ok_or_else(|| Error::internal(format!("`{}` is not in the code of its component", function.name)))
}

#[cfg(feature = "http")]
fn linked_handler(code: &Code, handler: &Handler) -> Result<crate::instance::LinkedHandler> {
    crate::instance::LinkedHandler::find(&code.component, &handler.export)
        .ok_or_else(|| Error::internal(format!("`{}` is not in the code of its component", handler.export)))
}
