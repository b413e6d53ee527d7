//! Which functions of a class are its hooks: by name, if the type fits.
//!
//! A function that has a hook's name but not its type stays a method, and the reason is kept for `inspect`.

use std::sync::Arc;

use super::Function;
use crate::error::{Error, Result};
use crate::values::{Shape, describe};

/// The functions of one class, sorted.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Runs once per component before any instance is entered.
    pub(crate) build: Option<Arc<Function>>,
    /// Runs once per instance with the parameters, before its first call.
    pub(crate) enter: Option<Arc<Function>>,
    /// Runs once per entered instance, before it goes.
    pub(crate) exit: Option<Arc<Function>>,
    /// Runs instead of `enter` in an instance that starts from the state after it.
    pub(crate) restore: Option<Arc<Function>>,
    pub(crate) methods: Vec<Arc<Function>>,
    pub(crate) near_misses: Vec<NearMiss>,
}

/// A method with the name of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearMiss {
    /// The method.
    pub(crate) name: String,
    /// The hook it would have been.
    pub(crate) hook: &'static str,
    pub(crate) reason: String,
}

/// What the settings say of one hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// The function that is the hook; `None` where it is turned off.
    pub(crate) function: Option<&'a str>,
    /// Whether somebody wrote that name, so that the function has to be there.
    pub(crate) is_explicit: bool,
}

/// What the settings say of every hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) build: Wish<'a>,
    pub(crate) enter: Wish<'a>,
    pub(crate) exit: Wish<'a>,
    pub(crate) restore: Wish<'a>,
}

/// Sorts the functions of the class `class`.
///
/// # Errors
///
/// `bad-request` when the manifest names a function as a hook that is not there or has another type: what is named is meant.
pub(crate) fn sort(class: &str, functions: Vec<Function>, wishes: Wishes<'_>) -> Result<Sorted> {
    let mut sorted = Sorted { methods: functions.into_iter().map(Arc::new).collect(), ..Sorted::default() };
    sorted.enter = sorted.take(class, "enter", wishes.enter, returns_nothing)?;
    sorted.build = sorted.take(class, "build", wishes.build, takes_nothing)?;
    sorted.exit = sorted.take(class, "exit", wishes.exit, takes_nothing)?;
    let enter = sorted.enter.clone();
    sorted.restore = sorted.take(class, "restore", wishes.restore, |function| {
        let parameters = enter.as_ref().map_or(&[][..], |enter| &enter.parameters);
        if function.parameters.is_empty() || function.parameters == parameters {
            returns_nothing(function)
        } else {
            Err("it takes neither nothing nor the arguments of `enter`".to_owned())
        }
    })?;
    Ok(sorted)
}

impl Sorted {
    /// Whether the class has any hook at all.
    pub(crate) fn has_hooks(&self) -> bool {
        [&self.build, &self.enter, &self.exit, &self.restore].iter().any(|hook| hook.is_some())
    }

    fn take(
        &mut self,
        class: &str,
        hook: &'static str,
        wish: Wish<'_>,
        fits: impl Fn(&Function) -> Result<(), String>,
    ) -> Result<Option<Arc<Function>>> {
        let Some(wanted) = wish.function else { return Ok(None) };
        let refuse = |reason: &str| {
            Err(Error::bad_request(format!("`class.{class}.hooks.{hook}` names the function `{wanted}`, but {reason}")))
        };
        // One function may be several hooks, where somebody wrote so.
        let hooks = [&self.build, &self.enter, &self.exit].into_iter().flatten().filter(|_| wish.is_explicit);
        let Some(function) = self.methods.iter().chain(hooks).find(|function| function.name == wanted).cloned() else {
            return if wish.is_explicit { refuse("the class has no callable function of that name") } else { Ok(None) };
        };
        match fits(&function) {
            Ok(()) => {
                self.methods.retain(|method| !Arc::ptr_eq(method, &function));
                Ok(Some(function))
            }
            Err(reason) if wish.is_explicit => refuse(&reason),
            Err(reason) => {
                self.near_misses.push(NearMiss { name: wanted.to_owned(), hook, reason });
                Ok(None)
            }
        }
    }
}

fn takes_nothing(function: &Function) -> Result<(), String> {
    if let Some((name, _)) = function.parameters.first() {
        return Err(format!("it takes an argument (`{name}`), and this hook takes none"));
    }
    returns_nothing(function)
}

fn returns_nothing(function: &Function) -> Result<(), String> {
    match &function.result {
        Shape::Unit => Ok(()),
        Shape::Result(ok, _) if **ok == Shape::Unit => Ok(()),
        other => Err(format!(
            "it returns `{}`, and a hook returns nothing or a `result` whose ok is empty",
            describe::wit(other)
        )),
    }
}
