//! Where the state of an instance is, between `#[enter]` and the end.

use std::cell::Cell;

use crate::lock::Lock;

/// A place for the state of an instance.
///
/// An instance is entered once, so what is put here stays until its memory goes. It is leaked for that: a place without
/// anything to drop costs a call no check of whether it is still there.
#[derive(Debug)]
pub struct Slot<T: 'static>(Cell<Option<&'static Lock<T>>>);

impl<T> Slot<T> {
    /// Makes an empty place.
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Puts the state into its place.
    pub fn put(&self, state: T) {
        self.0.set(Some(Box::leak(Box::new(Lock::new(state)))));
    }

    /// Returns the state, which has to be locked.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn get(&self) -> &'static Lock<T> {
        self.0.get().expect("the host enters an instance before it calls it")
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A state that no `#[enter]` function makes.
#[diagnostic::on_unimplemented(
    message = "nothing makes the state `{Self}` of this class",
    label = "neither does an `#[enter]` function return it, nor is it `Default`",
    note = "write `#[enter] fn new(…) -> Self`, or put `#[derive(Default)]` on `{Self}`"
)]
pub trait Start: Sized {
    /// Makes the state.
    fn start() -> Self;
}

impl<T: Default> Start for T {
    fn start() -> Self {
        T::default()
    }
}

/// Makes a state that no `#[enter]` function makes.
#[must_use]
pub fn start<T: Start>() -> T {
    T::start()
}
