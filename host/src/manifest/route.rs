//! Routes as a manifest and the SDK write them: `GET /users/{id}/{*rest}`.
//!
//! The only routing syntax there is. It says which requests a method answers and which of its
//! arguments the path binds; matching requests is the web front's work, and whether the arguments
//! exist is the component's.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, Serializer};

use super::names::canonical;
use super::problem::brief;
use super::read::deserialize_from_str;

/// The longest route, in bytes.
const MAX_ROUTE_BYTES: usize = 1024;

/// A verb and a path: which requests a method answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The verb, compared exactly.
    pub(crate) method: HttpMethod,
    /// The parts between the slashes; none for `/`.
    pub(crate) segments: Vec<Segment>,
}

/// The verbs a route may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
    Patch,
}

/// One part of a route's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Matches this text, compared after percent-decoding.
    Literal(String),
    /// `{name}`: matches one part that is not empty and binds it to the argument.
    Capture(String),
    /// `{*name}`: matches all that is left, slashes included; always the last part.
    Rest(String),
}

impl Route {
    /// The names of the arguments that the path binds, as they are spelled in it.
    pub(crate) fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Capture(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }

    /// The route without the names of its captures: routes of one shape answer the same requests.
    pub(super) fn shape(&self) -> String {
        let nameless = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Segment::Literal(text.clone()),
            Segment::Capture(_) => Segment::Capture(String::new()),
            Segment::Rest(_) => Segment::Rest(String::new()),
        });
        Self { method: self.method, segments: nameless.collect() }.to_string()
    }
}

impl HttpMethod {
    const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Delete, Self::Patch];

    /// The verb as it stands in a request.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
        }
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Capture(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{*{name}}}"),
        })
    }
}

/// Why a text is no route, and at which character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no route: at character {position}, {reason}", brief(route))]
pub(crate) struct RouteError {
    route: String,
    position: usize,
    reason: Cow<'static, str>,
}

/// A reason and the byte offset it is about, until the whole route is at hand.
type Refusal = (usize, Cow<'static, str>);

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        parse(text).map_err(|(offset, reason)| RouteError {
            route: text.to_owned(),
            position: text.get(..offset).map_or(1, |before| before.chars().count() + 1),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Route, Refusal> {
    if text.len() > MAX_ROUTE_BYTES {
        let reason = format!("it goes on for {} bytes; a route has at most {MAX_ROUTE_BYTES}", text.len());
        return Err((0, reason.into()));
    }
    let (verb, path) = text.split_once(' ').unwrap_or((text, ""));
    let path_at = text.len() - path.len();
    let Some(method) = HttpMethod::ALL.into_iter().find(|method| method.as_str() == verb) else {
        return Err((0, "expected a verb, `GET`, `POST`, `PUT`, `DELETE` or `PATCH`, and a space".into()));
    };
    let Some(parts) = path.strip_prefix('/') else {
        return Err((path_at, "expected a path that begins with `/`".into()));
    };
    let mut route = Route { method, segments: Vec::new() };
    if parts.is_empty() {
        return Ok(route);
    }
    let mut at = path_at + 1;
    for part in parts.split('/') {
        if matches!(route.segments.last(), Some(Segment::Rest(_))) {
            return Err((at - 1, "nothing may follow `{*name}`, which takes all that is left".into()));
        }
        let segment = parse_segment(part).map_err(|(offset, reason)| (at + offset, reason))?;
        if let Segment::Capture(name) | Segment::Rest(name) = &segment
            && route.captures().any(|earlier| canonical(earlier) == canonical(name))
        {
            return Err((at, format!("`{name}` is bound a second time").into()));
        }
        route.segments.push(segment);
        at += part.len() + 1;
    }
    Ok(route)
}

fn parse_segment(part: &str) -> Result<Segment, Refusal> {
    if let Some(inner) = part.strip_prefix('{') {
        let Some(inner) = inner.strip_suffix('}') else {
            return Err((part.len(), "expected `}` and then the end of this part; a capture fills it whole".into()));
        };
        let (name, is_rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
        let name_at = part.len() - name.len() - 1;
        let is_name =
            |at: usize, c: char| c.is_ascii_alphabetic() || (at > 0 && (c.is_ascii_digit() || "-_".contains(c)));
        if name.is_empty() {
            return Err((name_at, "expected the name of an argument".into()));
        }
        if let Some((offset, _)) = name.char_indices().find(|(at, c)| !is_name(*at, *c)) {
            return Err((name_at + offset, "expected a letter, or later a digit, `-` or `_`".into()));
        }
        let name = name.to_owned();
        return Ok(if is_rest { Segment::Rest(name) } else { Segment::Capture(name) });
    }
    if part.is_empty() || part == "." || part == ".." {
        return Err((0, "expected a part that is neither empty nor `.` nor `..`; no route ends in `/`".into()));
    }
    // What RFC 3986 lets stand in a path, except escapes, which have two spellings, and `*`, which
    // looks like a rest.
    let is_literal = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(c);
    match part.char_indices().find(|(_, c)| !is_literal(*c)) {
        Some((offset, '{' | '}')) => Err((offset, "a capture fills its whole part, `/{name}/`".into())),
        Some((offset, _)) => Err((offset, "expected a letter, a digit or one of `-._~!$&'()+,;=:@`".into())),
        None => Ok(Segment::Literal(part.to_owned())),
    }
}

deserialize_from_str!(Route, "a route such as `GET /users/{id}`");

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Route {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Route".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = "[A-Za-z][A-Za-z0-9_-]*";
        let literal = "[-A-Za-z0-9._~!$&'()+,;=:@]+";
        let pattern =
            format!(r"^(GET|POST|PUT|DELETE|PATCH) /((({literal}|\{{{name}\}})/)*({literal}|\{{\*?{name}\}}))?$");
        json_schema!({
            "type": "string",
            "title": "route",
            "pattern": pattern,
            "examples": ["GET /users/{id}", "POST /upload/{*path}"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let error = text.parse::<Route>().expect_err(text);
        (error.position, error.reason.into_owned())
    }

    #[test]
    fn a_route_is_a_verb_and_the_parts_of_a_path() {
        let route: Route = "GET /users/{id}/{*rest}".parse().unwrap();
        assert_eq!(route.method, HttpMethod::Get);
        assert_eq!(
            route.segments,
            [Segment::Literal("users".into()), Segment::Capture("id".into()), Segment::Rest("rest".into())]
        );
        assert_eq!(route.captures().collect::<Vec<_>>(), ["id", "rest"]);
    }

    #[test]
    fn what_is_printed_is_what_was_written() {
        for text in ["GET /", "POST /a", "PUT /a/b.c~d/{x}", "DELETE /{x}/{y_z}", "PATCH /{*all}"] {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_error_names_the_position_and_what_is_allowed() {
        for (text, position, reason) in [
            ("", 1, "`GET`"),
            ("get /", 1, "`GET`"),
            ("HEAD /", 1, "`GET`"),
            ("GET", 4, "begins with `/`"),
            ("GET users", 5, "begins with `/`"),
            ("GET  /users", 5, "begins with `/`"),
            ("GET //a", 6, "neither empty"),
            ("GET /a/", 8, "neither empty"),
            ("GET /a/../b", 8, "neither empty"),
            ("GET /a b", 7, "a letter"),
            ("GET /ä", 6, "a letter"),
            ("GET /a*", 7, "a letter"),
            ("GET /a%20", 7, "a letter"),
            ("GET /{id}.json", 15, "fills it whole"),
            ("GET /v{id}", 7, "fills its whole part"),
            ("GET /{id", 9, "`}`"),
            ("GET /{}", 7, "name of an argument"),
            ("GET /{*}", 8, "name of an argument"),
            ("GET /{1a}", 7, "a letter"),
            ("GET /{*rest}/a", 13, "nothing may follow"),
            ("GET /{a}/{a}", 10, "second time"),
            ("GET /{a_b}/{*a-b}", 12, "second time"),
        ] {
            let (found, message) = refused(text);
            assert_eq!(found, position, "{text}: {message}");
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(refused(&format!("GET /{}", "a".repeat(2000))).1.contains("at most 1024"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_every_route_round_trips(text in "(GET|PUT) (/(\\{\\*?[a-z_é]{0,2}\\}?|[a-z.{}*]{0,3})){0,4}") {
            if let Ok(route) = text.parse::<Route>() {
                proptest::prop_assert_eq!(route.to_string(), text);
            }
        }
    }
}
