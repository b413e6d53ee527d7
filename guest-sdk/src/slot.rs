//! Where the state of an instance is, between `#[enter]` and the end.

use std::cell::Cell;

/// A place for the state of an instance, in what guards it: [`Alone`](crate::__private::Alone) or
/// [`Lock`](crate::__private::Lock).
///
/// An instance is entered once, so what is put here stays until its memory goes. It is leaked for that: a place without
/// anything to drop costs a call no check of whether it is still there.
#[derive(Debug)]
pub struct Slot<G: 'static>(Cell<Option<&'static G>>);

impl<G> Slot<G> {
    /// Makes an empty place.
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Puts the state into its place.
    pub fn put(&self, guarded: G) {
        self.0.set(Some(Box::leak(Box::new(guarded))));
    }

    /// Returns the guarded state.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn get(&self) -> &'static G {
        self.0.get().expect("the host enters an instance before it calls it")
    }
}

impl<G> Default for Slot<G> {
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
