//! What a `#[build]` function returned: part of the snapshot, and lent to `#[enter]`.

use std::cell::Cell;

/// A place for one value that stays where it is.
///
/// The value is never dropped: instances start from a memory in which it is there, and end with their memory.
#[derive(Debug)]
pub struct Kept<T: 'static>(Cell<Option<&'static T>>);

impl<T> Kept<T> {
    /// Makes an empty place.
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Keeps a value.
    pub fn put(&self, value: T) {
        self.0.set(Some(Box::leak(Box::new(value))));
    }

    /// Lends the value.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn get(&self) -> &'static T {
        self.0.get().expect("the host runs `build` before it enters an instance")
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}
