//! What can go wrong with a body, on its way in or out.

use std::fmt;

/// Why a body could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TooLarge,
    Gone,
    Other,
}

impl BodyError {
    /// A body with more bytes than the handler wants.
    pub(super) fn too_large(max: usize) -> Self {
        Self { kind: Kind::TooLarge, text: format!("the body has more than the {max} bytes that the handler reads") }
    }

    /// Nobody is on the other side any more.
    pub(super) fn gone() -> Self {
        Self { kind: Kind::Gone, text: "the client is gone".to_owned() }
    }

    pub(super) fn other(text: impl Into<String>) -> Self {
        Self { kind: Kind::Other, text: text.into() }
    }

    /// Whether there were more bytes than allowed, which a handler answers with 413.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.kind == Kind::TooLarge
    }

    /// Whether the client is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kind == Kind::Gone
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for BodyError {}
