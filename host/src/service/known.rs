//! The error about a name that is not there: what was probably meant, or what there is. It knows neither apps nor classes.

use crate::error::Error;

/// The most names that an error lists.
pub(crate) const MAX_LISTED: usize = 10;

/// Names of one kind, of which one was wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) names: &'a [String],
    pub(crate) plural: &'a str,
    /// The command that lists all of them.
    pub(crate) listed_by: Option<&'a str>,
}

/// `not-found` with the name that might have been meant, or those that there are.
pub(crate) fn unknown(what: String, name: &str, known: &[String], plural: &str) -> Error {
    Known { names: known, plural, listed_by: None }.lacks(what, name)
}

impl Known<'_> {
    /// `not-found`: `what` says where `name` was looked for.
    pub(crate) fn lacks(&self, what: String, name: &str) -> Error {
        Error::not_found(format!("{what}; {}", self.hint(name)))
    }

    fn hint(&self, name: &str) -> String {
        let name = name.replace('_', "-");
        let near = self.names.iter().map(|known| (strsim::damerau_levenshtein(known, &name), known));
        match near.min() {
            None => format!("there are no {}", self.plural),
            Some((distance, nearest)) if distance <= nearest.len() / 3 + 1 => format!("did you mean `{nearest}`?"),
            Some(_) => {
                let mut names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
                names.sort_unstable();
                let mut lines = names.len().min(MAX_LISTED);
                if let Some(more) = more(names.len(), self.listed_by) {
                    names.insert(lines, more);
                    lines += 1;
                }
                format!("known {}: {}", self.plural, names[..lines].join(", "))
            }
        }
    }
}

/// What stands for those of `count` names that are not listed; `None` if all are.
pub(crate) fn more(count: usize, listed_by: Option<&str>) -> Option<String> {
    let more = count.checked_sub(MAX_LISTED).filter(|more| *more > 0)?;
    Some(match listed_by {
        Some(command) => format!("… and {more} more: `{command}`"),
        None => format!("… and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(known: &[&str], listed_by: Option<&str>) -> String {
        let names: Vec<_> = known.iter().map(|&name| name.to_owned()).collect();
        Known { names: &names, plural: "methods", listed_by }.hint("add_item")
    }

    #[test]
    fn the_nearest_name_is_told_or_all_in_order() {
        assert_eq!(hint(&[], None), "there are no methods");
        assert_eq!(hint(&["clear", "add-items"], None), "did you mean `add-items`?");
        assert_eq!(hint(&["take", "pay", "clear"], None), "known methods: `clear`, `pay`, `take`");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<_> = (0..40).rev().map(|n| format!("m{n:02}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let told = hint(&names, Some("wasmhost inspect app"));
        assert!(told.starts_with("known methods: `m00`, `m01`, "), "{told}");
        assert!(told.ends_with(", `m09`, … and 30 more: `wasmhost inspect app`"), "{told}");
        assert!(hint(&names[..11], None).ends_with(", … and 1 more"));
        assert!(!hint(&names[..10], None).contains('…'));
    }
}
