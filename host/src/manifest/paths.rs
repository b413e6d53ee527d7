//! Where a guest sees files and mounts, and that no two of them claim the same place.
//!
//! Only text is compared here; whether a file exists is for whoever opens it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, Serializer};

use super::problem::brief;
use super::read::deserialize_from_str;

/// Holds what `build` left behind, so nothing else can be put there.
const IMAGE: &str = "/image";

/// An absolute path inside a guest, normalised, and never `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GuestPath(String);

impl GuestPath {
    /// The path as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path is `outer` or lies below it.
    pub(super) fn is_within(&self, outer: &str) -> bool {
        self.0.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no path for a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {reason}", brief(path))]
pub(crate) struct GuestPathError {
    path: String,
    reason: &'static str,
}

impl FromStr for GuestPath {
    type Err = GuestPathError;

    fn from_str(text: &str) -> Result<Self, GuestPathError> {
        let path = Self(text.to_owned());
        let reason = match text.strip_prefix('/') {
            None => "is not absolute; a guest's path begins with `/`",
            Some("") => "would be the guest's whole file system; name a path below it, such as `/data`",
            Some(rest) if rest.split('/').any(|part| matches!(part, "" | "." | "..")) => {
                "is not normalised; leave out `.`, `..`, double slashes and the one at the end"
            }
            Some(_) if text.contains(char::is_control) => "has a control character in it",
            Some(_) if path.is_within(IMAGE) => "lies in `/image`, which holds what `build` left there",
            Some(_) => return Ok(path),
        };
        Err(GuestPathError { path: path.0, reason })
    }
}

/// What stands at a guest's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    File,
    Mount,
    /// The private `/tmp` that the setting `tmp` gives.
    Tmp,
}

/// Says why `path` cannot be added beside `others`, if it cannot.
///
/// A mount may lie below another mount, where the more exact one wins. A file below a mount would
/// appear in a directory of the host, and nothing can lie below a file.
pub(super) fn clash<'a>(
    (occupant, path): (Occupant, &GuestPath),
    others: impl IntoIterator<Item = (Occupant, &'a GuestPath)>,
) -> Option<String> {
    use Occupant::{File, Mount, Tmp};
    others.into_iter().find_map(|(other, at)| {
        let what = match other {
            File => "a file",
            Mount => "a mount",
            Tmp => "the private directory of the setting `tmp`",
        };
        if path == at {
            return Some(format!("`{path}` is taken by {what} already; give each its own path"));
        }
        let (inner, outer, is_inner) = if path.is_within(&at.0) {
            (occupant, other, true)
        } else if at.is_within(&path.0) {
            (other, occupant, false)
        } else {
            return None;
        };
        let is_allowed = matches!((inner, outer), (Mount, Mount));
        (!is_allowed).then(|| {
            let relation = if is_inner { "lies below" } else { "lies above" };
            format!("`{path}` {relation} `{at}`, which is {what}; give each a path of its own")
        })
    })
}

deserialize_from_str!(GuestPath, "a guest's path such as `/data/model.bin`");

impl Serialize for GuestPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl JsonSchema for GuestPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GuestPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "path in the guest",
            "pattern": r"^(/(?!\.{1,2}(/|$))[^/]+)+$",
            "examples": ["/data/model.bin"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_guest_path_is_absolute_and_normalised() {
        for text in ["/a", "/data/model.bin", "/a/..b", "/images"] {
            assert_eq!(path(text).as_str(), text);
        }
        for text in ["", "a", "./a", "/", "//", "/a/", "/a//b", "/a/./b", "/../a", "/a\0", "/image", "/image/x"] {
            assert!(text.parse::<GuestPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_two_occupants_share_a_path_and_only_mounts_nest() {
        use Occupant::{File, Mount, Tmp};
        let clash = |inner: (Occupant, &str), outer: (Occupant, &str)| {
            super::clash((inner.0, &path(inner.1)), [(outer.0, &path(outer.1))])
        };
        assert!(clash((File, "/a"), (Mount, "/a")).unwrap().contains("taken by a mount"));
        assert!(clash((File, "/a/b"), (Mount, "/a")).unwrap().contains("lies below `/a`"));
        assert!(clash((Mount, "/a"), (File, "/a/b")).unwrap().contains("lies above `/a/b`"));
        assert!(clash((File, "/tmp/x"), (Tmp, "/tmp")).is_some());
        assert_eq!(clash((Mount, "/a/b"), (Mount, "/a")), None);
        assert_eq!(clash((File, "/ab"), (Mount, "/a")), None);
    }
}
