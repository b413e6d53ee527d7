//! The floors of the host: which module may use which.
//!
//! A module uses modules of its own floor and of those below. Paths are read off the text, as `crate::name` and, where
//! it leads to the crate's root, `super::name`; a name without its module, as a root's export list allows to outsiders,
//! would go around the rule and is refused.

use super::text::RustText;
use super::{File, Violation, violation, words};

/// The modules of each floor, the lowest first.
pub(super) const FLOORS: &[&[&str]] = &[
    &["config", "error", "memory", "drain"],
    &["engine", "linker"],
    &["values", "component", "manifest"],
    &["instance", "lifecycle", "state"],
    &["snapshot", "artifact"],
    &["pool"],
    &["service"],
    &["web", "api", "raw"],
    &["cli", "main"],
];

/// A use that goes up all the same, and why.
pub(super) struct Exemption {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) reason: &'static str,
}

/// Uses that go up.
pub(super) const EXEMPTIONS: &[Exemption] = &[Exemption {
    from: "linker",
    to: "state",
    reason: "a linker is typed by the state of the stores it links for, and its host functions live on that state",
}];

/// Modules that are pure: the same answer to the same arguments, so that they are tested with invented time.
pub(super) const PURE: &[&str] = &["lifecycle", "manifest", "pool/policy", "pool/key", "artifact/digest"];

const SOURCES: &str = "host/src/";

/// Uses that go up and are not exempt, names without a floor, and exemptions without a use.
pub(super) fn check(files: &[File], floors: &[&[&str]], exemptions: &[Exemption]) -> Vec<Violation> {
    let floor_of = |module: &str| floors.iter().position(|floor| floor.contains(&module));
    let mut found = Vec::new();
    let mut needed = vec![false; exemptions.len()];
    for (file, module) in host_modules(files) {
        let Some(floor) = floor_of(module) else {
            let message = format!("the module `{module}` has no floor: add it to FLOORS in tests/it/tidy/floors.rs");
            found.push(violation(file, 0, &message));
            continue;
        };
        for (at, used) in uses(file) {
            let Some(used_floor) = floor_of(&used.name) else {
                if used.certain {
                    let message = format!(
                        "`crate::{}` names no module that has a floor: write the path through its module",
                        used.name
                    );
                    found.push(violation(file, at, &message));
                }
                continue;
            };
            if used_floor <= floor {
                continue;
            }
            match exemptions.iter().position(|exemption| exemption.from == module && exemption.to == used.name) {
                Some(row) => needed[row] = true,
                None => {
                    let message =
                        format!("`{module}` (floor {floor}) uses `{}` (floor {used_floor}) above it", used.name);
                    found.push(violation(file, at, &message));
                }
            }
        }
    }
    for (exemption, _) in exemptions.iter().zip(needed).filter(|(_, needed)| !needed) {
        let Exemption { from, to, reason } = exemption;
        found.push(Violation {
            path: format!("{SOURCES}{from}"),
            line: 1,
            message: format!("no longer uses `{to}`: remove its exemption (\"{reason}\")"),
        });
    }
    found
}

/// Runtimes and clocks in modules that are to know none.
pub(super) fn check_pure(files: &[File], pure: &[&str]) -> Vec<Violation> {
    const IMPURE: &[&str] = &["wasmtime", "tokio", "Instant::now", "SystemTime::now"];

    let mut found = Vec::new();
    for file in files {
        let Some(path) = file.path.strip_prefix(SOURCES).and_then(|path| path.strip_suffix(".rs")) else { continue };
        if !pure.contains(&path) {
            continue;
        }
        let code = RustText::code(&file.text);
        for word in IMPURE {
            let message = format!("`{word}` in a pure module: let its caller know that, and hand in a value");
            found.extend(words(&code, word).map(|at| violation(file, at, &message)));
        }
    }
    found
}

/// The host's files, each with the module at the root that it belongs to. The root itself names them all.
fn host_modules(files: &[File]) -> impl Iterator<Item = (&File, &str)> {
    files.iter().filter_map(|file| {
        let path = file.path.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
        (path != "lib").then(|| (file, path.split('/').next().unwrap_or(path)))
    })
}

struct Use {
    name: String,
    /// Whether the path surely starts at the root. One through `super` may lie in an inline module, which text does not
    /// tell, so there a name without a floor is no violation.
    certain: bool,
}

/// The names at the crate's root that a file's paths go through.
fn uses(file: &File) -> Vec<(usize, Use)> {
    let code = RustText::code(&file.text);
    let depth = file.path.strip_prefix(SOURCES).map_or(0, |path| path.split('/').count());
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for (prefix, certain) in [("crate::", true), (to_root.as_str(), false)] {
        for at in words(&code, prefix) {
            let names = first_names(&code[at + prefix.len()..]);
            found.extend(names.into_iter().map(|name| (at, Use { name, certain })));
        }
    }
    found
}

/// The first segments of the path, or of the group of paths, that `rest` starts with.
fn first_names(rest: &str) -> Vec<String> {
    let identifier =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![identifier(rest)];
    };
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(identifier(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::super::of_itself::{assert_found, files};
    use super::*;

    const SMALL: &[&[&str]] = &[&["error"], &["engine", "values"], &["pool"]];

    fn check_one(path: &str, text: &str) -> Vec<Violation> {
        check(&files(&[(path, text)]), SMALL, &[])
    }

    #[test]
    fn a_use_of_a_higher_floor_is_found_in_each_way_to_write_it() {
        for text in [
            "use crate::pool::Lease;",
            "use crate::pool;",
            "pub(crate) use crate::{error::Error, pool::{Key, Lease}};",
            "fn f() -> crate::pool::Lease { panic!() }",
            "use super::pool::Lease;",
        ] {
            assert_found(
                &check_one("host/src/engine.rs", text),
                &["host/src/engine.rs:1: `engine` (floor 1) uses `pool`"],
            );
        }
        assert_found(
            &check_one("host/src/engine/ticker.rs", "use super::super::pool;"),
            &["host/src/engine/ticker.rs:1"],
        );
    }

    #[test]
    fn the_same_floor_lower_floors_and_mere_mentions_are_allowed() {
        for text in [
            "use crate::values::{self, Json};\nuse crate::error::Error;",
            "//! See [`crate::pool`].\nconst TEXT: &str = \"crate::pool\";",
            "mod tests { use super::*; use super::Engine; }",
            "pub(in crate::engine) fn f() {}",
        ] {
            assert_found(&check_one("host/src/engine.rs", text), &[]);
        }
        // One `super` leads out of a file two floors of folders down, not to the root.
        assert_found(&check_one("host/src/engine/ticker.rs", "use super::pool;"), &[]);
        assert_found(&check_one("host/src/lib.rs", "pub use crate::pool::Lease;"), &[]);
    }

    #[test]
    fn a_module_or_a_name_without_a_floor_is_found() {
        assert_found(
            &check_one("host/src/cache/disk.rs", ""),
            &["host/src/cache/disk.rs:1: the module `cache` has no floor"],
        );
        assert_found(
            &check_one("host/src/pool.rs", "\nuse crate::Error;"),
            &["host/src/pool.rs:2: `crate::Error` names"],
        );
    }

    #[test]
    fn an_exemption_allows_its_use_and_is_found_when_nothing_needs_it() {
        let row = |to| Exemption { from: "engine", to, reason: "a test's reason" };
        let files = files(&[("host/src/engine.rs", "use crate::pool::Lease;")]);
        assert_found(&check(&files, SMALL, &[row("pool")]), &[]);
        let unused = "host/src/engine:1: no longer uses `values`";
        assert_found(&check(&files, SMALL, &[row("pool"), row("values")]), &[unused]);
    }

    #[test]
    fn a_runtime_or_a_clock_in_a_pure_module_is_found() {
        let text = "//! Knows no tokio.\nuse tokio::time;\nfn f(now: Instant) { Instant::now(); let tokio_like = \"wasmtime\"; }\n";
        let files = files(&[("host/src/pool/key.rs", text), ("host/src/pool.rs", text)]);
        let expected = ["host/src/pool/key.rs:2: `tokio`", "host/src/pool/key.rs:3: `Instant::now`"];
        assert_found(&check_pure(&files, PURE), &expected);
    }
}
