//! A class of an app: its parameters, its methods, and what a call has to bring.

use std::sync::Arc;

use serde::Serialize;

use super::Host;
use super::bound::Bound;
use super::keeper::ClassKeeper;
use super::metrics::ClassMetrics;
use super::plan::Plan;
use super::siblings::Siblings;
use super::world::World;
use crate::component::hooks::{NearMiss, Sorted};
use crate::component::{Function, Handler, Uncallable};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{ClassSettings, MinInstances};
use crate::pool::Pools;
use crate::values::json::Json;
use crate::values::{Limits, Signature, Value, canonical, describe};

/// A class: a WIT interface with its hooks and typed methods, or the functions at a component's root.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Class {
    pub(super) inner: Arc<ClassInner>,
    /// Held, so that its instances find the others of their app for as long as somebody can call it.
    pub(super) _siblings: Arc<Siblings>,
}

pub(super) struct ClassInner {
    pub(super) host: Host,
    pub(super) app: String,
    pub(super) name: String,
    /// The interface's name as the component exports it; `None` for the root's functions.
    pub(super) export: Option<String>,
    /// The name of its component in the manifest.
    pub(super) component: String,
    pub(super) settings: ClassSettings,
    pub(super) plan: Arc<Plan>,
    pub(super) hooks: Sorted,
    pub(super) parameters: Signature,
    /// The arguments of each method, in the order of the plan's methods.
    pub(super) arguments: Vec<Signature>,
    pub(super) uncallable: Vec<Uncallable>,
    pub(super) handler: Option<Handler>,
    pub(super) pools: Pools<ClassKeeper>,
    pub(super) metrics: Arc<ClassMetrics>,
    /// Holds the class's files in place.
    pub(super) _world: Option<Arc<World>>,
}

impl std::fmt::Debug for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ClassInner { app, name, .. } = &*self.inner;
        f.debug_struct("Class").field("app", app).field("name", name).finish_non_exhaustive()
    }
}

impl Class {
    /// The class's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What the class is for, in Markdown, where its manifest says.
    pub fn docs(&self) -> Option<&str> {
        self.inner.settings.docs.as_deref()
    }

    /// The parameters, in the order of the arguments of `enter`.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = Argument<'_>> {
        arguments(&self.inner.parameters, &self.inner.settings.parameter_docs)
    }

    /// The methods that can be called, in the order of the interface.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = Method<'_>> {
        (0..self.inner.arguments.len()).map(|index| Method { class: self, index })
    }

    /// Finds a method by name, with `_` = `-`.
    ///
    /// # Errors
    ///
    /// `not-found`, naming the nearest methods, or why one of that name cannot be called.
    pub fn method(&self, name: &str) -> Result<Method<'_>> {
        let methods = &self.inner.plan.methods;
        if let Some(index) = methods.iter().position(|method| crate::values::same(&method.name, name)) {
            return Ok(Method { class: self, index });
        }
        let wanted = name.replace('_', "-");
        if let Some(uncallable) = self.inner.uncallable.iter().find(|uncallable| uncallable.name == wanted) {
            return Err(Error::bad_request(format!(
                "`{}.{wanted}` cannot be called: {}",
                self.name(),
                uncallable.reason
            )));
        }
        let known: Vec<_> = self.methods().map(|method| method.name().to_owned()).collect();
        let what = format!("the class `{}` has no method `{name}`", self.name());
        Err(super::known::unknown(what, name, &known, "methods"))
    }

    /// The method at this place among [`methods`](Self::methods).
    #[cfg(feature = "http")]
    pub(crate) fn method_at(&self, index: usize) -> Method<'_> {
        Method { class: self, index }
    }

    /// Binds the class with parameters: a struct or map by name, a tuple or list by position, `()` for the defaults.
    ///
    /// Names are compared with `_` = `-`; what is left out has its default. Two that are equal after that belong to one pool.
    ///
    /// # Errors
    ///
    /// `bad-request` for a name that is unknown, missing or repeated, a value of another type, or a NaN; `too-large` over
    /// 16 KiB of parameters.
    pub fn bind<P: Serialize + ?Sized>(&self, parameters: &P) -> Result<Bound> {
        self.bind_values(self.inner.parameters.from_serde(parameters, &self.limits())?)
    }

    pub(crate) fn bind_values(&self, mut values: Vec<Value>) -> Result<Bound> {
        let key = self.key(&mut values)?;
        Ok(Bound::new(self.clone(), values, key))
    }

    /// The key of the pool that these parameters name; they are brought into the form that belongs to it.
    pub(super) fn key(&self, parameters: &mut [Value]) -> Result<Vec<u8>> {
        canonical::normalize(&self.inner.parameters, parameters);
        Ok(canonical::encode(&self.inner.parameters, parameters)?)
    }

    /// Starts what the class keeps ready although nobody calls.
    ///
    /// # Errors
    ///
    /// `bad-request` when `min-instances` names parameters that do not fit.
    pub(super) fn keep_ready(&self) -> Result<()> {
        for (parameters, instances) in self.kept()? {
            self.inner.pools.keep(parameters.key(), instances, || parameters.parameters())?;
        }
        Ok(())
    }

    /// The parameters for which instances are kept, and how many.
    ///
    /// # Errors
    ///
    /// `bad-request` when they do not fit.
    pub(super) fn kept(&self) -> Result<Vec<(Bound, u32)>> {
        let about = |error: Error| error.wrap(ErrorKind::BadRequest, &format!("`class.{}.min-instances`", self.name()));
        match &self.inner.settings.min_instances {
            MinInstances::Count(count) if count.get() == 0 => Ok(Vec::new()),
            MinInstances::Count(count) if self.inner.parameters.is_empty() => Ok(vec![(self.bind(&())?, count.get())]),
            MinInstances::Count(_) => Err(about(Error::bad_request(
                "the class has parameters, so that it has to say for which: `[{ parameters = { … }, count = 1 }]`",
            ))),
            MinInstances::Listed(listed) => {
                listed.iter().map(|warm| Ok((self.bind(&warm.parameters).map_err(about)?, warm.count.get()))).collect()
            }
        }
    }

    /// Why `build` runs in each instance, in plain words, where no snapshot could be taken after it.
    pub fn without_snapshot(&self) -> Option<String> {
        self.inner.pools.keeper().prepared.fallback()
    }

    /// The name of the app it belongs to.
    pub fn app_name(&self) -> &str {
        &self.inner.app
    }

    pub(crate) fn settings(&self) -> &ClassSettings {
        &self.inner.settings
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.plan.bounds.values
    }

    pub(crate) fn parameter_signature(&self) -> &Signature {
        &self.inner.parameters
    }

    pub(super) fn near_misses(&self) -> &[NearMiss] {
        &self.inner.hooks.near_misses
    }

    /// Refuses arguments that are larger together than the host allows.
    pub(crate) fn check_body(&self, method: &str, arguments: &[Value]) -> Result<()> {
        let max = self.inner.host.inner.config.max_body_bytes;
        let size: usize = arguments.iter().map(Value::payload_bytes).sum();
        if size <= max {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the arguments of `{method}` are {size} bytes and may be {max} together; the setting is `max-body`"
            ),
        )
        .with_limit("max-body", max.to_string()))
    }
}

/// A method of a class.
#[derive(Clone, Copy, Debug)]
pub struct Method<'a> {
    class: &'a Class,
    index: usize,
}

impl<'a> Method<'a> {
    /// The method's name, as WIT spells it.
    pub fn name(&self) -> &'a str {
        &self.function().name
    }

    /// What the method does, in Markdown, where its manifest says.
    pub fn docs(&self) -> Option<&'a str> {
        self.settings().and_then(|settings| settings.docs.as_deref())
    }

    /// The method as WIT writes it: `baz: func(qux: string) -> string`.
    pub fn signature(&self) -> String {
        self.function().signature()
    }

    /// The arguments, in the order of the declaration.
    pub fn arguments(&self) -> Vec<Argument<'a>> {
        static NO_DOCS: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        let docs = self.settings().map_or(&NO_DOCS, |settings| &settings.argument_docs);
        arguments(self.argument_signature(), docs).collect()
    }

    /// Whether it is an `async func`.
    pub fn is_async(&self) -> bool {
        self.function().is_async
    }

    /// The requests it answers once served, such as `GET /users/{id}`.
    pub fn web(&self) -> Option<String> {
        self.settings().and_then(|settings| settings.web.as_ref()).map(ToString::to_string)
    }

    pub(crate) fn argument_signature(&self) -> &'a Signature {
        &self.class.inner.arguments[self.index]
    }

    pub(crate) fn function(&self) -> &'a Function {
        &self.class.inner.plan.methods[self.index]
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn settings(&self) -> Option<&'a crate::manifest::MethodSettings> {
        self.class.inner.settings.methods.get(self.name())
    }
}

/// A parameter of a class or an argument of a method.
#[derive(Clone, Debug, Serialize)]
pub struct Argument<'a> {
    /// Its name, as WIT spells it.
    pub name: &'a str,
    /// Its type as WIT, with the types it is made of in place.
    pub r#type: String,
    /// What it needs, in plain words: `a whole number from 0 to 255`.
    pub needs: String,
    /// Its default, as JSON. An `option` has none and may be left out all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// Whether it has to be given.
    pub required: bool,
    /// What it means, in Markdown, where the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<&'a str>,
}

pub(super) fn arguments<'a>(
    signature: &'a Signature,
    docs: &'a std::collections::BTreeMap<String, String>,
) -> impl ExactSizeIterator<Item = Argument<'a>> {
    signature.iter().map(|(name, shape)| {
        let default = signature.default_of(name);
        Argument {
            name,
            r#type: describe::wit(shape),
            needs: describe::plain(shape),
            default: default.and_then(|value| serde_json::to_value(Json { value, shape }).ok()),
            required: default.is_none() && !shape.is_option(),
            docs: docs.get(name).map(String::as_str),
        }
    })
}
