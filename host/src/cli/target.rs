//! TARGET: `SOURCE[::[class.]method]`. Parts may be left out while one choice remains; names are never abbreviated.

use crate::error::Error;
use crate::service::{App, Class, Command, Main, Method};

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
    /// A method of a class, by its name.
    Method(Class, String),
    /// The typed entrypoint.
    Main(Main),
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
        match self.path {
            None | Some("") => self.only_choice(app),
            Some("main") if app.main().is_some() => self.only_choice(app),
            Some(path) => match path.rsplit_once('.') {
                Some((class, method)) if !class.is_empty() => self.in_class(&app.class(class)?, method),
                _ => self.anywhere(app, path.trim_start_matches('.')),
            },
        }
    }

    fn only_choice(&self, app: &App) -> Result<Named, Error> {
        if let Some(main) = app.main() {
            return Ok(Named::Main(main));
        }
        if let Some(command) = app.command() {
            return Ok(Named::Command(command));
        }
        let choices: Vec<_> = choices(app).collect();
        match &choices[..] {
            [(class, method)] => Ok(Named::Method((*class).clone(), method.name().to_owned())),
            [] => Err(Error::bad_request(format!(
                "the app `{}` has nothing that could be run: no method, no entrypoint",
                app.name()
            ))),
            _ => Err(self.ambiguous("names more than one method", &choices)),
        }
    }

    fn in_class(&self, class: &Class, method: &str) -> Result<Named, Error> {
        Ok(Named::Method(class.clone(), class.method(method)?.name().to_owned()))
    }

    fn anywhere(&self, app: &App, name: &str) -> Result<Named, Error> {
        let wanted = name.replace('_', "-");
        let found: Vec<_> = choices(app).filter(|(_, method)| method.name() == wanted).collect();
        match &found[..] {
            [(class, method)] => return Ok(Named::Method((*class).clone(), method.name().to_owned())),
            [] => {}
            _ => return Err(self.ambiguous("names more than one method", &found)),
        }
        // The name of a class alone is enough when it has one method.
        if let Some(class) = app.classes().find(|class| class.name() == name) {
            let methods: Vec<_> = class.methods().map(|method| (class, method)).collect();
            return match &methods[..] {
                [(class, method)] => Ok(Named::Method((*class).clone(), method.name().to_owned())),
                _ => Err(self.ambiguous("names a class, not one of its methods", &methods)),
            };
        }
        let mut classes = app.classes();
        if let (Some(only), None) = (classes.next(), classes.next()) {
            return self.in_class(only, name);
        }
        let known: Vec<_> = choices(app).map(|(class, method)| format!("{}.{}", class.name(), method.name())).collect();
        Err(crate::service::unknown(
            format!("the app `{}` has no method `{name}`", app.name()),
            name,
            &known,
            "methods",
        ))
    }

    fn ambiguous(&self, what: &str, choices: &[(&Class, Method<'_>)]) -> Error {
        let source = self.source;
        let list = choices.iter().map(|(class, method)| format!("\n  {source}::{}.{}", class.name(), method.name()));
        Error::bad_request(format!("`{}` {what}; say which:{}", self.written(), list.collect::<String>()))
    }

    fn written(&self) -> String {
        match self.path {
            Some(path) => format!("{}::{path}", self.source),
            None => self.source.to_owned(),
        }
    }
}

fn choices(app: &App) -> impl Iterator<Item = (&Class, Method<'_>)> {
    app.classes().flat_map(|class| class.methods().map(move |method| (class, method)))
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
