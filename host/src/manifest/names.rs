//! The rules for names: apps, components and classes, and the full interface names that may stand
//! for a class.
//!
//! Names become host names (`{app}--{class}.localhost`), which is where both limits come from: a
//! DNS label has 63 characters, and `--` separates its two halves.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::problem::brief;
use super::read::deserialize_from_str;

/// The longest name of an app, component or class, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 30;

// At most 30 characters of lower-case words; the limit is a lookahead so that one pattern serves as
// a key, too.
const NAME_PATTERN: &str = "^(?=.{1,30}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$";
const CLASS_KEY_PATTERN: &str = "^((?=.{1,30}$)[a-z][a-z0-9]*(-[a-z0-9]+)*|[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9-]*(@[0-9][0-9A-Za-z.+-]*)?)$";

/// The name of an app, a component or a class: lower-case words joined by single dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Name(pub(super) String);

/// What a class is addressed by in a manifest: its name, or the full name of its interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassKey(pub(super) String);

/// The full name of an interface, `ns:pkg/name@1.0.0`; the version is part of it if the component
/// has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InterfaceName(pub(super) String);

/// Why a text is no name, with a name to use instead if one can be made of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct NameError {
    text: String,
    reason: Cow<'static, str>,
    proposal: Option<String>,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", brief(&self.text), self.reason)?;
        match &self.proposal {
            Some(proposal) => write!(f, "; use `{proposal}`"),
            None => Ok(()),
        }
    }
}

/// Checks that `text` can name an app, a component or a class.
///
/// # Errors
/// If it is longer than [`MAX_NAME_CHARS`], or anything but lower-case words joined by single
/// dashes.
pub(crate) fn check_name(text: &str) -> Result<(), NameError> {
    let reason = if !is_kebab(text) {
        Cow::Borrowed("is no name: lower-case letters and digits, joined by single dashes, a letter first")
    } else if text.len() > MAX_NAME_CHARS {
        Cow::Owned(format!("has {} characters; a name has at most {MAX_NAME_CHARS}", text.len()))
    } else {
        return Ok(());
    };
    Err(NameError { text: text.to_owned(), reason, proposal: fit_name(text) })
}

/// Makes a name of any text, `My_App v2` becoming `my-app-v2`; `None` if it has no letter to begin
/// with.
#[must_use]
pub(crate) fn fit_name(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_lower && !name.is_empty() {
            name.push('-');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        match c.to_ascii_lowercase() {
            c @ 'a'..='z' => name.push(c),
            c @ '0'..='9' if !name.is_empty() => name.push(c),
            '0'..='9' => {}
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(MAX_NAME_CHARS);
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Spells a name of the component as WIT does; everywhere such names are compared, `_` is the same
/// as `-`.
pub(super) fn canonical(name: &str) -> String {
    name.replace('_', "-")
}

fn is_kebab(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_name(text).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for ClassKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains([':', '/']) {
            InterfaceName::from_str(text).map(|name| Self(name.0))
        } else {
            Name::from_str(text).map(|name| Self(name.0))
        }
    }
}

impl FromStr for InterfaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (path, version) = text.split_once('@').map_or((text, None), |(path, version)| (path, Some(version)));
        let fits_version = version.is_none_or(|version| {
            version.starts_with(|c: char| c.is_ascii_digit())
                && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-".contains(&b))
        });
        let parts = path.split_once(':').and_then(|(namespace, rest)| Some((namespace, rest.split_once('/')?)));
        match parts {
            Some((namespace, (package, interface)))
                if fits_version && [namespace, package, interface].into_iter().all(is_kebab) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NameError {
                text: text.to_owned(),
                reason: "is no interface name, which looks like `ns:pkg/name@1.0.0`".into(),
                proposal: None,
            }),
        }
    }
}

deserialize_from_str!(Name, "a name such as `my-app`");
deserialize_from_str!(ClassKey, "a class name such as `my-class`");
deserialize_from_str!(InterfaceName, "an interface name such as `ns:pkg/name@1.0.0`");

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME_PATTERN, "examples": ["my-app"] })
    }
}

impl JsonSchema for ClassKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClassKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": CLASS_KEY_PATTERN })
    }
}

impl JsonSchema for InterfaceName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InterfaceName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9-]*(@[0-9][0-9A-Za-z.+-]*)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_words_joined_by_single_dashes_are_names() {
        for name in ["a", "my-app", "a1-2b", &"x".repeat(30)] {
            assert_eq!(check_name(name), Ok(()));
        }
        for text in ["", "-a", "a-", "a--b", "1a", "A", "a_b", "ä", "a.b", &"x".repeat(31)] {
            assert!(check_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refused_name_comes_with_one_that_fits() {
        let message = check_name("My_App").unwrap_err().to_string();
        assert!(message.ends_with("; use `my-app`"), "{message}");
        assert_eq!(fit_name("MyApp").as_deref(), Some("my-app"));
        assert_eq!(fit_name("__2 cats__&  dogs!").as_deref(), Some("cats-dogs"));
        assert_eq!(fit_name("größe").as_deref(), Some("gr-e"));
        assert_eq!(fit_name("123"), None);
    }

    #[test]
    fn a_class_may_be_addressed_by_its_full_interface_name() {
        for key in ["my-class", "ns:pkg/name", "ns:pkg/name@1.0.0", "a:b/c@0.1.0-rc.1+x"] {
            assert!(key.parse::<ClassKey>().is_ok(), "{key}");
        }
        for key in ["ns:pkg", "ns/pkg", "ns:pkg/Name", "ns:pkg/name@", "ns:pkg/a/b", "my_class"] {
            assert!(key.parse::<ClassKey>().is_err(), "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_made_to_fit_fits(text: String) {
            if let Some(name) = fit_name(&text) {
                proptest::prop_assert_eq!(check_name(&name), Ok(()));
            }
        }
    }
}
