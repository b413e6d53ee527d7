//! Calls of classes that are known by name only: of other components and other apps.

use std::fmt;
use std::marker::PhantomData;

use super::{Answer, Call, CallError};
use crate::json::{Fields, Writer};
use crate::value::Value;

/// Names a class to call: one of this app, or `"other-app/my-class"` of another one that the host serves and that the
/// setting `allow_calls` names.
///
/// For classes of this component there is `my_class::call()`, which knows their parameters, methods and types. Here all
/// of that is checked when the call is made. Names are spelled as in WIT, and `_` is as good as `-`.
///
/// In the module of a class `call` is that class's own; there this one is `wasmhost_guest::call`.
///
/// ```no_run
/// use wasmhost_guest::prelude::*;
///
/// async fn greeting() -> Result<String> {
///     let text: String = call("greeter").parameter("name", "Ann").method("greet").argument("times", 3).await?;
///     let length: u32 = call("other-app/words").method("count").argument("text", &*text).await?;
///     Ok(format!("{text} has {length} words"))
/// }
/// ```
#[must_use = "a class is called by one of its methods"]
pub fn call(class: impl Into<String>) -> ClassByName {
    ClassByName { class: class.into(), parameters: Fields::new() }
}

/// A value of an argument or parameter that is given by name: any [`Value`], and `&str`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of values",
    label = "write a value: a scalar, a text, a list, or a type with `#[derive(Value)]`"
)]
pub trait Argument {
    /// Returns the value as JSON.
    #[doc(hidden)]
    fn json(&self) -> String;
}

impl<T: Value> Argument for T {
    fn json(&self) -> String {
        Writer::text(self)
    }
}

impl Argument for &str {
    fn json(&self) -> String {
        let mut json = Writer::default();
        json.string(self);
        json.into_text()
    }
}

/// A class, and the parameters given so far.
#[derive(Debug)]
#[must_use = "a class is called by one of its methods"]
pub struct ClassByName {
    class: String,
    parameters: Fields,
}

impl ClassByName {
    /// Gives a parameter. Those with a default may be left out.
    pub fn parameter(mut self, name: &str, value: impl Argument) -> Self {
        self.parameters.put_json(name, &value.json());
        self
    }

    /// Names the method. `T` is what it returns, and if it is a `Result`, the ok side of that.
    pub fn method<T: Value>(self, name: impl Into<String>) -> MethodByName<T> {
        let Self { class, parameters } = self;
        MethodByName { class, method: name.into(), parameters, arguments: Fields::new(), answer: PhantomData }
    }
}

/// A method, and the arguments given so far. Awaiting it makes the call.
#[must_use = "a call is made when it is awaited, or by `wait`"]
pub struct MethodByName<T> {
    class: String,
    method: String,
    parameters: Fields,
    arguments: Fields,
    answer: PhantomData<fn() -> T>,
}

impl<T: Value> MethodByName<T> {
    /// Gives an argument. Those with a default may be left out.
    pub fn argument(mut self, name: &str, value: impl Argument) -> Self {
        self.arguments.put_json(name, &value.json());
        self
    }

    /// Makes the call and waits for its answer: see [`Call::wait`].
    ///
    /// # Errors
    ///
    /// If the method returned an error, or the call could not be made or did not end well.
    pub fn wait(self) -> Result<T, CallError> {
        self.into_call().wait()
    }

    fn into_call(self) -> Call<T> {
        Call::new(self.class, self.method, self.parameters, self.arguments)
    }
}

impl<T: Value> IntoFuture for MethodByName<T> {
    type Output = Result<T, CallError>;
    type IntoFuture = Answer<T>;

    fn into_future(self) -> Answer<T> {
        self.into_call().into_future()
    }
}

impl<T> fmt::Debug for MethodByName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, method, parameters, arguments, answer: _ } = self;
        let mut fields = f.debug_struct("MethodByName");
        fields.field("class", class).field("method", method);
        fields.field("parameters", parameters).field("arguments", arguments).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_by_name_is_json_by_name() {
        let method = call("c").parameter("foo", "x").parameter("bar", 10_i64).method::<()>("m");
        let method = method.argument("list", vec![1.5]).argument("none", None::<u8>);
        let request = method.into_call().request;
        assert_eq!((&*request.class, &*request.method), ("c", "m"));
        assert_eq!(request.parameters.finish(), r#"{"foo":"x","bar":10}"#);
        assert_eq!(request.arguments.finish(), r#"{"list":[1.5],"none":null}"#);
    }
}
