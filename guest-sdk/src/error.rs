//! Errors of hooks and methods, and how they become text.

use std::fmt;

/// Any error, as the text that a caller or a log gets: that of the error, followed by those of its sources.
///
/// `?` makes one of every error type, [`error!`](crate::error!) and [`bail!`](crate::bail!) make one of a text. It is
/// no `std::error::Error` itself: it is where errors end.
///
/// It holds the text and not the error, because all that one can do with an error behind a pointer, its `Debug` among
/// it, would be part of every component.
///
/// ```
/// use wasmhost_guest::{Result, bail};
///
/// fn port(text: &str) -> Result<u16> {
///     let port = text.parse()?;
///     if port < 1024 {
///         bail!("{port} is a port of the system's own");
///     }
///     Ok(port)
/// }
///
/// assert_eq!(port("80").unwrap_err().text(), "80 is a port of the system's own");
/// ```
pub struct Error(String);

/// What a hook or method that can fail returns.
///
/// With an error of another type than [`Error`] it is `Result<T, E>`. An `E` with `#[derive(Value)]` reaches the caller
/// as a value; any other `E: Display` as its text, followed by the texts of its sources.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(text::with_sources(error.to_string(), error.source()))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes an [`Error`] of a text, written as in `format!`.
#[macro_export]
macro_rules! error {
    ($($part:tt)*) => {
        $crate::Error::new(::std::format!($($part)*))
    };
}

/// Returns an [`Error`] with a text, written as in `format!`.
#[macro_export]
macro_rules! bail {
    ($($part:tt)*) => {
        return ::core::result::Result::Err($crate::error!($($part)*).into())
    };
}

/// How an error becomes text, chosen by its type.
///
/// Whether a type is an `Error`, with sources, cannot be asked of a `Display`. So there are three traits, and the
/// compiler takes the one whose receiver is nearest to `&&&Failed<E>`.
pub(crate) mod text {
    use std::error::Error;
    use std::fmt::Display;

    /// An error on its way to a text.
    #[derive(Debug)]
    pub struct Failed<E>(pub E);

    /// An error of our own, or in a box: neither is an `Error` itself.
    pub trait OfOurs {
        /// Returns the text of the error and of its sources.
        fn text(&self) -> String;
    }

    /// An error with sources.
    pub trait OfError {
        /// Returns the text of the error and of its sources.
        fn text(&self) -> String;
    }

    /// Anything else, which has to have a text.
    pub trait OfDisplay<E> {
        /// Returns its text; the longer one, where a type has two.
        fn text(&self) -> String
        where
            E: Told;
    }

    /// An error that can be told to a caller.
    #[diagnostic::on_unimplemented(
        message = "the error `{Self}` has no text that a caller could be told",
        label = "a function with this error is a hook or a method",
        note = "implement `Display` for `{Self}`",
        note = "or, if it is a method's, put `#[derive(Value)]` on it, and it stays typed"
    )]
    pub trait Told {
        /// Returns its text.
        fn told(&self) -> String;
    }

    impl<E: Display> Told for E {
        fn told(&self) -> String {
            format!("{self:#}")
        }
    }

    impl OfOurs for &&Failed<crate::Error> {
        fn text(&self) -> String {
            self.0.text().to_owned()
        }
    }

    impl OfOurs for &&Failed<Box<dyn Error + Send + Sync>> {
        fn text(&self) -> String {
            with_sources(self.0.to_string(), self.0.source())
        }
    }

    impl OfOurs for &&Failed<Box<dyn Error>> {
        fn text(&self) -> String {
            with_sources(self.0.to_string(), self.0.source())
        }
    }

    impl<E: Error> OfError for &Failed<E> {
        fn text(&self) -> String {
            with_sources(self.0.to_string(), self.0.source())
        }
    }

    // Of every `E`, so that one without a text is refused by what `Told` says.
    impl<E> OfDisplay<E> for Failed<E> {
        fn text(&self) -> String
        where
            E: Told,
        {
            self.0.told()
        }
    }

    /// The text of an error, and of its sources where it does not say them itself.
    pub(super) fn with_sources(mut text: String, mut source: Option<&(dyn Error + 'static)>) -> String {
        while let Some(error) = source {
            let next = error.to_string();
            if !text.ends_with(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            source = error.source();
        }
        text
    }
}

/// Turns an error of any type into text.
#[doc(hidden)]
#[macro_export]
macro_rules! __text {
    ($error:expr) => {{
        #[allow(unused_imports, reason = "which of them is used depends on the error")]
        use $crate::__private::{OfDisplay as _, OfError as _, OfOurs as _};
        (&&&$crate::__private::Failed($error)).text()
    }};
}

#[cfg(test)]
mod tests {
    use std::fmt;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the size")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    struct Shown;

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if f.alternate() { "shown: at length" } else { "shown" })
        }
    }

    fn outer() -> Outer {
        Outer("x".parse::<u8>().unwrap_err())
    }

    #[test]
    fn an_error_becomes_its_text_and_that_of_its_sources() {
        let expected = "cannot read the size: invalid digit found in string";
        assert_eq!(crate::__text!(outer()), expected);
        assert_eq!(crate::__text!(crate::Error::from(outer())), expected);
        assert_eq!(crate::__text!(Box::<dyn std::error::Error>::from(outer())), expected);
        assert_eq!(crate::__text!(Box::<dyn std::error::Error + Send + Sync>::from(outer())), expected);
    }

    #[test]
    fn what_is_no_error_is_shown() {
        assert_eq!(crate::__text!("no"), "no");
        assert_eq!(crate::__text!(String::from("no")), "no");
        assert_eq!(crate::__text!(Shown), "shown: at length");
    }

    #[test]
    fn a_text_makes_an_error() {
        fn refuse(what: u8) -> crate::Result<()> {
            bail!("no {what}");
        }
        assert_eq!(refuse(1).unwrap_err().text(), "no 1");
        assert_eq!(crate::error!("none").text(), "none");
    }
}
