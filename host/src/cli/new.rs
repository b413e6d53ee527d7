//! `wasmhost new`: a project that builds and runs at once.
//!
//! It writes files and starts nothing: no compiler, no package manager, and no git, whose repository may be around it.

mod place;
mod sdk;
mod template;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::args::NewArgs;
use super::terminal::{self, Outcome};
use crate::error::Error;
use place::Place;
use sdk::Sdk;
pub(super) use template::Template;
use template::Words;

pub(super) fn new(args: &NewArgs) -> Outcome {
    let place = Place::choose(&args.path, args.name.as_deref())?;
    let files = files(args.template, &place.name)?;
    place.fill(&files)?;
    let text = told(args.template, &place, &args.path, &files);
    terminal::print(terminal::escape(&text).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A file of the project: its path in there, and its text.
type Written = (&'static str, String);

fn files(template: Template, app: &str) -> Result<Vec<Written>, Error> {
    let sdk = if template.is_rust() { Some(Sdk::find(std::env::var_os(sdk::VARIABLE))?) } else { None };
    let words = Words::new(app, sdk.as_ref().map_or("", |sdk| &sdk.dir));
    let mut files: Vec<_> = template.files().iter().map(|file| (file.path, words.render(file.text))).collect();
    // The first build then takes the releases that the SDK was tested with; Cargo strikes out what the project does not use.
    files.extend(sdk.and_then(|sdk| sdk.lock).map(|lock| ("Cargo.lock", lock)));
    files.sort_unstable_by_key(|(path, _)| *path);
    Ok(files)
}

/// What was made, and what to do next.
fn told(template: Template, place: &Place, given: &Path, files: &[Written]) -> String {
    let mut text = format!("made `{}` from the template `{}`:\n", place.name, template.name());
    for (path, _) in files {
        let _ = writeln!(text, "  {}", given.join(path).display());
    }
    text += "\nnext:\n";
    if given != Path::new(".") {
        let _ = writeln!(text, "  cd {}", quoted(&given.to_string_lossy()));
    }
    for step in template.steps() {
        let _ = writeln!(text, "  {step}");
    }
    text
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./+:,@%=".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_next_can_be_typed_as_it_stands() {
        for (path, expected) in [("hello", "hello"), ("my apps/hello", "'my apps/hello'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(path), expected);
        }
    }
}
