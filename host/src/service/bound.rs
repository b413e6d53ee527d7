//! A class bound with parameters: what a call is made on.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, InstanceId};
use super::class::{Class, Method};
use super::instance::Instance;
use crate::error::{Error, Result};
use crate::values::{Value, from_value};

/// A class with a value for each parameter. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bound {
    class: Class,
    parameters: Arc<[Value]>,
    key: Arc<[u8]>,
}

/// What a method gave back, and which instance it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<R> {
    /// The result, or the ok side of it.
    pub value: R,
    /// The instance that ran the call.
    pub instance: InstanceId,
}

impl Bound {
    pub(super) fn new(class: Class, parameters: Vec<Value>, key: Vec<u8>) -> Self {
        Self { class, parameters: parameters.into(), key: key.into() }
    }

    /// The class.
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// The parameters in their canonical encoding, at most 16 KiB: equal for two bindings of a class exactly when their
    /// values are, with defaults filled in.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Calls a method in an instance of the pool that the parameters name: one that is warm, else one that is started and
    /// entered for it. Afterwards it is idle, ready for the next call, and exits when it was idle for too long.
    ///
    /// `arguments` is a struct or map by name, a tuple or list by position, or `()` for none. `R` is what the method
    /// returns, or the ok side of its `result`.
    ///
    /// A `list<u8>` may be a `Vec<u8>` on both sides, which serde hands over byte by byte: 30 ns each. From a few KiB on take
    /// a type that serializes as bytes, such as those of the crate `serde_bytes`: then it is one copy in and none out.
    ///
    /// # Errors
    ///
    /// `returned-error` with the method's own error; `bad-request` or `too-large` for arguments that do not fit, before
    /// anything starts; `overloaded` when no instance became free in time; `build-failed`, `enter-failed`, `trapped`, `memory-exceeded` or `timed-out` from the guest;
    /// `bad-request` when the result does not fit `R`; `draining` after a shutdown began.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped while the guest runs, the instance goes without `exit`.
    pub async fn call<A, R>(&self, method: &str, arguments: &A) -> Result<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        Ok(self.reply(method, arguments).await?.value)
    }

    /// As [`call`](Self::call), and says which instance it was.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn reply<A, R>(&self, method: &str, arguments: &A) -> Result<Reply<R>>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let method = self.class.method(method)?;
        let arguments = method.argument_signature().from_serde(arguments, &self.class.limits())?;
        let Answer { instance, outcome } = self.answer(method, arguments).await;
        let value = from_value(outcome?, ok_shape(method))?;
        let instance = instance.ok_or_else(|| Error::internal("a value came from no instance"))?;
        Ok(Reply { value, instance })
    }

    pub(crate) async fn call_values(&self, method: Method<'_>, arguments: Vec<Value>) -> Result<Value> {
        self.answer(method, arguments).await.outcome
    }

    pub(super) fn parameters(&self) -> Arc<[Value]> {
        self.parameters.clone()
    }

    /// Starts an instance outside of any pool and enters it, for any number of calls by whoever holds it.
    ///
    /// # Errors
    ///
    /// `build-failed`, `enter-failed` or `memory-exceeded` from the hooks, `overloaded` when the host's instances are all in
    /// use, `draining` after a shutdown began.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the instance goes without `exit`.
    pub async fn start(&self) -> Result<Instance> {
        let host = &self.class.inner.host;
        let _working = host.inner.drain.work()?;
        let stake = self.class.inner.pools.app().reserve(self.class.settings().wait_timeout).await?;
        let (id, live) = self.class.inner.pools.keeper().start_live(&self.parameters).await?;
        Ok(Instance::new(self.class.clone(), id, live, stake))
    }

    pub(crate) async fn blueprint(&self) -> Result<std::sync::Arc<crate::instance::Blueprint>> {
        self.class.inner.pools.keeper().prepared.blueprint().await
    }
}

/// The shape of what a call of the method gives back: its result, or the ok side of it.
pub(crate) fn ok_shape(method: Method<'_>) -> &crate::values::Shape {
    method.function().ok_shape()
}
