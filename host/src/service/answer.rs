//! "Call this method of this class with these parameters": the one way into guests for every front.

use std::fmt;

use super::class::{Class, Method};
use crate::error::{Error, Result};
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
        let mut timed = self.inner.metrics.begin();
        let instance = match self.bind_values(parameters) {
            Ok(bound) => {
                let started = bound.start().await;
                self.inner.metrics.start_ended(started.is_ok(), timed.elapsed());
                started
            }
            Err(error) => Err(error),
        };
        timed.leased();
        let answer = match instance {
            Ok(instance) => {
                let outcome = instance.call_values(method, arguments).await;
                Answer { instance: Some(InstanceId(instance.id())), outcome }
            }
            Err(error) => Answer { instance: None, outcome: Err(error) },
        };
        timed.ended(answer.outcome.as_ref().err().map(Error::kind));
        answer
    }
}
