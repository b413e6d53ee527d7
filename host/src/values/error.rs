//! What is wrong with a value: where, what is needed there, and what was given instead.
//!
//! The caller turns [`ValueErrorKind`] into `bad-request` or `too-large`; this module knows no HTTP and no exit codes.

use std::fmt;

/// Why a value was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0)]
pub(crate) struct ValueError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ValueErrorKind,
    path: String,
    message: String,
    limit: Option<Limit>,
}

/// The kinds a caller tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueErrorKind {
    /// The text is not JSON or WAVE at all.
    Syntax,
    /// The value does not fit the type.
    IllTyped,
    /// A name that the type or the signature does not have.
    Unknown,
    /// A field or argument without a value and without a default.
    Missing,
    /// A name or key given twice.
    Repeated,
    /// A limit was hit; [`ValueError::limit`] says which.
    TooLarge,
}

/// A limit that was hit, and what hit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The setting that changes it; `None` if it is fixed.
    pub(crate) setting: Option<&'static str>,
    pub(crate) limit: u64,
    pub(crate) value: u64,
}

impl ValueError {
    /// The message reads on from the path: "needs a string, got `5`".
    pub(crate) fn new(kind: ValueErrorKind, path: &Path<'_>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, path: path.to_string(), message: message.into(), limit: None }))
    }

    pub(crate) fn with_limit(mut self, limit: Limit) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// Puts a step before the path, where an error passes outwards through a reader that keeps no [`Path`].
    pub(crate) fn inside(mut self, step: fmt::Arguments<'_>) -> Self {
        self.0.path.insert_str(0, &step.to_string());
        self
    }

    pub(crate) fn kind(&self) -> ValueErrorKind {
        self.0.kind
    }

    /// Where in the value, such as `items[3].label`; empty for the whole value.
    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    /// The message without the path.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn limit(&self) -> Option<Limit> {
        self.0.limit
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}` ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(ValueErrorKind::IllTyped, &Path::Root, message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        <Self as serde::ser::Error>::custom(message)
    }
}

/// Where in a value a reader is: a chain on the stack, written out only when something is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The whole value.
    Root,
    /// The whole value of this argument or parameter.
    Name(&'a str),
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
    /// A key of a map, rather than the value under it.
    Key(&'a Path<'a>),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Name(name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent) => write!(f, "{parent}[key]"),
        }
    }
}

/// What was given where something else is needed, said in few characters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Got<'a> {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    /// A word as it stands in the source, not a string.
    Word(&'a str),
    Bytes(usize),
    Null,
    List,
    Object,
}

/// The longest excerpt of a caller's value in an error, in characters.
const MAX_GOT: usize = 40;

impl fmt::Display for Got<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Got::Bool(value) => write!(f, "`{value}`"),
            Got::Int(value) => write!(f, "`{value}`"),
            Got::Float(value) => write!(f, "`{value:?}`"),
            // Debug escapes control characters, so that a caller's text cannot fake lines in a log or a terminal.
            Got::Text(text) => write!(f, "{:?}", shorten(text, MAX_GOT)),
            Got::Word(text) => write!(f, "`{}`", shorten(text, MAX_GOT).escape_debug()),
            Got::Bytes(len) => write!(f, "{len} bytes"),
            Got::Null => f.write_str("null"),
            Got::List => f.write_str("a list"),
            Got::Object => f.write_str("an object"),
        }
    }
}

/// Cuts `text` to at most `max` characters, with an ellipsis for the rest.
pub(crate) fn shorten(text: &str, max: usize) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(max) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// A value that does not fit is the caller's mistake, whichever way it came in.
impl From<ValueError> for crate::error::Error {
    fn from(error: ValueError) -> Self {
        use crate::error::{Error, ErrorKind};
        let kind = if error.kind() == ValueErrorKind::TooLarge { ErrorKind::TooLarge } else { ErrorKind::BadRequest };
        let told = Error::new(kind, error.to_string());
        match error.limit() {
            Some(Limit { setting: Some(setting), limit, .. }) => told.with_limit(setting, limit.to_string()),
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence_about_its_place() {
        let items = Path::Name("items");
        let third = Path::Index(&items, 3);
        let path = Path::Field(&third, "label");
        let error = ValueError::new(ValueErrorKind::IllTyped, &path, "needs a string, got `5`");
        assert_eq!(error.to_string(), "`items[3].label` needs a string, got `5`");
        assert_eq!((error.path(), error.message()), ("items[3].label", "needs a string, got `5`"));
        assert_eq!(ValueError::new(ValueErrorKind::IllTyped, &Path::Root, "needs x").to_string(), "needs x");
    }

    #[test]
    fn what_was_got_is_cut_at_a_character_and_escaped() {
        let got = Got::Text(&"ä".repeat(100)).to_string();
        assert_eq!(got, format!("\"{}…\"", "ä".repeat(MAX_GOT)));
        assert_eq!(Got::Text("a\n\u{1b}[31m").to_string(), r#""a\n\u{1b}[31m""#);
        assert_eq!(Got::Float(1.0).to_string(), "`1.0`");
    }
}
