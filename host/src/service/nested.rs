//! Calls that guests make: from names and JSON to the class that is meant, on a task of its own, and back.
//!
//! ```text
//!  guest ─▶ state::calls ─▶ Way ── class, method, values ──▶ task: lease, call ─▶ JSON
//!                            └── waits: which call waits for which
//! ```
//! A nested call has a lease of its own, and counts as any other call. It ends with its caller: dropped with what waits for
//! it, and no later than its caller's deadline. Until a shutdown stops waiting for calls, those that run may make others.

use std::sync::Weak;
use std::time::Instant;

use tokio::runtime::Handle;
use tracing::Instrument;

use super::HostInner;
use super::answer::Asker;
use super::class::{Class, Method};
use super::siblings::Siblings;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Name;
use crate::pool::{Caller, Nested};
use crate::state::{Frame, Peers, Pending, Request};
use crate::values::{Value, json};

/// From the instances of one app to other classes.
pub(super) struct Way {
    pub(super) host: Weak<HostInner>,
    pub(super) siblings: Weak<Siblings>,
    /// Other apps that may be called.
    pub(super) allowed: Vec<Name>,
}

impl Peers for Way {
    fn number(&self) -> u64 {
        self.host.upgrade().map_or(0, |host| host.next_call())
    }

    fn call(&self, frame: &Frame, request: Request) -> Pending {
        match self.begin(frame, request) {
            Ok(task) => Box::pin(async move { task.await? }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Way {
    fn begin(&self, frame: &Frame, request: Request) -> Result<crate::drain::Task<Result<String>>> {
        let gone = || Error::new(ErrorKind::Draining, "the app of the calling guest is gone");
        let host = self.host.upgrade().ok_or_else(gone)?;
        let class = self.siblings.upgrade().ok_or_else(gone)?.find(&request.class, &self.allowed)?;
        let Frame { number, depth, pool, is_shared, .. } = *frame;
        let caller = Caller { number, depth, pool, is_alone: !is_shared };
        let nested = host.waits.begin(&caller, host.next_call())?;
        let deadline = frame.deadline;
        let span = tracing::debug_span!("nested", caller = frame.number, call = nested.number());
        // A store cannot be entered from within another one's host function: wasmtime's state is one for each thread.
        let work = async move { answer(&class, &request, nested, deadline).await };
        Ok(host.drain.spawn_nested_on(&Handle::current(), work.instrument(span)))
    }
}

/// Makes the call. What comes back is JSON.
async fn answer(class: &Class, request: &Request, nested: Nested, deadline: Option<Instant>) -> Result<String> {
    let method = class.method(&request.method)?;
    let (parameters, arguments) = values(class, method, request)?;
    let from = Asker { nested: Some(&nested), deadline };
    let called = class.answer_from(method, parameters, arguments, from);
    let answer = match deadline {
        None => called.await,
        Some(at) => tokio::time::timeout_at(at.into(), called).await.map_err(|_| {
            let message = format!("`{}` ran longer than its caller had left; the setting is `timeout`", method.name());
            Error::new(ErrorKind::TimedOut, message)
        })?,
    };
    let text = json::write(&answer.outcome?, method.function().ok_shape())?;
    String::from_utf8(text).map_err(|error| Error::internal(format!("an answer is no JSON: {error}")))
}

fn values(class: &Class, method: Method<'_>, request: &Request) -> Result<(Vec<Value>, Vec<Value>)> {
    let limits = class.limits();
    let parameters = class.parameter_signature().from_json(request.parameters.as_bytes(), &limits)?;
    let arguments = method.argument_signature().from_json(request.arguments.as_bytes(), &limits)?;
    Ok((parameters, arguments))
}
