//! Which method a target names: `[[CLASS.]METHOD]`. Parts may be left out while one choice remains; names are never
//! abbreviated.
//!
//! The rules are the same for an app that is loaded here and for one in a server, so they work on descriptions.

use crate::api::CallableClass;
use crate::error::Error;
use crate::service::{FunctionReport, Known, MAX_LISTED, more};
use crate::values::same;

/// The methods of an app that can be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a> {
    pub(super) app: &'a str,
    pub(super) classes: &'a [CallableClass],
    /// What stands before a class in a whole target: `SOURCE::` or `APP/`.
    pub(super) prefix: &'a str,
}

/// A method that a target names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen<'a> {
    pub(super) class: &'a CallableClass,
    pub(super) method: &'a FunctionReport,
}

impl<'a> Choices<'a> {
    /// Finds what `path` names; `written` is the whole target.
    ///
    /// # Errors
    ///
    /// `bad-request` with the choices when more than one is left, `not-found` with the nearest names when there is none.
    pub(super) fn find(&self, path: Option<&str>, written: &str) -> Result<Chosen<'a>, Error> {
        match path {
            None | Some("") => self.only_choice(written),
            Some(path) => match path.rsplit_once('.') {
                Some((class, method)) if !class.is_empty() => self.in_class(self.class(class)?, method),
                _ => self.anywhere(path.trim_start_matches('.'), written),
            },
        }
    }

    fn only_choice(&self, written: &str) -> Result<Chosen<'a>, Error> {
        let choices: Vec<_> = self.all().collect();
        match choices[..] {
            [only] => Ok(only),
            [] => Err(self.nothing_in(&format!("the app `{}`", self.app))),
            _ => Err(self.ambiguous("names more than one method", &choices, written)),
        }
    }

    fn anywhere(&self, name: &str, written: &str) -> Result<Chosen<'a>, Error> {
        let found: Vec<_> = self.all().filter(|chosen| same(&chosen.method.name, name)).collect();
        match found[..] {
            [only] => return Ok(only),
            [] => {}
            _ => return Err(self.ambiguous("names more than one method", &found, written)),
        }
        // The name of a class alone is enough when it has one method.
        if let Some(class) = self.classes.iter().find(|class| class.name == name) {
            let methods: Vec<_> = class.methods.iter().map(|method| Chosen { class, method }).collect();
            return match methods[..] {
                [only] => Ok(only),
                [] => Err(self.nothing_in(&format!("the class `{name}`"))),
                _ => Err(self.ambiguous("names a class, not one of its methods", &methods, written)),
            };
        }
        if let [only] = self.classes {
            return self.in_class(only, name);
        }
        let known: Vec<_> = self.all().map(|chosen| chosen.to_string()).collect();
        Err(self.unknown(format!("the app `{}` has no method `{name}`", self.app), name, &known, "methods"))
    }

    fn class(&self, name: &str) -> Result<&'a CallableClass, Error> {
        let found = self.classes.iter().find(|class| class.name == name || class.interface.as_deref() == Some(name));
        found.ok_or_else(|| {
            let known: Vec<_> = self.classes.iter().map(|class| class.name.clone()).collect();
            self.unknown(format!("the app `{}` has no class `{name}`", self.app), name, &known, "classes")
        })
    }

    fn all(&self) -> impl Iterator<Item = Chosen<'a>> + use<'a> {
        self.classes.iter().flat_map(|class| class.methods.iter().map(move |method| Chosen { class, method }))
    }

    fn nothing_in(&self, what: &str) -> Error {
        let served =
            self.source().map(|source| format!("; `wasmhost serve {source}` lets a web handler answer, if it has one"));
        Error::bad_request(format!("{what} has no method that could be called{}", served.unwrap_or_default()))
    }

    fn ambiguous(&self, what: &str, choices: &[Chosen<'_>], written: &str) -> Error {
        let mut names: Vec<_> = choices.iter().map(|chosen| format!("{}{chosen}", self.prefix)).collect();
        names.sort_unstable();
        let rest = more(names.len(), self.listed_by().as_deref());
        let list: String = names.into_iter().take(MAX_LISTED).chain(rest).map(|line| format!("\n  {line}")).collect();
        Error::bad_request(format!("`{written}` {what}; say which:{list}"))
    }

    fn unknown(&self, what: String, name: &str, known: &[String], plural: &str) -> Error {
        Known { names: known, plural, listed_by: self.listed_by().as_deref() }.lacks(what, name)
    }

    /// Sources can be looked at, apps of a server cannot.
    fn listed_by(&self) -> Option<String> {
        self.source().map(|source| format!("wasmhost inspect {source}"))
    }

    fn source(&self) -> Option<&'a str> {
        self.prefix.strip_suffix("::")
    }

    fn in_class(&self, class: &'a CallableClass, name: &str) -> Result<Chosen<'a>, Error> {
        if let Some(method) = class.methods.iter().find(|method| same(&method.name, name)) {
            return Ok(Chosen { class, method });
        }
        if let Some(uncallable) = class.uncallable.iter().find(|uncallable| same(&uncallable.name, name)) {
            let what = format!("`{}.{}`", class.name, uncallable.name);
            return Err(Error::bad_request(format!("{what} cannot be called: {}", uncallable.reason)));
        }
        let known: Vec<_> = class.methods.iter().map(|method| method.name.clone()).collect();
        Err(self.unknown(format!("the class `{}` has no method `{name}`", class.name), name, &known, "methods"))
    }
}

impl std::fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.class.name, self.method.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::UncallableReport;

    fn class(name: &str, methods: &[&str]) -> CallableClass {
        let method = |name: &&str| FunctionReport {
            name: (*name).to_owned(),
            signature: format!("{name}: func()"),
            is_async: false,
            docs: None,
            arguments: Vec::new(),
            web: None,
            gives: None,
        };
        CallableClass {
            name: name.to_owned(),
            interface: Some(format!("a:b/{name}@1.0.0")),
            docs: None,
            parameters: Vec::new(),
            methods: methods.iter().map(method).collect(),
            uncallable: vec![UncallableReport { name: "watch".to_owned(), reason: "it returns a stream".to_owned() }],
        }
    }

    fn find(classes: &[CallableClass], path: Option<&str>) -> Result<String, String> {
        let choices = Choices { app: "app", classes, prefix: "app/" };
        let found = choices.find(path, "app/…").map(|chosen| chosen.to_string());
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn parts_may_be_left_out_while_one_choice_remains() {
        let one = [class("cart", &["add-item"])];
        for path in [None, Some(""), Some("cart"), Some("add_item"), Some(".add-item"), Some("cart.add-item")] {
            assert_eq!(find(&one, path).as_deref(), Ok("cart.add-item"), "{path:?}");
        }
        let two = [class("cart", &["add", "clear"]), class("till", &["pay", "clear"])];
        assert_eq!(find(&two, Some("pay")).as_deref(), Ok("till.pay"));
        assert_eq!(find(&two, Some("a:b/cart@1.0.0.clear")).as_deref(), Ok("cart.clear"));
        assert!(find(&two, None).unwrap_err().ends_with("\n  app/till.clear\n  app/till.pay"));
        assert!(find(&two, Some("clear")).unwrap_err().contains("names more than one method"));
        assert!(find(&two, Some("till")).unwrap_err().contains("names a class"));
    }

    #[test]
    fn long_lists_of_choices_are_cut_and_say_where_the_rest_is() {
        let methods: Vec<_> = (0..40).rev().map(|n| format!("m{n:02}")).collect();
        let methods: Vec<_> = methods.iter().map(String::as_str).collect();
        let classes = [class("many", &methods)];
        let of = |prefix, path| {
            let choices = Choices { app: "app", classes: &classes, prefix };
            choices.find(path, "x").unwrap_err().to_string()
        };
        let source = of("dir::", None);
        assert!(source.contains("say which:\n  dir::many.m00\n  dir::many.m01\n"), "{source}");
        assert!(source.ends_with("\n  dir::many.m09\n  … and 30 more: `wasmhost inspect dir`"), "{source}");
        assert!(of("app/", None).ends_with("\n  … and 30 more"));
        let unknown = of("dir::", Some("something-else"));
        assert!(unknown.contains("known methods: `m00`, `m01`, "), "{unknown}");
        assert!(unknown.ends_with("`m09`, … and 30 more: `wasmhost inspect dir`"), "{unknown}");
    }

    #[test]
    fn what_is_not_there_is_told_the_nearest() {
        let classes = [class("cart", &["add"])];
        assert!(find(&classes, Some("cart.ad")).unwrap_err().contains("did you mean `add`?"));
        assert!(find(&classes, Some("card.add")).unwrap_err().contains("did you mean `cart`?"));
        assert!(find(&classes, Some("watch")).unwrap_err().contains("cannot be called: it returns a stream"));
        assert!(find(&[], None).unwrap_err().ends_with("no method that could be called"));
        let of_source = |path| {
            let choices = Choices { app: "app", classes: &[class("web", &[])], prefix: "dir::" };
            choices.find(path, "x").unwrap_err().to_string()
        };
        for path in [None, Some("web")] {
            let nothing = of_source(path);
            assert!(
                nothing.ends_with("be called; `wasmhost serve dir` lets a web handler answer, if it has one"),
                "{nothing}"
            );
        }
    }
}
