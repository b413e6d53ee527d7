//! Why a call failed.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use crate::host::calls::Failure;
use crate::json::{Reader, Unread};
use crate::value::Value;

/// As much of an answer as a message shows.
const MAX_SHOWN_CHARS: usize = 100;

/// Why a call failed: the method returned an error, or something kept the call from ending well.
///
/// `E` is the error of the method, where that is a value; of a method whose errors are text it is `String`. Whatever it
/// is, `?` makes it an [`Error`](crate::Error) with the method's own words.
pub struct CallError<E = String> {
    kind: CallErrorKind,
    message: String,
    /// The error that the method returned, as JSON.
    value: Option<String>,
    returned: PhantomData<fn() -> E>,
}

impl<E> CallError<E> {
    /// Makes the error that the host gives.
    pub(super) fn failed(class: &str, method: &str, failure: Failure) -> Self {
        let Failure { kind, message, value } = failure;
        let kind = CallErrorKind::of(&kind);
        let value = value.filter(|_| kind == CallErrorKind::ReturnedError);
        // A text is told as the method wrote it; inside of messages of messages its quotes would grow.
        let text = value.as_deref().and_then(|value| Reader::text::<String>(value).ok());
        let message = text.map_or(message, |text| format!("{class}.{method}: {text}"));
        Self { kind, message, value, returned: PhantomData }
    }

    /// Makes the error of an answer that is none.
    pub(super) fn unread(class: &str, method: &str, unread: &Unread, json: &str) -> Self {
        let shown: String = json.chars().take(MAX_SHOWN_CHARS).collect();
        let message = format!(
            "the answer of `{class}.{method}` is of another type than the caller takes it for: {unread} of {shown}"
        );
        Self { kind: CallErrorKind::UnexpectedAnswer, message, value: None, returned: PhantomData }
    }

    /// Returns what kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> CallErrorKind {
        self.kind
    }

    /// Returns what people are told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the error that the method returned, if it did, and it is one of `E`.
    #[must_use]
    pub fn returned(&self) -> Option<E>
    where
        E: Value,
    {
        self.value.as_deref().and_then(|value| Reader::text(value).ok())
    }

    /// Returns the error that the method returned, if it did, as JSON.
    #[must_use]
    pub fn returned_json(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl<E> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E> fmt::Debug for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl<E> Error for CallError<E> {}

macro_rules! kinds {
    ($($(#[$docs:meta])* $kind:ident $word:literal,)*) => {
        /// What kind of failure a call had.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CallErrorKind {
            $($(#[$docs])* $kind,)*
            /// The answer is none of the type that the caller expects.
            UnexpectedAnswer,
            /// A kind that this release of the SDK does not know; the message says more.
            Other,
        }

        impl CallErrorKind {
            /// The kind that the host has this word for.
            fn of(word: &str) -> Self {
                match word {
                    $($word => Self::$kind,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

kinds! {
    /// The method returned an error: [`CallError::returned`].
    ReturnedError "returned-error",
    /// A name or a value does not fit the class or the method.
    BadRequest "bad-request",
    /// Parameters, arguments or the answer are larger than the host lets calls be, or the calls are nested too deep.
    TooLarge "too-large",
    /// There is no such app, class or method.
    NotFound "not-found",
    /// The host does not allow it.
    Forbidden "forbidden",
    /// It cannot be done in the state that something is in.
    Conflict "conflict",
    /// The call could only wait for its own callers.
    WouldDeadlock "would-deadlock",
    /// The method trapped or panicked.
    Trapped "trapped",
    /// The method asked for more memory than its class may have.
    MemoryExceeded "memory-exceeded",
    /// The class could not be built.
    BuildFailed "build-failed",
    /// No instance could be entered with these parameters.
    EnterFailed "enter-failed",
    /// The class is being built or loaded.
    Starting "starting",
    /// The host is shutting down.
    Draining "draining",
    /// There are too many calls or instances; of calls that one caller has under way, too.
    Overloaded "overloaded",
    /// It took longer than it may, or than its caller may.
    TimedOut "timed-out",
    /// The host failed.
    Internal "internal",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed<E>(kind: &str, value: Option<&str>) -> CallError<E> {
        let failure = Failure { kind: kind.into(), message: "as the host says".into(), value: value.map(Into::into) };
        CallError::failed("model", "generate", failure)
    }

    #[test]
    fn what_a_method_returned_is_read_as_its_type() {
        let error = failed::<u8>("returned-error", Some("7"));
        assert_eq!((error.kind(), error.returned()), (CallErrorKind::ReturnedError, Some(7)));
        assert_eq!(error.message(), "as the host says");
        assert_eq!(failed::<u8>("returned-error", Some("-7")).returned(), None);
        assert_eq!(failed::<()>("returned-error", Some("null")).returned(), Some(()));
        assert_eq!(failed::<()>("trapped", None).returned(), None);
        assert_eq!(failed::<String>("enter-failed", Some("\"no\"")).message(), "as the host says");
    }

    #[test]
    fn a_text_is_told_as_it_was_written() {
        let error = failed::<String>("returned-error", Some(r#""no \"word\"""#));
        assert_eq!(error.to_string(), "model.generate: no \"word\"");
        assert_eq!(crate::Error::from(error).text(), "model.generate: no \"word\"");
    }

    #[test]
    fn kinds_are_those_of_the_host_and_what_is_new_is_another() {
        assert_eq!(failed::<()>("would-deadlock", None).kind(), CallErrorKind::WouldDeadlock);
        assert_eq!(failed::<()>("something-new", None).kind(), CallErrorKind::Other);
        assert_eq!(format!("{:?}", failed::<()>("timed-out", None)), "TimedOut: as the host says");
    }
}
