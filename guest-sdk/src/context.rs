//! Who the guest is, and what it does at the moment.
//!
//! ```no_run
//! use wasmhost_guest::{Result, context};
//!
//! fn pool() -> Result<String> {
//!     let name: Option<String> = context::parameters().get("name")?;
//!     Ok(format!("{} of {}", name.unwrap_or_default(), context::app()))
//! }
//! ```

use std::time::Duration;

use crate::error::{Error, Result};
use crate::host::context;
use crate::json::Reader;
use crate::value::Value;

/// Returns the name of the app.
#[must_use]
pub fn app() -> String {
    context::app()
}

/// Returns the app's version; `None` of an app that is not deployed.
#[must_use]
pub fn version() -> Option<u64> {
    context::version()
}

/// Returns the class that the instance was made for; `None` in `#[build]` and in entrypoints.
#[must_use]
pub fn class() -> Option<String> {
    context::class()
}

/// Returns the parameters that the instance is entered with, defaults filled in; none in `#[build]` and in entrypoints.
#[must_use]
pub fn parameters() -> Parameters {
    Parameters(context::parameters())
}

/// Returns the id of the call that runs, unique in the host; `None` outside of calls. Calls that it makes have others.
#[must_use]
pub fn call_id() -> Option<String> {
    context::call_id()
}

/// Returns the time that is left to the call; `None` where nothing ends it. A call that another one makes ends no later
/// than that one.
#[must_use]
pub fn deadline() -> Option<Duration> {
    context::deadline().map(Duration::from_nanos)
}

/// The parameters of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(String);

impl Parameters {
    /// Returns a parameter by its name in WIT; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If it is no `T`.
    pub fn get<T: Value>(&self, name: &str) -> Result<Option<T>> {
        let read = Reader::member(&self.0, name);
        read.map_err(|unread| Error::new(format!("the parameter `{name}` is of another type: {unread} of {}", self.0)))
    }

    /// Returns all of them as one JSON object.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_by_name_and_type() {
        let parameters = Parameters(r#"{"foo":"x","bar":10}"#.to_owned());
        assert_eq!(parameters.get("bar").unwrap(), Some(10_i64));
        assert_eq!(parameters.get::<i64>("baz").unwrap(), None);
        let error = parameters.get::<i64>("foo").unwrap_err();
        assert!(error.text().starts_with("the parameter `foo` is of another type"), "{error:?}");
    }
}
