//! The guide: each of its snippets stands in the file that it is linked to, and what its table names is there.

use std::path::Path;

use wasmhost_tests::root;

/// Parts of one snippet, which stand in their file in this order.
const APART: &str = "// …";

/// A fenced block, with the file that was linked to last before it.
#[derive(Debug, PartialEq)]
struct Snippet<'a> {
    language: &'a str,
    file: Option<&'a str>,
    lines: Vec<&'a str>,
}

fn snippets(guide: &str) -> Vec<Snippet<'_>> {
    let (mut found, mut file) = (Vec::<Snippet<'_>>::new(), None);
    let mut is_open = false;
    for line in guide.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                found.push(Snippet { language, file, lines: Vec::new() });
            }
        } else if is_open {
            found.last_mut().unwrap().lines.push(line);
        } else if let Some((_, link)) = line.rsplit_once("](../") {
            file = link.split(')').next();
        }
    }
    found
}

/// The first part of a snippet that is not in the file behind the parts before it.
fn missing<'a>(snippet: &Snippet<'a>, file: &str) -> Option<Vec<&'a str>> {
    let file: Vec<_> = file.lines().collect();
    let mut rest = file.as_slice();
    for part in snippet.lines.split(|line| *line == APART) {
        let Some(at) = rest.windows(part.len()).position(|lines| lines == part) else { return Some(part.to_vec()) };
        rest = &rest[at + part.len()..];
    }
    None
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_snippet_stands_in_its_file() {
    let guide = read("docs/guide.md");
    let snippets = snippets(&guide);
    let ours: Vec<_> = snippets.iter().filter(|snippet| ["rust", "toml"].contains(&snippet.language)).collect();
    assert!(ours.len() >= 16, "one for each of theirs: {}", ours.len());
    for snippet in ours {
        let file = snippet.file.unwrap_or_else(|| panic!("no file is linked to before {snippet:?}"));
        if let Some(part) = missing(snippet, &read(file)) {
            panic!("this is not in `{file}`, or not in this order:\n{}", part.join("\n"));
        }
    }
}

#[test]
fn the_table_names_examples_and_tests_that_are_there() {
    let guide = read("docs/guide.md");
    let (_, table) = guide.split_once("## Each of them, and what runs it").unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    let theirs = snippets(&guide).iter().filter(|snippet| snippet.language == "python").count();
    assert_eq!(rows.len(), theirs, "a row for each of theirs");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_, examples, test] = cells.as_slice() else { panic!("{row}") };
        for example in quoted(examples) {
            assert!(root().join(format!("examples/{example}/README.md")).is_file(), "`{example}` has no README");
        }
        let names = quoted(test);
        assert!(!names.is_empty(), "{row}");
        for pair in names.chunks(2) {
            let [module, test] = pair else { panic!("{row}") };
            let text = read(format!("tests/it/{module}.rs"));
            assert!(text.contains(&format!("fn {test}()")), "`{module}` has no test `{test}`");
        }
    }
}

#[test]
fn a_snippet_that_drifted_is_found() {
    let guide =
        "In [`a`](../a/b.rs) and [`c`](../c.rs):\n\n```rust\n    one\n// …\n    three\n```\n```console\n$ x\n```\n";
    let found = snippets(guide);
    assert_eq!((found[0].file, found[0].language, found[1].language), (Some("c.rs"), "rust", "console"));
    assert_eq!(missing(&found[0], "zero\n    one\n    two\n    three\n"), None);
    assert_eq!(missing(&found[0], "    one\n    tree\n"), Some(vec!["    three"]));
    assert_eq!(missing(&found[0], "    three\n    one\n"), Some(vec!["    three"]), "the order counts");
    assert_eq!(missing(&found[0], "one\n    three\n"), Some(vec!["    one"]), "indentation counts");
}
