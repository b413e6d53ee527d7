//! What builders of calls know at compile time.

/// The state of a parameter or argument that was given.
#[derive(Debug)]
pub struct Given;

/// The state of one that was not.
#[derive(Debug)]
pub struct Missing;

/// What an optional parameter or argument can be given as: the value, `Some` of it, or `None`.
pub trait Maybe<T> {
    /// Returns the value, if there is one.
    fn maybe(self) -> Option<T>;
}

impl<T> Maybe<T> for T {
    fn maybe(self) -> Option<T> {
        Some(self)
    }
}

impl<T> Maybe<T> for Option<T> {
    fn maybe(self) -> Self {
        self
    }
}

impl Maybe<String> for &str {
    fn maybe(self) -> Option<String> {
        Some(self.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T>(value: impl Maybe<T>) -> Option<T> {
        value.maybe()
    }

    #[test]
    fn a_value_may_be_given_with_and_without_some() {
        assert_eq!(taken::<u32>(3), Some(3));
        assert_eq!(taken::<u32>(None), None);
        assert_eq!(taken::<String>("a"), Some("a".to_owned()));
        assert_eq!(taken::<String>(Some("a".to_owned())), Some("a".to_owned()));
        assert_eq!(taken::<Option<u8>>(Some(3)), Some(Some(3)));
    }
}
