//! The routes of one class as a tree of segments: literal before capture before rest, whatever the order they came in.
//!
//! Pure: it knows paths and verbs, and gives back numbers. A path is that of [`decode::path`](super::decode::path).

use crate::manifest::{HttpMethod, Route, Segment};

/// The routes of one class.
#[derive(Debug, Default)]
pub(super) struct Routes {
    root: Node,
}

/// What the verbs that answer one path lead to, in the order of [`VERBS`].
type Ends = [Option<usize>; VERBS.len()];

/// The verbs a route may have, in the order in which `Allow` lists them.
const VERBS: [HttpMethod; 5] =
    [HttpMethod::Get, HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete];

/// What stands behind the same beginning of a path. Its depth is the number of segments, so that each node is looked at
/// once for a path at most.
#[derive(Debug, Default)]
struct Node {
    ends: Ends,
    literals: Vec<(Box<str>, Node)>,
    capture: Option<Box<Node>>,
    rest: Ends,
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed([bool; VERBS.len()]);

impl Routes {
    /// Adds a route that leads to `target`, or gives the target of one that answers the same requests.
    pub(super) fn insert(&mut self, route: &Route, target: usize) -> Result<(), usize> {
        let mut node = &mut self.root;
        for segment in &route.segments {
            node = match segment {
                Segment::Literal(text) => node.literal(text),
                Segment::Capture(_) => node.capture.get_or_insert_default(),
                Segment::Rest(_) => return end(&mut node.rest, route.method, target),
            };
        }
        end(&mut node.ends, route.method, target)
    }

    pub(super) fn is_empty(&self) -> bool {
        let Node { ends, literals, capture, rest } = &self.root;
        literals.is_empty() && capture.is_none() && [ends, rest].into_iter().flatten().all(Option::is_none)
    }

    /// The target of the route that answers `verb` at `path`.
    pub(super) fn find(&self, verb: HttpMethod, path: &str) -> Option<usize> {
        let mut found = None;
        self.root.walk(segments(path), &mut |ends| {
            found = ends[index(verb)];
            found.is_some()
        });
        found
    }

    /// The verbs that are answered at `path`.
    pub(super) fn allowed(&self, path: &str) -> Allowed {
        let mut allowed = Allowed::default();
        self.root.walk(segments(path), &mut |ends| {
            ends.iter().zip(&mut allowed.0).for_each(|(end, allowed)| *allowed |= end.is_some());
            false
        });
        allowed
    }
}

/// What is left of a path after its first slash; none when nothing follows that.
pub(super) fn segments(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    (!path.is_empty()).then_some(path)
}

fn index(verb: HttpMethod) -> usize {
    VERBS.iter().position(|known| *known == verb).unwrap_or_default()
}

fn end(ends: &mut Ends, verb: HttpMethod, target: usize) -> Result<(), usize> {
    let end = &mut ends[index(verb)];
    match *end {
        Some(taken) => Err(taken),
        None => {
            *end = Some(target);
            Ok(())
        }
    }
}

impl Node {
    fn literal(&mut self, text: &str) -> &mut Self {
        let at = self.literals.iter().position(|(known, _)| **known == *text).unwrap_or_else(|| {
            self.literals.push((text.into(), Self::default()));
            self.literals.len() - 1
        });
        &mut self.literals[at].1
    }

    /// Visits what the path leads to, the best match first, until `visit` has enough.
    fn walk(&self, path: Option<&str>, visit: &mut impl FnMut(&Ends) -> bool) -> bool {
        let Some(path) = path else { return visit(&self.ends) };
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        if let Some((_, node)) = self.literals.iter().find(|(text, _)| **text == *segment)
            && node.walk(rest, visit)
        {
            return true;
        }
        if !segment.is_empty()
            && let Some(node) = &self.capture
            && node.walk(rest, visit)
        {
            return true;
        }
        !path.is_empty() && visit(&self.rest)
    }
}

impl Allowed {
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(super) fn add(&mut self, verb: HttpMethod) {
        self.0[index(verb)] = true;
    }

    /// The value of `Allow`: HEAD comes with GET, OPTIONS with anything.
    pub(super) fn header(self) -> String {
        let mut text = String::new();
        for (verb, _) in VERBS.iter().zip(self.0).filter(|(_, allowed)| *allowed) {
            text.push_str(verb.as_str());
            text.push_str(if *verb == HttpMethod::Get { ", HEAD, " } else { ", " });
        }
        text.push_str("OPTIONS");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(texts: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for (index, text) in texts.iter().enumerate() {
            routes.insert(&text.parse().unwrap(), index).unwrap();
        }
        routes
    }

    #[test]
    fn literals_win_over_captures_and_captures_over_rests() {
        let texts = ["GET /{*all}", "GET /{a}", "GET /a", "GET /{a}/b", "GET /a/{*rest}", "GET /a/{b}/c", "GET /"];
        let mut reversed = texts;
        reversed.reverse();
        for texts in [texts, reversed] {
            let routes = routes(&texts);
            for (path, expected) in [
                ("/", "GET /"),
                ("/a", "GET /a"),
                ("/b", "GET /{a}"),
                ("/b/b", "GET /{a}/b"),
                ("/a/b", "GET /a/{*rest}"),
                ("/a/b/c", "GET /a/{b}/c"),
                ("/a/b/d", "GET /a/{*rest}"),
                ("/x/y/z", "GET /{*all}"),
                ("/a//", "GET /a/{*rest}"),
            ] {
                let found = routes.find(HttpMethod::Get, path).map(|at| texts[at]);
                assert_eq!(found, Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn a_capture_and_a_rest_take_something() {
        let routes = routes(&["GET /a/{b}", "GET /r/{*rest}"]);
        for path in ["/a/", "/a", "/r", "/r/", "/a/b/", "//a/b"] {
            assert_eq!(routes.find(HttpMethod::Get, path), None, "{path}");
        }
    }

    #[test]
    fn a_verb_goes_past_a_better_match_that_does_not_answer_it() {
        let routes = routes(&["GET /a/{x}", "POST /{y}/b", "DELETE /{*all}"]);
        assert_eq!(routes.find(HttpMethod::Post, "/a/b"), Some(1));
        assert_eq!(routes.find(HttpMethod::Delete, "/a/b"), Some(2));
        assert_eq!(routes.find(HttpMethod::Put, "/a/b"), None);
        assert_eq!(routes.allowed("/a/b").header(), "GET, HEAD, POST, DELETE, OPTIONS");
        assert!(routes.allowed("/").is_empty());
    }

    #[test]
    fn two_routes_for_the_same_requests_are_found_whatever_their_captures_are_called() {
        let mut routes = routes(&["GET /a/{b}", "GET /a/{*b}", "POST /a/{b}"]);
        assert_eq!(routes.insert(&"GET /a/{c}".parse().unwrap(), 9), Err(0));
        assert_eq!(routes.insert(&"GET /a/{*c}".parse().unwrap(), 9), Err(1));
    }
}
