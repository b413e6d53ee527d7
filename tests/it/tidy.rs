//! The repository's own rules, where no compiler or linter knows them: floors, headers, banned words, lengths.
//!
//! A rule is a function from the tracked files to its violations, so that each is shown here, on a small invented
//! repository, to catch what it is there for. Exemptions lie in tables, each with its reason; one that nothing needs any
//! longer is a violation too.

mod floors;
mod limits;
mod text;

use std::fmt;
use std::path::Path;
use std::process::Command;

use text::RustText;

/// A file of the repository, as the rules see it.
struct File {
    /// Relative to the root, with `/` between folders.
    path: String,
    text: String,
}

/// Where a rule is broken, and what to do about it.
#[derive(Debug)]
struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A file that a rule leaves alone, and why.
struct Exemption {
    path: &'static str,
    reason: &'static str,
}

const MAX_LINES: usize = 600;

/// Files longer than [`MAX_LINES`].
const LONG_FILES: &[Exemption] =
    &[Exemption { path: "host/wasmhost.schema.json", reason: "generated from the types that parse manifests" }];

/// Files with a pause: a time that is waited for because it never comes to anything else.
const PAUSES: &[Exemption] =
    &[Exemption { path: "tests/load/main.rs", reason: "the load of a server comes at its own pace" }];

/// Written by package managers: nobody reads them for their length, and their hashes spell whatever they spell.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];

#[test]
fn floors_are_kept() {
    assert_none(&floors::check(&repository(), floors::FLOORS, floors::EXEMPTIONS));
}

#[test]
fn pure_modules_know_no_runtime_and_no_clock() {
    assert_none(&floors::check_pure(&repository(), floors::PURE));
}

#[test]
fn rust_files_open_with_a_header() {
    assert_none(&headers(&repository()));
}

#[test]
fn tests_do_not_pause() {
    assert_none(&pauses(&repository(), PAUSES));
}

#[test]
fn banned_words_do_not_occur() {
    assert_none(&banned(&repository()));
}

#[test]
fn lints_are_lifted_with_a_reason() {
    assert_none(&unreasoned(&repository()));
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    assert_none(&machine_paths(&repository()));
}

#[test]
fn files_can_be_read_in_one_sitting() {
    assert_none(&lengths(&repository(), LONG_FILES));
}

/// Each Rust file of ours says first what it is.
fn headers(files: &[File]) -> Vec<Violation> {
    rust(files)
        .filter(|file| ["host/", "xtask/", "tests/"].iter().any(|folder| file.path.starts_with(folder)))
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| violation(file, 0, "the first line is no `//!`: say what the file is and what it must not know"))
        .collect()
}

/// Unfinished work, files named `mod.rs`, tests that are switched off, and tests that wait for a time instead of an event.
fn banned(files: &[File]) -> Vec<Violation> {
    const NOTES: &[&str] = &["TODO", "FIXME", "XXX"];
    const UNFINISHED: &[&str] = &["todo!", "unimplemented!"];
    const SLEEPS: &[&str] = &["thread::sleep", "time::sleep"];

    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_lock_file(&file.path)) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if name == "mod.rs" {
            found.push(violation(file, 0, "a module's file is named after it: `pool.rs` beside `pool/`"));
        }
        let is_rust = name.ends_with(".rs");
        // Rust's string literals do not count: the rules' own words stand in them.
        let text = if is_rust { RustText::without_strings(&file.text) } else { file.text.clone() };
        for note in NOTES {
            let message = format!("`{note}`: do it, or let an issue say what is left");
            found.extend(words(&text, note).map(|at| violation(file, at, &message)));
        }
        if !is_rust {
            continue;
        }
        let code = RustText::code(&file.text);
        for word in UNFINISHED {
            let message = format!("`{word}`: finish it, or return an error that says what is missing");
            found.extend(words(&code, word).map(|at| violation(file, at, &message)));
        }
        found.extend(
            words(&code, "#[ignore")
                .map(|at| violation(file, at, "an ignored test protects nothing: run it, or delete it")),
        );
        if is_test(&file.path) {
            // On a paused clock a sleep is an event: it ends when everything else has happened.
            let is_paused = code.contains("start_paused = true") && !code.contains("#[tokio::test]");
            for sleep in SLEEPS.iter().filter(|sleep| !is_paused || sleep.starts_with("thread")) {
                let message = format!("`{sleep}`: a test waits for an event, or pauses the clock");
                found.extend(words(&code, sleep).map(|at| violation(file, at, &message)));
            }
        }
    }
    found
}

/// A sleep by another name: a timeout of what never comes.
fn pauses(files: &[File], exempt: &[Exemption]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in rust(files).filter(|file| is_test(&file.path)) {
        let code = RustText::code(&file.text);
        let pauses: Vec<_> = words(&code, "timeout").filter(|at| waits_for_nothing(&code[*at..])).collect();
        match exempt.iter().find(|exemption| exemption.path == file.path) {
            None => found.extend(pauses.into_iter().map(|at| {
                violation(
                    file,
                    at,
                    "a timeout of what never comes is a sleep: a test waits for an event, or pauses the clock",
                )
            })),
            Some(exemption) if pauses.is_empty() => {
                let message = format!("no longer pauses: remove its row from PAUSES (\"{}\")", exemption.reason);
                found.push(violation(file, 0, &message));
            }
            Some(_) => {}
        }
    }
    found
}

/// Whether this call of `timeout`, up to the end of its statement, is of a future that is always pending.
fn waits_for_nothing(call: &str) -> bool {
    call.starts_with("timeout(") && call.split(';').next().is_some_and(|call| words(call, "pending").next().is_some())
}

/// Whoever lifts a lint says why.
fn unreasoned(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in rust(files) {
        let code = RustText::code(&file.text);
        for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in code.match_indices(opening) {
                let attribute = code[at..].split(']').next().unwrap_or_default();
                if words(attribute, "reason").next().is_none() {
                    found.push(violation(file, at, "a lint is lifted without a reason: add `reason = \"…\"`"));
                }
            }
        }
    }
    found
}

/// A path of somebody's machine means nothing on the next.
fn machine_paths(files: &[File]) -> Vec<Violation> {
    // In two parts, because this file is under the rule as well.
    const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

    let mut found = Vec::new();
    for file in files {
        for place in PLACES {
            // Inside a longer path, as in `/srv/work/`, it is no place at the root.
            let rooted = |at: usize| !file.text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
            let message = format!("`{place}` is a path of one machine");
            let places = file.text.match_indices(place).map(|(at, _)| at).filter(|at| rooted(*at));
            found.extend(places.map(|at| violation(file, at, &message)));
        }
    }
    found
}

/// A file that does not fit in a head is two files.
fn lengths(files: &[File], exempt: &[Exemption]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_lock_file(&file.path)) {
        let lines = file.text.lines().count();
        let exemption = exempt.iter().find(|exemption| exemption.path == file.path);
        match exemption {
            None if lines > MAX_LINES => {
                let message =
                    format!("{lines} lines, at most {MAX_LINES}: split it, or name it in LONG_FILES with a reason");
                found.push(violation(file, 0, &message));
            }
            Some(exemption) if lines <= MAX_LINES => {
                let message = format!("no longer long: remove its row from LONG_FILES (\"{}\")", exemption.reason);
                found.push(violation(file, 0, &message));
            }
            _ => {}
        }
    }
    let gone = exempt.iter().filter(|exemption| !files.iter().any(|file| file.path == exemption.path));
    found.extend(gone.map(|exemption| Violation {
        path: exemption.path.to_owned(),
        line: 1,
        message: "named in LONG_FILES, and not there".to_owned(),
    }));
    found
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.path.ends_with(".rs"))
}

fn is_lock_file(path: &str) -> bool {
    LOCK_FILES.iter().any(|lock| path.rsplit('/').next() == Some(lock))
}

/// Guests stand in the tests' folder without being tests: some sleep on purpose.
fn is_test(path: &str) -> bool {
    let in_tests = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    in_tests && !path.contains("tests/guests/")
}

/// Where `word` occurs in `text` and is not part of a longer word.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back().is_some_and(joins) && word.starts_with(joins);
        let after = text[at + word.len()..].chars().next().is_some_and(joins) && word.ends_with(joins);
        !before && !after
    })
}

fn violation(file: &File, at: usize, message: &str) -> Violation {
    let line = file.text[..at].matches('\n').count() + 1;
    Violation { path: file.path.clone(), line, message: message.to_owned() }
}

/// The files that are tracked, or will be once they are added; those that are no text are left out.
fn repository() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository");
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    assert!(listing.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    // A tracked file may be deleted already, and a picture is no text.
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(File { path: path.to_owned(), text })
    };
    let files: Vec<File> = listing.split_terminator('\0').filter_map(read).collect();
    for expected in ["host/src/lib.rs", "xtask/src/main.rs", "tests/it/tidy.rs", "Cargo.lock"] {
        assert!(
            files.iter().any(|file| file.path == expected),
            "`{expected}` is not among the files: is the list right?"
        );
    }
    files
}

fn assert_none(violations: &[Violation]) {
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}

/// The rules on small invented repositories: each catches what it is there for, and leaves its neighbour alone.
mod of_itself {
    use super::*;

    pub(super) fn files(files: &[(&str, &str)]) -> Vec<File> {
        files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }).collect()
    }

    #[track_caller]
    pub(super) fn assert_found(violations: &[Violation], expected: &[&str]) {
        let found: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "`{found}` does not start with `{expected}`");
        }
    }

    #[test]
    fn a_file_without_header_is_found_and_other_crates_are_left_alone() {
        let files = files(&[
            ("host/src/pool.rs", "// A comment.\n"),
            ("tests/it/calls.rs", "//! Calls.\n"),
            ("examples/model/src/lib.rs", "struct Model;\n"),
        ]);
        assert_found(&headers(&files), &["host/src/pool.rs:1: the first line"]);
    }

    #[test]
    fn notes_are_found_in_comments_and_other_languages_but_not_in_strings() {
        let files = files(&[
            ("host/src/a.rs", "//! A.\n// TODO later\nconst WORD: &str = \"TODO\";\n"),
            ("examples/app.py", "x = 1  # FIXME\n"),
            (".ci/run", "mktemp -d /tmp/run.XXXXXX\n"),
            ("Cargo.lock", "checksum = \"XXX\"\n"),
        ]);
        assert_found(&banned(&files), &["host/src/a.rs:2: `TODO`", "examples/app.py:1: `FIXME`"]);
    }

    #[test]
    fn unfinished_code_and_ignored_tests_are_found() {
        let files =
            files(&[("host/src/a.rs", "fn a() { todo!() }\n#[ignore = \"slow\"]\nfn b() { unimplemented!() }\n")]);
        let expected = ["host/src/a.rs:1: `todo!`", "host/src/a.rs:3: `unimplemented!`", "host/src/a.rs:2: an ignored"];
        assert_found(&banned(&files), &expected);
    }

    #[test]
    fn sleeping_is_for_guests_and_for_the_host_itself() {
        let sleeps = "//! S.\nfn s() { std::thread::sleep(D); tokio::time::sleep(D).await }\n";
        let files =
            files(&[("host/src/a.rs", sleeps), ("tests/guests/g/src/lib.rs", sleeps), ("tests/it/a.rs", sleeps)]);
        assert_found(&banned(&files), &["tests/it/a.rs:2: `thread::sleep`", "tests/it/a.rs:2: `time::sleep`"]);
        let paused = "//! S.\n#[tokio::test(start_paused = true)]\nasync fn s() { tokio::time::sleep(D).await }\n";
        let mixed = format!("{paused}#[tokio::test]\nasync fn t() {{}}\n");
        let files = self::files(&[("tests/it/a.rs", paused), ("tests/it/b.rs", mixed.as_str())]);
        assert_found(&banned(&files), &["tests/it/b.rs:3: `time::sleep`"]);
    }

    #[test]
    fn a_sleep_by_another_name_is_found_where_it_is_not_allowed() {
        let pause = "//! P.\nasync fn pause() {\n    _ = timeout(TIME, future::pending::<()>()).await;\n}\n";
        let waits = "//! W.\nasync fn wait() {\n    _ = timeout(SOON, call()).await; pending().await }\n";
        let files = files(&[("tests/it/a.rs", pause), ("tests/it/b.rs", waits), ("tests/load/c.rs", pause)]);
        let rows = ["tests/load/c.rs", "tests/it/b.rs"].map(|path| Exemption { path, reason: "a load" });
        assert_found(&pauses(&files, &rows), &["tests/it/a.rs:3: a timeout of", "tests/it/b.rs:1: no longer pauses"]);
    }

    #[test]
    fn a_module_file_named_mod_is_found() {
        assert_found(
            &banned(&files(&[("host/src/pool/mod.rs", "//! Pool.\n")])),
            &["host/src/pool/mod.rs:1: a module's"],
        );
    }

    #[test]
    fn a_lint_lifted_without_reason_is_found_also_over_several_lines() {
        let files = files(&[
            ("a.rs", "#[allow(dead_code)]\nfn a() {}\n#![expect(\n    unsafe_code,\n)]\n"),
            ("b.rs", "#[allow(\n    dead_code,\n    reason = \"used by [the] macro\",\n)]\nfn b() {}\n"),
        ]);
        assert_found(&unreasoned(&files), &["a.rs:1: a lint", "a.rs:3: a lint"]);
    }

    #[test]
    fn machine_paths_are_found_also_in_strings() {
        let text = concat!("a = \"/wo", "rk/main\"\nb = \"/srv/wo", "rk/main\"\nc = /ro", "ot/.cargo\n");
        assert_found(&machine_paths(&files(&[("README.md", text)])), &["README.md:1: `", "README.md:3: `"]);
    }

    #[test]
    fn long_files_are_found_and_so_are_rows_without_need() {
        let long = "line\n".repeat(MAX_LINES + 1);
        let files = files(&[("a.rs", &long), ("b.rs", &long), ("c.rs", "line\n"), ("Cargo.lock", &long)]);
        let rows = ["b.rs", "c.rs", "d.rs"].map(|path| Exemption { path, reason: "one table" });
        assert_found(&lengths(&files, &rows), &["a.rs:1: 601 lines", "c.rs:1: no longer long", "d.rs:1: named in"]);
    }
}
