//! The names of a type's fields, cases or flags, and the rules by which a caller's name finds one of them.
//!
//! There are two rules. Names in data are compared with `_` = `-`, so that Rust's and Python's spelling of a field
//! just works. The case names of Rust enums may also be in PascalCase.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::error::shorten;

/// Names in the order of their declaration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Names(Box<[Box<str>]>);

/// The most names an error lists.
const MAX_LISTED: usize = 10;

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// The name at `index`, which came from one of the `position` methods.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.0[index]
    }

    /// Finds a name, with `_` = `-`.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.position_from(0, name)
    }

    /// Like [`Names::position`], trying `hint` first: fields mostly arrive in the order of their declaration.
    pub(crate) fn position_from(&self, hint: usize, name: &str) -> Option<usize> {
        match self.0.get(hint) {
            Some(at_hint) if same(at_hint, name) => Some(hint),
            _ => self.iter().position(|known| same(known, name)),
        }
    }

    /// Finds the case that a variant of a Rust enum means: `not_found`, `not-found` or `NotFound`.
    pub(crate) fn position_of_variant(&self, variant: &str) -> Option<usize> {
        self.position(variant).or_else(|| only_position(self.iter(), |known| same_words(known, variant)))
    }

    /// The names for an error about `given`: a suggestion if one is near, then all, the nearest first.
    pub(crate) fn hint(&self, given: &str) -> String {
        let given = shorten(given, 64);
        let mut ranked: Vec<(f64, &str)> =
            self.iter().map(|known| (strsim::jaro_winkler(known, &given), known)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some(&(likeness, nearest)) = ranked.first() else { return String::from("no name is known here") };
        let mut hint = String::new();
        if likeness > 0.8 {
            let _ = write!(hint, "did you mean `{nearest}`? ");
        }
        hint.push_str("known: ");
        hint.push_str(&list(ranked.into_iter().map(|(_, known)| known)));
        hint
    }

    /// All names in their order: `a`, `b`.
    pub(crate) fn listed(&self) -> String {
        list(self.iter())
    }
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let mut list = names.take(MAX_LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(list, " and {more} more");
    }
    list
}

/// Whether two names are one, with `_` = `-`.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let dashed = |byte| if byte == b'_' { b'-' } else { byte };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| a == b || dashed(a) == dashed(b))
}

/// Whether two names consist of the same letters and digits, whatever the case and the separators between words.
pub(crate) fn same_words(a: &str, b: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
    }
    letters(a).eq(letters(b))
}

/// The position of the one name that matches; none if several do.
pub(crate) fn only_position<'a>(names: impl Iterator<Item = &'a str>, matches: impl Fn(&str) -> bool) -> Option<usize> {
    let mut positions = names.enumerate().filter(|(_, name)| matches(name)).map(|(position, _)| position);
    positions.next().filter(|_| positions.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_and_underscores_are_the_same_in_data() {
        let names = Names::from_iter(["a-b", "c"]);
        assert_eq!(names.position("a_b"), Some(0));
        assert_eq!(names.position("a-b"), Some(0));
        assert_eq!(names.position("A-b"), None);
        assert_eq!(names.position("ab"), None);
    }

    #[test]
    fn rust_variants_may_be_in_pascal_case_if_that_is_unambiguous() {
        let names = Names::from_iter(["not-found", "http2-error", "ab-c", "a-bc"]);
        assert_eq!(names.position_of_variant("NotFound"), Some(0));
        assert_eq!(names.position_of_variant("HTTP2Error"), Some(1));
        assert_eq!(names.position_of_variant("ABc"), None);
        assert_eq!(names.position_of_variant("ab_c"), Some(2));
    }

    #[test]
    fn the_nearest_name_is_first_and_long_lists_are_cut() {
        let names = Names::from_iter(["size", "label", "score"]);
        assert_eq!(names.hint("lable"), "did you mean `label`? known: `label`, `size`, `score`");
        assert_eq!(names.hint("zzz").split('`').count(), 7);
        let many: Vec<String> = (0..13).map(|n| format!("n{n}")).collect();
        let names: Names = many.iter().map(String::as_str).collect();
        assert!(names.listed().ends_with("`n9` and 3 more"), "{}", names.listed());
    }
}
