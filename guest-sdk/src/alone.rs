//! The state of an instance that runs one call at a time.
//!
//! It knows no waiting: whoever finds the state taken has been called against the contract.

use std::cell::{Ref, RefCell, RefMut};
use std::ops::{Deref, DerefMut};

const GONE: &str = "the host calls no method after `exit`";
const BUSY: &str = "the host makes one call at a time in an instance with `concurrency = 1`";

/// A state that one call has at a time.
#[derive(Debug)]
pub struct Alone<T> {
    /// Empty once `exit` took it.
    value: RefCell<Option<T>>,
}

impl<T> Alone<T> {
    /// Makes a place with the state in it.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { value: RefCell::new(Some(value)) }
    }

    /// Lends the state for reading.
    ///
    /// # Panics
    ///
    /// If somebody changes it, or it was taken.
    #[must_use]
    pub fn shared(&self) -> Ref<'_, T> {
        self.try_shared().expect(BUSY)
    }

    /// Lends the state for changing.
    ///
    /// # Panics
    ///
    /// If somebody else has it, or it was taken.
    #[must_use]
    pub fn exclusive(&self) -> Changing<'_, T> {
        self.try_exclusive().expect(BUSY)
    }

    /// Lends the state for reading, unless somebody changes it.
    pub(crate) fn try_shared(&self) -> Option<Ref<'_, T>> {
        Some(Ref::map(self.value.try_borrow().ok()?, |value| value.as_ref().expect(GONE)))
    }

    /// Lends the state for changing, unless somebody has it.
    pub(crate) fn try_exclusive(&self) -> Option<Changing<'_, T>> {
        let value = self.value.try_borrow_mut().ok()?;
        assert!(value.is_some(), "{GONE}");
        Some(Changing(value))
    }
}

/// The state, for changing.
#[derive(Debug)]
pub struct Changing<'a, T>(RefMut<'a, Option<T>>);

impl<T> Changing<'_, T> {
    /// Takes the state for good.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    #[must_use]
    pub fn take(mut self) -> T {
        self.0.take().expect(GONE)
    }
}

impl<T> Deref for Changing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(GONE)
    }
}

impl<T> DerefMut for Changing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(GONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changes_it_or_several_read_it() {
        let state = Alone::new(1);
        *state.exclusive() += 1;
        let (one, two) = (state.shared(), state.shared());
        assert_eq!(*one + *two, 4);
        assert!(state.try_exclusive().is_none());
    }

    #[test]
    fn what_was_taken_is_gone() {
        let state = Alone::new(String::from("state"));
        assert_eq!(state.exclusive().take(), "state");
        let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(state.shared())));
        assert!(gone.is_err());
    }
}
