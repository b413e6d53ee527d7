//! What builders of calls know at compile time.

use std::borrow::Cow;

/// The state of a parameter or argument that was given.
#[derive(Debug)]
pub struct Given;

/// The state of one that was not.
#[derive(Debug)]
pub struct Missing;

/// What a parameter or argument that is an `Option`, or has a default, can be given as: the value, `Some` of it, or
/// `None`.
#[diagnostic::on_unimplemented(message = "`{Self}` is no `{T}`", label = "write one, `Some` of one, or `None`")]
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

// Texts are taken as freely as where they have to be given. An `Option` is one of `T` alone: of a mere `None` the compiler
// could not say which.
macro_rules! texts {
    ($($text:ty),*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl Maybe<String> for $text {
                fn maybe(self) -> Option<String> {
                    Some(self.into())
                }
            }
        )*
    };
}

texts!(&str, &mut str, &String, Box<str>, Cow<'_, str>, char);

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
        assert_eq!(taken::<String>(&"a".to_owned()), Some("a".to_owned()));
        assert_eq!(taken::<String>(None), None);
        assert_eq!(taken::<Option<u8>>(Some(3)), Some(Some(3)));
    }
}
