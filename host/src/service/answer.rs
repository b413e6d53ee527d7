//! "Call this method of this class with these parameters": the one way into guests for every front.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tracing::{Instrument, Level, Span};

use super::bound::Bound;
use super::class::{Class, Method};
use super::keeper::ClassKeeper;
use super::metrics::{ClassMetrics, Timed};
use crate::drain::Working;
use crate::error::{Error, Result};
use crate::instance::{Arguments, Called};
use crate::pool::{Guest, Lease, Nested};
use crate::state::Frame;
use crate::values::Value;

/// The number of an instance, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub(crate) u64);

impl InstanceId {
    /// The number itself, from 1.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What came of a call, and of which instance.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The instance that ran it; `None` when none did.
    pub(crate) instance: Option<InstanceId>,
    /// What the method gave back, of the shape of its [`ok_shape`](crate::component::Function::ok_shape).
    pub(crate) outcome: Result<Value>,
}

/// Whom a call is from: a front, or another call.
#[derive(Clone, Copy, Default)]
pub(super) struct Asker<'a> {
    /// The call itself, if another one made it.
    pub(super) nested: Option<&'a Nested>,
    /// When its callers no longer wait for it.
    pub(super) deadline: Option<Instant>,
}

impl Asker<'_> {
    /// The call as others see it that are made from it.
    pub(super) fn frame(&self, pool: usize) -> Frame {
        let (number, depth) = self.nested.map_or((0, 0), |nested| (nested.number(), nested.depth()));
        Frame { number, depth, pool, deadline: self.deadline, ..Frame::default() }
    }
}

impl Class {
    /// Calls a method in an instance of the pool that the parameters name.
    ///
    /// `parameters` and `arguments` are complete and in the order of their declaration, as the signatures make them.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped while it waits has had no effect; one that is dropped while the guest runs takes its instance
    /// with it, without `exit`. Either way all it held is given back.
    pub(crate) async fn answer(&self, method: Method<'_>, parameters: Vec<Value>, arguments: Vec<Value>) -> Answer {
        self.answer_from(method, parameters, arguments, Asker::default()).await
    }

    /// As [`answer`](Self::answer), for whoever the call is from.
    pub(super) async fn answer_from(
        &self,
        method: Method<'_>,
        mut parameters: Vec<Value>,
        arguments: Vec<Value>,
        from: Asker<'_>,
    ) -> Answer {
        match self.key(&mut parameters) {
            Ok(key) => self.answer_in(&key, || parameters.as_slice().into(), method, arguments, from).await,
            Err(error) => Answer { instance: None, outcome: Err(error) },
        }
    }

    /// Calls a method in an instance of the pool with this key.
    async fn answer_in(
        &self,
        key: &[u8],
        parameters: impl Fn() -> Arc<[Value]>,
        method: Method<'_>,
        arguments: Vec<Value>,
        from: Asker<'_>,
    ) -> Answer {
        let mut timed = self.inner.metrics.begin();
        let span = match tracing::enabled!(Level::DEBUG) {
            true => tracing::debug_span!("call", app = self.app_name(), class = self.name(), method = method.name()),
            false => Span::none(),
        };
        // Pinned where it is, for it is large and a span would move it.
        let answer = {
            let call = pin!(self.call(key, parameters, method, arguments, (from, &mut timed)));
            call.instrument(span.clone()).await
        };
        span.in_scope(|| {
            let instance = answer.instance.map(InstanceId::get);
            let error = answer.outcome.as_ref().err().map(|error| error.kind().as_str());
            tracing::debug!(instance, error, "called");
        });
        timed.ended(answer.outcome.as_ref().err().map(Error::kind));
        answer
    }

    async fn call(
        &self,
        key: &[u8],
        parameters: impl Fn() -> Arc<[Value]>,
        method: Method<'_>,
        arguments: Vec<Value>,
        (from, timed): (Asker<'_>, &mut Timed<&ClassMetrics>),
    ) -> Answer {
        // Dropped in the other order: a shutdown that finds no work finds the instance in its pool, and lets it exit.
        let (_working, mut lease) = match self.lease(key, &parameters, method, &arguments, from).await {
            Ok(leased) => leased,
            Err(error) => return Answer { instance: None, outcome: Err(error) },
        };
        timed.leased(lease.has_waited());
        let instance = Some(InstanceId(lease.id()));
        let frame = from.frame(lease.pool());
        let outcome = match lease.guest() {
            // On the task of the caller, without a hop. The lease goes back when the call has ended, one way or the other.
            Guest::Exclusive(live) => live.call(method.index(), arguments, frame).await,
            Guest::Shared(shared) => match shared.prepare(method.index(), arguments) {
                Ok(arguments) => {
                    let call = self.call_shared(key, parameters, method.index(), arguments, (from, lease));
                    return Box::pin(call).await;
                }
                Err(error) => Err(error),
            },
        };
        Answer { instance, outcome }
    }

    /// Calls a method in a shared instance; in another one where it went before the call had begun.
    async fn call_shared(
        &self,
        key: &[u8],
        parameters: impl Fn() -> Arc<[Value]>,
        method: usize,
        mut arguments: Arguments,
        (from, mut lease): (Asker<'_>, Lease<ClassKeeper>),
    ) -> Answer {
        loop {
            let instance = Some(InstanceId(lease.id()));
            let Guest::Shared(shared) = lease.guest() else {
                let error = Error::internal("a pool of shared instances holds one that is not");
                return Answer { instance, outcome: Err(error) };
            };
            let shared = shared.clone();
            let frame = from.frame(lease.pool());
            arguments = match shared.call(method, arguments, Box::new(lease), frame).await {
                Called::Ended(outcome) => return Answer { instance, outcome },
                Called::NotBegun(arguments) => arguments,
            };
            lease = match self.inner.pools.acquire(key, &parameters, from.nested).await {
                Ok(lease) => lease,
                Err(error) => return Answer { instance: None, outcome: Err(error) },
            };
        }
    }

    async fn lease(
        &self,
        key: &[u8],
        parameters: impl Fn() -> Arc<[Value]>,
        method: Method<'_>,
        arguments: &[Value],
        from: Asker<'_>,
    ) -> Result<(Working, Lease<ClassKeeper>)> {
        self.check_body(method.name(), arguments)?;
        let drain = &self.inner.host.inner.drain;
        // What was called by a call that runs is part of that one.
        let working = if from.nested.is_some() { drain.last_work() } else { drain.work()? };
        Ok((working, self.inner.pools.acquire(key, parameters, from.nested).await?))
    }
}

impl Bound {
    /// What a call does without the call: for benches.
    pub(crate) async fn acquire_and_release(&self) -> Result<()> {
        self.class().inner.pools.acquire(self.key(), || self.parameters(), None).await.map(drop)
    }

    /// As [`Class::answer`], with the parameters that are bound.
    pub(crate) async fn answer(&self, method: Method<'_>, arguments: Vec<Value>) -> Answer {
        self.class().answer_in(self.key(), || self.parameters(), method, arguments, Asker::default()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each connection keeps the future of its request, and moves it once per request.
    #[test]
    fn the_future_of_a_call_is_not_large() {
        fn size<F: Future>(_: &dyn Fn(&'static Class, Method<'static>) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(&|class, method| class.answer(method, Vec::new(), Vec::new()));
        assert!(bytes <= 4 << 10, "{bytes} bytes");
    }
}
