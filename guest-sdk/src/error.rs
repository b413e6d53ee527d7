//! Errors of hooks and methods, and how they become text.

/// Any error: `?` makes one of every error type, and `.into()` of a text.
///
/// ```
/// use wasmhost_guest::Result;
///
/// fn port(text: &str) -> Result<u16> {
///     let port = text.parse()?;
///     if port < 1024 {
///         return Err(format!("{port} is a port of the system's own").into());
///     }
///     Ok(port)
/// }
/// # assert!(port("80").is_err());
/// ```
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a hook or method that can fail returns.
///
/// With an error of another type than [`Error`] it is `Result<T, E>`. An `E` with `#[derive(Value)]` reaches the caller as a
/// value; any other `E: Display` as its text, followed by the texts of its sources.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How an error becomes text, chosen by its type.
///
/// Whether a type is an `Error`, with sources, cannot be asked of a `Display`. So there are three traits, and the compiler
/// takes the one whose receiver is nearest to `&&&Failed<E>`.
pub(crate) mod text {
    use std::error::Error;
    use std::fmt::Display;

    /// An error on its way to a text.
    #[derive(Debug)]
    pub struct Failed<E>(pub E);

    /// A boxed error, which is no `Error` itself.
    pub trait OfBox {
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
        note = "implement `Display` for `{Self}`; or, if it is a method's, put `#[derive(Value)]` on it, and it stays typed"
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

    impl OfBox for &&Failed<Box<dyn Error + Send + Sync>> {
        fn text(&self) -> String {
            chain(&*self.0)
        }
    }

    impl OfBox for &&Failed<Box<dyn Error>> {
        fn text(&self) -> String {
            chain(&*self.0)
        }
    }

    impl<E: Error> OfError for &Failed<E> {
        fn text(&self) -> String {
            chain(&self.0)
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
    fn chain(error: &dyn Error) -> String {
        let mut text = error.to_string();
        let mut source = error.source();
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
        use $crate::__private::{OfBox as _, OfDisplay as _, OfError as _};
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
    }

    #[test]
    fn what_is_no_error_is_shown() {
        assert_eq!(crate::__text!("no"), "no");
        assert_eq!(crate::__text!(String::from("no")), "no");
        assert_eq!(crate::__text!(Shown), "shown: at length");
        assert_eq!(crate::__text!(crate::Error::from("no")), "no");
    }
}
