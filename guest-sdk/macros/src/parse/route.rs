//! Routes: the path of `#[get("/users/{id}")]`, in the one syntax that manifests have too.

use crate::model::Route;

/// Reads the path of a route, or says what is wrong with it.
pub(crate) fn path(verb: &'static str, path: &str, span: proc_macro2::Span) -> Result<Route, String> {
    let refuse = |reason: &str| Err(format!("`{path}` is no path of a route: {reason}"));
    let Some(parts) = path.strip_prefix('/') else { return refuse("it begins with `/`") };
    let mut captures: Vec<String> = Vec::new();
    let mut parts: Vec<&str> = if parts.is_empty() { Vec::new() } else { parts.split('/').collect() };
    let last = parts.pop();
    for (part, is_last) in parts.into_iter().map(|part| (part, false)).chain(last.map(|part| (part, true))) {
        match segment(part)? {
            Segment::Literal => {}
            Segment::Rest(name) if !is_last => {
                return refuse(&format!("nothing follows `{{*{name}}}`, which takes all that is left"));
            }
            Segment::Capture(name) | Segment::Rest(name) => {
                if captures.iter().any(|earlier| earlier.replace('_', "-") == name.replace('_', "-")) {
                    return refuse(&format!("`{name}` is bound twice"));
                }
                captures.push(name.to_owned());
            }
        }
    }
    Ok(Route { verb, path: path.to_owned(), captures, span })
}

/// The route without the names in it: two that are equal answer the same requests.
pub(crate) fn shape(route: &Route) -> String {
    let nameless = route.path.split('/').map(|part| match segment(part) {
        Ok(Segment::Capture(_)) => "{}",
        Ok(Segment::Rest(_)) => "{*}",
        _ => part,
    });
    format!("{} {}", route.verb, nameless.collect::<Vec<_>>().join("/"))
}

enum Segment<'a> {
    Literal,
    Capture(&'a str),
    Rest(&'a str),
}

fn segment(part: &str) -> Result<Segment<'_>, String> {
    if let Some(inner) = part.strip_prefix('{') {
        let Some(inner) = inner.strip_suffix('}') else {
            return Err(format!("`{part}` is no part of a route; a capture fills it whole, `/{{name}}/`"));
        };
        let (name, is_rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !is_name {
            return Err(format!("`{part}` binds no argument; write its name, `{{name}}` or `{{*name}}`"));
        }
        return Ok(if is_rest { Segment::Rest(name) } else { Segment::Capture(name) });
    }
    // What RFC 3986 lets stand in a path, except escapes, which have two spellings, and `*`, which looks like a rest.
    let is_literal = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(c);
    if part.is_empty() || part == "." || part == ".." || !part.chars().all(is_literal) {
        return Err(format!(
            "`{part}` is no part of a route; it has letters, digits or `-._~!$&'()+,;=:@`, is neither empty nor `.` \
             nor `..`, or is a capture, `{{name}}`"
        ));
    }
    Ok(Segment::Literal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn read(text: &str) -> Result<Route, String> {
        path("GET", text, Span::call_site())
    }

    #[test]
    fn a_route_binds_the_names_in_braces() {
        assert_eq!(read("/").unwrap().captures, Vec::<String>::new());
        assert_eq!(read("/users/{id}/{*rest}").unwrap().captures, ["id", "rest"]);
    }

    #[test]
    fn routes_that_differ_in_names_alone_have_one_shape() {
        assert_eq!(shape(&read("/a/{x}").unwrap()), shape(&read("/a/{y}").unwrap()));
        assert_ne!(shape(&read("/a/{x}").unwrap()), shape(&read("/a/{*x}").unwrap()));
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for (text, reason) in [
            ("users", "begins with `/`"),
            ("/a/", "neither empty"),
            ("/a b", "no part"),
            ("/{id", "fills it whole"),
            ("/{}", "binds no argument"),
            ("/{*rest}/a", "nothing follows"),
            ("/{a_b}/{a-b}", "bound twice"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
