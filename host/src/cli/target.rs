//! TARGET of `run` and `inspect`: `SOURCE[::[class.]method]`; and how a target is told from what belongs to it.

use std::ffi::OsString;

use super::choices::Choices;
use super::usage::Usage;
use crate::api::CallableClass;
use crate::error::Error;
use crate::service::{App, Class, ClassReport, Command, FunctionReport, Main};

/// A target as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) source: &'a str,
    /// What stands after `::`.
    pub(super) path: Option<&'a str>,
}

/// What a target names.
#[derive(Debug)]
pub(super) enum Named {
    /// A method of a class, and how both describe themselves.
    Method(Class, CallableClass, FunctionReport),
    /// The typed entrypoint.
    Main(Main, FunctionReport),
    /// The entrypoint with raw arguments.
    Command(Command),
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        match text.rsplit_once("::") {
            Some((source, path)) => Self { source: if source.is_empty() { "." } else { source }, path: Some(path) },
            None => Self { source: text, path: None },
        }
    }

    /// Finds what the target names in its app.
    ///
    /// # Errors
    ///
    /// `bad-request` with the choices when more than one is left, `not-found` with the nearest names when there is none.
    pub(super) fn find(&self, app: &App) -> Result<Named, Error> {
        let (main, command) = (app.main(), app.command());
        match (self.path, main, command) {
            (None | Some("" | "main"), Some(main), _) => {
                let described = FunctionReport::main(&main);
                return Ok(Named::Main(main, described));
            }
            (None | Some(""), None, Some(command)) => return Ok(Named::Command(command)),
            _ => {}
        }
        let classes: Vec<_> = app.classes().map(|class| CallableClass::of(ClassReport::of(class))).collect();
        let choices = Choices { app: app.name(), classes: &classes, prefix: &self.prefix() };
        let chosen = choices.find(self.path, &self.written())?;
        Ok(Named::Method(app.class(&chosen.class.name)?, chosen.class.clone(), chosen.method.clone()))
    }

    /// How what the target names is called; `None` for a command, which takes whatever it is given.
    pub(super) fn usage<'n>(&self, named: &'n Named) -> Option<Usage<'n>> {
        match named {
            Named::Method(_, class, method) => {
                Some(Usage::of_method(&format!("wasmhost run {}", self.prefix()), class, method))
            }
            Named::Main(_, main) => Some(Usage::of_main(format!("wasmhost run {}", self.source), main)),
            Named::Command(_) => None,
        }
    }

    fn prefix(&self) -> String {
        format!("{}::", self.source)
    }

    fn written(&self) -> String {
        match self.path {
            Some(path) => format!("{}::{path}", self.source),
            None => self.source.to_owned(),
        }
    }
}

/// Takes the first word for the target of `verb`, and leaves the others to it.
///
/// # Errors
///
/// `bad-request` for an option where the target should stand.
pub(super) fn split<'a>(verb: &str, words: &'a [OsString]) -> Result<(String, &'a [OsString]), Error> {
    let Some((target, rest)) = words.split_first() else { return Ok((".".to_owned(), &[])) };
    if target == "--" {
        return Ok((".".to_owned(), words));
    }
    let target = target.to_str().ok_or_else(|| Error::bad_request(format!("`{}` is not UTF-8", target.display())))?;
    if target.starts_with('-') && target.len() > 1 {
        return Err(Error::bad_request(format!(
            "`{target}` is no option of `wasmhost {verb}`; options of a guest stand after TARGET: `wasmhost {verb} TARGET {target}`"
        )));
    }
    Ok((target.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_double_colon_ends_the_source() {
        let parse = |text| {
            let Target { source, path } = Target::parse(text);
            (source, path)
        };
        assert_eq!(parse("app"), ("app", None));
        assert_eq!(parse("app::class.method"), ("app", Some("class.method")));
        assert_eq!(parse("a::b.wasm::method"), ("a::b.wasm", Some("method")));
        assert_eq!(parse("::method"), (".", Some("method")));
    }
}
