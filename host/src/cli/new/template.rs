//! The templates: files of `host/templates`, carried in the program, with a few words to be replaced.
//!
//! Names that cannot stand in a folder of ours have others there: Cargo would take a `Cargo.toml` for a package of its
//! own, and git a `.gitignore` for one of this repository. No file system is known here.

use clap::ValueEnum;

/// What a project is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Template {
    Method,
    Web,
    Python,
    Javascript,
}

/// A file of a project.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is in the project.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
    /// Where it is in `host/templates`.
    #[cfg(test)]
    source: &'static str,
}

/// Files by their paths, each with the one in `host/templates` that it is made of.
macro_rules! files {
    ($($path:literal: $source:literal,)*) => {
        &[$(File {
            path: $path,
            text: include_str!(concat!("../../../templates/", $source)),
            #[cfg(test)]
            source: $source,
        }),*]
    };
}

const METHOD: &[File] = files! {
    ".gitignore": "rust/gitignore",
    "Cargo.toml": "rust/Cargo.toml.in",
    "README.md": "method/README.md",
    "rust-toolchain.toml": "rust/rust-toolchain.toml",
    "src/lib.rs": "method/src/lib.rs",
    "wasmhost.toml": "rust/wasmhost.toml",
};

const WEB: &[File] = files! {
    ".gitignore": "rust/gitignore",
    "Cargo.toml": "rust/Cargo.toml.in",
    "README.md": "web/README.md",
    "rust-toolchain.toml": "rust/rust-toolchain.toml",
    "src/lib.rs": "web/src/lib.rs",
    "wasmhost.toml": "rust/wasmhost.toml",
};

const PYTHON: &[File] = files! {
    ".gitignore": "python/gitignore",
    "README.md": "python/README.md",
    "app.py": "python/app.py",
    "requirements.txt": "python/requirements.txt",
    "wasmhost.toml": "python/wasmhost.toml",
    "wit/greeter.wit": "wit/greeter.wit",
};

const JAVASCRIPT: &[File] = files! {
    ".gitignore": "javascript/gitignore",
    "README.md": "javascript/README.md",
    "app.js": "javascript/app.js",
    "package-lock.json": "javascript/package-lock.json",
    "package.json": "javascript/package.json",
    "wasmhost.toml": "javascript/wasmhost.toml",
    "wit/greeter.wit": "wit/greeter.wit",
};

impl Template {
    /// All of them, the default first.
    pub(in crate::cli) const ALL: [Self; 4] = [Self::Method, Self::Web, Self::Python, Self::Javascript];

    /// What `--template` calls it.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Web => "web",
            Self::Python => "python",
            Self::Javascript => "javascript",
        }
    }

    /// What it makes.
    pub(in crate::cli) fn about(self) -> &'static str {
        match self {
            Self::Method => "a class in Rust, with the guest SDK",
            Self::Web => "a class in Rust that answers web requests, too",
            Self::Python => "a class in Python, with its WIT",
            Self::Javascript => "a class in JavaScript, with its WIT",
        }
    }

    /// Whether the project is a Rust crate, which takes the SDK.
    pub(super) fn is_rust(self) -> bool {
        matches!(self, Self::Method | Self::Web)
    }

    /// The files of the project.
    pub(super) fn files(self) -> &'static [File] {
        match self {
            Self::Method => METHOD,
            Self::Web => WEB,
            Self::Python => PYTHON,
            Self::Javascript => JAVASCRIPT,
        }
    }

    /// The commands that lead from the project's directory to a first result.
    pub(super) fn steps(self) -> &'static [&'static str] {
        const RUN: &str = "wasmhost run . --name world";
        match self {
            Self::Method | Self::Web => &[RUN],
            Self::Python => &["python3 -m venv .venv", ".venv/bin/pip install --requirement requirements.txt", RUN],
            Self::Javascript => &["npm ci", RUN],
        }
    }
}

/// What stands in a project in place of the words of the templates.
#[derive(Debug)]
pub(super) struct Words([(&'static str, String); 4]);

impl Words {
    /// The words of a project with this name and SDK.
    pub(super) fn new(app: &str, sdk: &str) -> Self {
        let package = crate_name(app);
        Self([
            ("my-app", app.to_owned()),
            ("my_crate", package.replace('-', "_")),
            ("my-crate", package),
            // With its quotes: a path may need escapes.
            ("\"path/to/guest-sdk\"", toml::Value::from(sdk).to_string()),
        ])
    }

    /// The text with all words replaced, in one pass: a name that holds a word of ours stays as it is.
    pub(super) fn render(&self, text: &str) -> String {
        let mut rendered = String::with_capacity(text.len());
        let mut rest = text;
        let first = |rest: &str| {
            let found = self.0.iter().filter_map(|(word, with)| Some((rest.find(word)?, word.len(), with)));
            found.min_by_key(|(at, ..)| *at)
        };
        while let Some((at, length, with)) = first(rest) {
            rendered.push_str(&rest[..at]);
            rendered.push_str(with);
            rest = &rest[at + length..];
        }
        rendered.push_str(rest);
        rendered
    }
}

/// Names that a crate of a project cannot well have: words of Rust, its own crates, and those of the SDK.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "wasmhost-guest",
    "wasmhost-guest-macros",
    "where",
    "while",
    "yield",
];

/// What the crate of an app is called: as the app, if a crate can be.
fn crate_name(app: &str) -> String {
    if TAKEN.contains(&app) { format!("{app}-app") } else { app.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::manifest::Manifest;

    fn text_of(template: Template, path: &str, words: &Words) -> String {
        let file = template.files().iter().find(|file| file.path == path).expect("the template has it");
        words.render(file.text)
    }

    #[test]
    fn a_template_is_called_what_the_flag_takes() {
        for template in Template::ALL {
            assert_eq!(Template::from_str(template.name(), false), Ok(template));
        }
        assert_eq!(Template::value_variants(), Template::ALL);
    }

    #[test]
    fn no_file_of_the_templates_is_left_out() {
        fn collect(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => collect(&path, below, found),
                    false => _ = found.insert(path.strip_prefix(below).unwrap().to_owned()),
                }
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut found = BTreeSet::new();
        collect(&folder, &folder, &mut found);
        let used = Template::ALL.iter().flat_map(|template| template.files()).map(|file| PathBuf::from(file.source));
        assert_eq!(found, used.collect());
    }

    #[test]
    fn the_manifest_of_every_template_is_one_and_names_the_app() {
        for template in Template::ALL {
            let text = text_of(template, "wasmhost.toml", &Words::new("match", "/sdk"));
            let manifest = Manifest::parse(&text, Path::new("/apps/match/wasmhost.toml")).unwrap();
            assert_eq!((manifest.name.as_str(), manifest.components.len()), ("match", 1), "{}", template.name());
        }
    }

    #[test]
    fn a_name_that_rust_has_taken_is_no_crates() {
        let words = Words::new("match", "/sdk");
        assert!(text_of(Template::Method, "Cargo.toml", &words).contains("name = \"match-app\""));
        assert!(text_of(Template::Method, "wasmhost.toml", &words).contains("release/match_app.wasm\""));
        assert_eq!(crate_name("matches"), "matches");
    }

    #[test]
    fn names_and_paths_that_hold_words_of_the_templates_stay_as_they_are() {
        let words = Words::new("my-crate", r#"/home/"my-app"/guest-sdk"#);
        let text = text_of(Template::Method, "Cargo.toml", &words);
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-crate"));
        let sdk = &manifest["dependencies"]["wasmhost-guest"]["path"];
        assert_eq!(sdk.as_str(), Some(r#"/home/"my-app"/guest-sdk"#));
    }

    #[test]
    fn every_word_occurs_in_the_templates() {
        for (word, _) in Words::new("a", "b").0 {
            assert!(METHOD.iter().any(|file| file.text.contains(word)), "{word}");
        }
    }
}
