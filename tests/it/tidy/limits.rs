//! What errors call the settings that would have helped: a flag, a key of the manifest, or where there is neither, a method of
//! the host's builder. Whoever reads such a name types it.

use std::collections::BTreeSet;

use serde_json::Value;
use wasmhost_tests::wasmhost;

use super::text::RustText;
use super::{Exemption, File, Violation, assert_none, repository, violation, words};

/// Limits that only embedders can change, by the method that does, with `-` for `_`.
const OF_THE_BUILDER: &[&str] = &[
    "max-component-bytes",
    "max-handles",
    "max-hostcall-bytes",
    "max-image-bytes",
    "max-image-files",
    "max-parts",
    "max-random-bytes",
    "max-table-elements",
    "max-tmp-files",
];

/// Where the builder is.
const BUILDER: &str = "host/src/service/builder.rs";

const SOURCES: &str = "host/src/";

/// Files that name a limit otherwise.
const OTHERWISE: &[Exemption] = &[];

#[test]
fn errors_name_settings_that_there_are() {
    let files = repository();
    let mut known = keys(&wasmhost::manifest_schema());
    for verb in ["serve", "run"] {
        known.extend(flags(&wasmhost(&[verb, "--help"]).ok()));
    }
    for (name, example) in [("max-body", "a flag"), ("wait-timeout", "a key")] {
        assert!(known.contains(name), "{example} is not among the names: is the list right?");
    }
    assert_none(&unbuilt(&files, OF_THE_BUILDER));
    known.extend(OF_THE_BUILDER.iter().map(|name| (*name).to_owned()));
    assert_none(&check(&files, &known, OTHERWISE));
}

/// Names of settings that nobody can set, and exemptions that nothing needs.
fn check(files: &[File], known: &BTreeSet<String>, exempt: &[Exemption]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(SOURCES) && file.path.ends_with(".rs")) {
        let unknown = names(file).into_iter().filter(|(_, name)| !known.contains(*name));
        let unknown: Vec<_> = unknown
            .map(|(at, name)| violation(file, at, &format!("`{name}` is no flag, no key and no method of the builder")))
            .collect();
        match exempt.iter().find(|exemption| exemption.path == file.path) {
            None => found.extend(unknown),
            Some(exemption) if unknown.is_empty() => {
                let message = format!("it is no longer so: remove its row from OTHERWISE (\"{}\")", exemption.reason);
                found.push(violation(file, 0, &message));
            }
            Some(_) => {}
        }
    }
    found
}

/// The settings that the errors of a file name, as literals, and where: what `with_limit` and fields `setting` are given, and
/// what messages say.
fn names(file: &File) -> Vec<(usize, &str)> {
    let code = RustText::code(&file.text);
    let literal = |at: usize| {
        let text = file.text[at..].trim_start();
        let text = text.strip_prefix("Some(").unwrap_or(text).strip_prefix('"')?;
        Some((at, text.split('"').next()?))
    };
    let mut found: Vec<_> = ["with_limit(", "setting:"]
        .iter()
        .flat_map(|word| words(&code, word).map(|at| at + word.len()))
        .filter_map(literal)
        .collect();
    let said = "the setting is";
    found.extend(words(&file.text, said).filter_map(|at| {
        // A message may go on in the next line.
        let text = file.text[at + said.len()..].trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
        let name = text.strip_prefix('`')?.split('`').next()?;
        (!name.contains('{')).then_some((at, name))
    }));
    found
}

/// Rows that name no method of the builder.
fn unbuilt(files: &[File], rows: &[&str]) -> Vec<Violation> {
    let builder = files.iter().find(|file| file.path == BUILDER);
    let text = builder.map_or("", |file| &file.text);
    let missing = rows.iter().filter(|row| !text.contains(&format!("pub fn {}(mut self", row.replace('-', "_"))));
    missing
        .map(|row| Violation {
            path: BUILDER.to_owned(),
            line: 1,
            message: format!("`{row}` stands in OF_THE_BUILDER, and the builder has no such method"),
        })
        .collect()
}

/// The long flags that a help text tells of.
fn flags(help: &str) -> BTreeSet<String> {
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter_map(|word| word.strip_prefix("--")).filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
}

/// The names of all properties of a schema.
fn keys(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                    found.extend(properties.keys().cloned());
                }
                found.append(&mut keys(value));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| found.append(&mut keys(item))),
        _ => {}
    }
    found
}

/// The rule on a small invented repository.
mod of_itself {
    use super::super::of_itself::{assert_found, files};
    use super::*;

    #[test]
    fn a_name_that_nobody_can_set_is_found_wherever_it_is_told() {
        let known = BTreeSet::from(["memory".to_owned()]);
        let files = files(&[
            ("host/src/a.rs", "fn a() {\n  e.with_limit(\"memory\", x);\n  e.with_limit(\n    \"store\", x);\n}"),
            ("host/src/b.rs", "Limit { setting: Some(\"room\"), limit }\nSpan { setting: \"memory\" }\nsetting: None"),
            ("host/src/c.rs", "format!(\"too much; the setting is \\\n  `space`, or the setting is `{name}`\")"),
            ("host/src/d.rs", "fn d() {} // with_limit(\"old\")\nself.with_limit(span.setting, x)"),
            ("tests/it/e.rs", "e.with_limit(\"else\", x)"),
        ]);
        let expected = ["host/src/a.rs:3: `store` is no flag", "host/src/b.rs:1: `room`", "host/src/c.rs:1: `space`"];
        assert_found(&check(&files, &known, &[]), &expected);
        let exempt = ["host/src/a.rs", "host/src/d.rs"].map(|path| Exemption { path, reason: "old" });
        let expected = ["host/src/b.rs:1", "host/src/c.rs:1", "host/src/d.rs:1: it is no longer so"];
        assert_found(&check(&files, &known, &exempt), &expected);
    }

    #[test]
    fn names_are_read_off_help_schema_and_builder() {
        assert_eq!(
            flags("  -r, --max-body <SIZE>  as `--no-build`, -- or"),
            ["max-body", "no-build"].map(str::to_owned).into()
        );
        let schema =
            serde_json::json!({"properties": {"a": {"properties": {"b": 1}}}, "any": [{"properties": {"c": 1}}]});
        assert_eq!(keys(&schema), ["a", "b", "c"].map(str::to_owned).into());
        let files = files(&[(BUILDER, "pub fn max_handles(mut self, handles: usize) -> Self {")]);
        assert_found(&unbuilt(&files, &["max-handles", "max-hands"]), &["host/src/service/builder.rs:1: `max-hands`"]);
    }
}
