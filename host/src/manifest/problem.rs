//! What can be wrong with a manifest, and where: key paths, problems, and the one error that holds
//! them all.
//!
//! A user who fixes one mistake only to be told of the next is badly served, so nothing in this
//! module stops at the first problem. It knows nothing of the settings themselves, nor of TOML or
//! JSON.

use std::fmt;

/// At most this many problems are collected, because each costs one more reading of the document.
pub(super) const MAX_PROBLEMS: usize = 50;

/// Where a value stands in a document: the keys and list positions that lead to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyPath(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path of `keys`, one below the other.
    pub(super) fn of<const N: usize>(keys: [&str; N]) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.to_owned())).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    pub(super) fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }
}

/// Prints the path as TOML spells it: `class."ns:pkg/name".files[0].path`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The line it stands on, counted from 1; `None` where there are no lines, as in a component's
    /// own section.
    pub(crate) line: Option<usize>,
    /// The key it is about, as TOML spells it: `class.my-class.memory`. Empty if it is about the
    /// whole document.
    pub(crate) key: String,
    /// What is wrong and what to write instead.
    pub(crate) message: String,
}

/// Everything that is wrong with one source of settings; prints one problem per line, each after
/// `place:line:`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ManifestError {
    place: String,
    problems: Vec<Problem>,
}

impl ManifestError {
    /// Orders `problems` by line; `place` is a file's path, or the words for another source.
    pub(super) fn new(place: impl Into<String>, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { place: place.into(), problems }
    }

    /// Every problem found, in the order of their lines; never empty.
    #[cfg(test)]
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, Problem { line, key, message }) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.place)?;
            if let Some(line) = line {
                write!(f, "{line}:")?;
            }
            if !key.is_empty() {
                write!(f, " {key}:")?;
            }
            write!(f, " {message}")?;
        }
        Ok(())
    }
}

/// Says what to write instead of `unknown`: the nearest of `known`, else all of them.
pub(super) fn suggest(unknown: &str, known: &[&str]) -> String {
    // A refused key is known only so that it can be refused in words; nobody should be led to it.
    let known = || known.iter().copied().filter(|key| *key != "cpu");
    let folded = unknown.to_ascii_lowercase().replace('_', "-");
    let nearest = known()
        .map(|key| (strsim::damerau_levenshtein(&folded, key), key))
        .filter(|(distance, key)| *distance <= key.len().max(3) / 3)
        .min();
    match nearest {
        Some((_, key)) => format!("did you mean `{key}`?"),
        None if known().next().is_none() => "there are none here".to_owned(),
        None => format!("known are {}", known().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    }
}

impl From<ManifestError> for crate::error::Error {
    fn from(error: ManifestError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Shortens `text` for a message: a manifest may be hostile, and its reader's terminal is not.
pub(super) fn brief(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(MAX_CHARS).map(printable).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_toml_spells_it() {
        let path = KeyPath::of(["class", "ns:pkg/name@1.0.0", "files"]).index(2).key("path");
        assert_eq!(path.to_string(), r#"class."ns:pkg/name@1.0.0".files[2].path"#);
    }

    #[test]
    fn a_near_key_is_proposed_and_otherwise_all_are_listed() {
        let known = ["memory", "max-calls", "cpu"];
        assert_eq!(suggest("memroy", &known), "did you mean `memory`?");
        assert_eq!(suggest("max_calls", &known), "did you mean `max-calls`?");
        assert_eq!(suggest("colour", &known), "known are `memory`, `max-calls`");
    }

    #[test]
    fn every_line_of_an_error_names_the_place() {
        let problem = |line, key: &str| Problem { line, key: key.to_owned(), message: "is wrong".to_owned() };
        let error = ManifestError::new("app/wasmhost.toml", vec![problem(Some(7), "name"), problem(None, "")]);
        assert_eq!(error.to_string(), "app/wasmhost.toml: is wrong\napp/wasmhost.toml:7: name: is wrong");
    }

    #[test]
    fn control_characters_and_long_texts_do_not_reach_the_terminal() {
        assert_eq!(brief("a\u{1b}[31m"), "a\u{fffd}[31m");
        assert_eq!(brief(&"x".repeat(500)).chars().count(), 61);
    }
}
