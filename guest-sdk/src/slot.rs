//! Where things are that stay for as long as an instance lives: its state, and what `#[build]` functions returned.

use std::cell::Cell;

/// A place for one value that stays where it is: the state in what guards it, [`Alone`](crate::__private::Alone) or
/// [`Lock`](crate::__private::Lock), or something that `build` made.
///
/// An instance is built and entered once, so what is put here stays until its memory goes, or is part of the snapshot
/// that others start from. It is leaked for that: a place without anything to drop costs a call no check of whether it
/// is still there.
#[derive(Debug)]
pub struct Slot<T: 'static> {
    value: Cell<Option<&'static T>>,
    /// What the host does first, so that a value is there.
    order: &'static str,
}

impl<T> Slot<T> {
    /// Makes an empty place for the state.
    #[must_use]
    pub const fn of_state() -> Self {
        Self { value: Cell::new(None), order: "the host enters an instance before it calls it" }
    }

    /// Makes an empty place for what `build` makes.
    #[must_use]
    pub const fn of_build() -> Self {
        Self { value: Cell::new(None), order: "the host runs `build` before it enters an instance" }
    }

    /// Puts a value into its place.
    pub fn put(&self, value: T) {
        self.value.set(Some(Box::leak(Box::new(value))));
    }

    /// Lends the value.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn get(&self) -> &'static T {
        self.value.get().expect(self.order)
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
