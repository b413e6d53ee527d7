//! Server-sent events: a stream of text in which each event is a few lines and an empty one.
//!
//! What is in an event cannot end it, or begin another: text with line breaks is several lines, and names have none.

use std::fmt::{self, Write as _};
use std::time::Duration;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::Response;
use super::body::Body;
use super::error::BodyError;
use super::writer::Writer;
use crate::error::Result;
use crate::json;
use crate::value::Value;

/// One event.
///
/// ```
/// use wasmhost_guest::web::Event;
///
/// let event = Event::data("two\nlines").name("news").id("7");
/// assert_eq!(event.to_string(), "event: news\nid: 7\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an event is sent by `Events::send`"]
pub struct Event {
    data: Option<String>,
    name: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
    comment: Option<String>,
}

impl Event {
    /// Makes an event with a text, which may have several lines.
    pub fn data(text: impl Into<String>) -> Self {
        Self { data: Some(text.into()), ..Self::default() }
    }

    /// Makes an event with a value, as JSON.
    pub fn json<T: Value>(value: &T) -> Self {
        Self::data(json::Writer::text(value))
    }

    /// Makes a comment, which clients pass over: it shows proxies that the stream is alive.
    pub fn comment(text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..Self::default() }
    }

    /// Makes an event that sets how long a client waits before it connects again, rounded down to milliseconds.
    pub fn retry(after: Duration) -> Self {
        Self { retry: Some(after), ..Self::default() }
    }

    /// Sets the name under which a client listens for it; `message` without one. Line breaks in it are left out.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the id that a client sends as `last-event-id` when it connects again. Line breaks in it are left out, and
    /// so are NULs, with which clients would pass over it.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(comment) = &self.comment {
            lines(comment)
                .try_for_each(|line| if line.is_empty() { writeln!(f, ":") } else { writeln!(f, ": {line}") })?;
        }
        for (field, text) in [("event", &self.name), ("id", &self.id)] {
            if let Some(text) = text {
                let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
                writeln!(f, "{field}: {text}")?;
            }
        }
        if let Some(retry) = self.retry {
            writeln!(f, "retry: {}", retry.as_millis())?;
        }
        if let Some(data) = &self.data {
            lines(data).try_for_each(|line| writeln!(f, "data: {line}"))?;
        }
        f.write_char('\n')
    }
}

/// The lines of a text: each of the three line breaks that clients know ends one, and what follows the last is one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\r', '\n']) else { return rest.take() };
        let after = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
        rest = Some(&text[after..]);
        Some(&text[..at])
    })
}

/// What a stream of events is written with.
#[derive(Debug)]
pub struct Events<'a>(&'a mut Writer);

impl Events<'_> {
    /// Sends an event, and waits while the client has enough to read.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub async fn send(&mut self, event: Event) -> Result<(), BodyError> {
        self.0.write(event.to_string()).await
    }
}

/// Responses of events.
///
/// ```
/// use wasmhost_guest::prelude::*;
///
/// #[class]
/// mod ticker {
///     #[web]
///     async fn handle(_request: Request) -> Result<Response> {
///         Ok(Sse::stream(async |events| {
///             for count in 0..3 {
///                 events.send(Event::data(count.to_string())).await?;
///             }
///             Ok(())
///         }))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Sse(());

impl Sse {
    /// Makes a response of what `send` sends. It ends as a [`Body::stream`] does.
    #[must_use]
    pub fn stream<F>(send: F) -> Response
    where
        F: AsyncFnOnce(&mut Events<'_>) -> Result<()> + 'static,
    {
        let body = Body::stream(async move |writer: &mut Writer| send(&mut Events(writer)).await);
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_clients_read_it() {
        for (event, expected) in [
            (Event::data("one"), "data: one\n\n"),
            (Event::data(""), "data: \n\n"),
            (Event::data("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
            (Event::data("x").name("n").id("1"), "event: n\nid: 1\ndata: x\n\n"),
            (Event::json(&vec![1_u16, 2]), "data: [1,2]\n\n"),
            (Event::retry(Duration::from_micros(1_500_999)), "retry: 1500\n\n"),
            (Event::comment("still\nhere\n"), ": still\n: here\n:\n\n"),
        ] {
            assert_eq!(event.to_string(), expected);
        }
    }

    #[test]
    fn what_is_in_an_event_can_neither_end_it_nor_add_to_it() {
        let event = Event::data("x\r\rdata: y").name("a\ndata: b").id("1\r\n\n\0event: c");
        assert_eq!(event.to_string(), "event: adata: b\nid: 1event: c\ndata: x\ndata: \ndata: data: y\n\n");
    }

    #[test]
    fn a_response_of_events_says_so() {
        let response = Sse::stream(async |_| Ok(()));
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
    }
}
