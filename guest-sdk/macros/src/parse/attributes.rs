//! The attributes of functions and parameters: taken out of what was written, because the compiler does not know them.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, LitStr, Meta, Path, Token};

use super::route;
use crate::model::{Role, Route};
use crate::problems::Problems;

/// The attributes of a route, and their verbs.
const VERBS: &[(&str, &str)] =
    &[("get", "GET"), ("post", "POST"), ("put", "PUT"), ("delete", "DELETE"), ("patch", "PATCH")];

/// What the attributes of one function say.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    build: Option<Attribute>,
    enter: Option<Attribute>,
    exit: Option<Attribute>,
    method: Option<Attribute>,
    route: Option<Route>,
    web: Option<Attribute>,
}

impl Marks {
    /// The first of the attributes that is ours.
    pub(crate) fn find(attributes: &[Attribute]) -> Option<&Attribute> {
        attributes.iter().find(|attribute| {
            let known = ["build", "enter", "exit", "method", "function", "class", "web"];
            our_name(attribute)
                .is_some_and(|name| known.contains(&&*name) || VERBS.iter().any(|(verb, _)| *verb == name))
        })
    }

    /// Takes the attributes that are ours, and leaves the others.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, problems: &mut Problems) -> Self {
        let mut marks = Self::default();
        attributes.retain(|attribute| !marks.take_one(attribute, problems));
        marks
    }

    fn take_one(&mut self, attribute: &Attribute, problems: &mut Problems) -> bool {
        let Some(name) = our_name(attribute) else { return false };
        if let Some((_, verb)) = VERBS.iter().find(|(known, _)| *known == name) {
            if self.route.is_some() {
                problems.on(attribute, "a method has one route; write another method for a second one");
            } else {
                self.route = read_route(attribute, verb, problems);
            }
            self.method.get_or_insert_with(|| attribute.clone());
            return true;
        }
        let mark = match name.as_str() {
            "build" => &mut self.build,
            "enter" => &mut self.enter,
            "exit" => &mut self.exit,
            "method" => &mut self.method,
            "web" => &mut self.web,
            "main" | "function" => {
                let message = format!("`#[{name}]` stands outside of classes; move the function beside the module");
                problems.on(attribute, message);
                return true;
            }
            "default" | "built" => {
                let message = format!("`#[{name}]` is of one argument; write it before that, within the parentheses");
                problems.on(attribute, message);
                return true;
            }
            _ => return false,
        };
        if name == "web" {
            takes_no_route(attribute, problems);
        } else if !matches!(attribute.meta, Meta::Path(_)) {
            problems.on(attribute, format!("`#[{name}]` takes nothing; settings belong to `#[class(…)]`"));
        }
        *mark = Some(attribute.clone());
        true
    }

    /// What the function is for; `None` without a mark.
    pub(crate) fn role(self, problems: &mut Problems) -> Option<Role> {
        let mut refuse = |attribute: &Attribute, what: &str| {
            problems.on(attribute, format!("a function is {what}; write two functions"));
        };
        if let Some(web) = self.web {
            if self.build.is_some() || self.enter.is_some() || self.exit.is_some() {
                refuse(&web, "a hook or a web handler");
            } else if self.route.is_some() {
                let message = "a function answers a route, or as `#[web]` all requests that no route does; write two \
                               functions";
                problems.on(&web, message);
            } else if self.method.is_some() {
                refuse(&web, "a method or a web handler");
            }
            return Some(Role::Handler);
        }
        match (self.build, self.enter, self.exit, self.method) {
            (None, None, None, None) => None,
            (None, None, None, Some(_)) => Some(Role::Method(self.route)),
            (Some(_), None, None, None) => Some(Role::Build),
            (None, Some(_), None, None) => Some(Role::Enter),
            (Some(_), Some(_), None, None) => Some(Role::BuildAndEnter),
            (None, None, Some(_), None) => Some(Role::Exit),
            (.., Some(method)) => {
                refuse(&method, "a hook or a method");
                None
            }
            (_, _, Some(exit), None) => {
                refuse(&exit, "`#[exit]` or another hook");
                None
            }
        }
    }
}

/// A web handler is told no path: that would be a route.
pub(crate) fn takes_no_route(attribute: &Attribute, problems: &mut Problems) {
    if matches!(attribute.meta, Meta::Path(_)) {
        return;
    }
    let Ok(written) = attribute.parse_args::<LitStr>().map(|text| text.value()) else {
        let message = "`#[web]` takes nothing; settings belong to `#[class(…)]`, on the module that it is in";
        problems.on(attribute, message);
        return;
    };
    let verb = VERBS.iter().find(|(_, verb)| written.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' ')));
    let route = verb.map(|(name, verb)| format!("#[{name}(\"{}\")]", written[verb.len()..].trim()));
    let route = route.unwrap_or_else(|| "#[get(\"/users/{id}\")]".to_owned());
    problems.on(attribute, format!("`#[web]` takes nothing: it answers all that no route does; a route is `{route}`"));
}

fn our_name(attribute: &Attribute) -> Option<String> {
    let path = attribute.path();
    // `wasmhost_guest::get` is ours, too; what others call so, they write with another path.
    let is_ours = path.segments.len() == 1 || path.segments[0].ident == "wasmhost_guest";
    path.segments.last().filter(|_| is_ours).map(|last| last.ident.to_string())
}

fn read_route(attribute: &Attribute, verb: &'static str, problems: &mut Problems) -> Option<Route> {
    let Ok(path) = attribute.parse_args::<LitStr>() else {
        let name = verb.to_ascii_lowercase();
        problems.on(attribute, format!("a route has a path; write `#[{name}(\"/users/{{id}}\")]`"));
        return None;
    };
    match route::path(verb, &path.value(), path.span()) {
        Ok(route) => Some(route),
        Err(message) => {
            problems.on(&path, message);
            None
        }
    }
}

/// What the attributes of one parameter say.
#[derive(Debug, Default)]
pub(crate) struct ParameterMarks {
    pub(crate) docs: String,
    pub(crate) default: Option<Expr>,
    pub(crate) built: Option<Attribute>,
}

impl ParameterMarks {
    /// Takes the attributes that are ours, doc comments among them, which the compiler refuses on parameters.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, problems: &mut Problems) -> Self {
        let mut marks = Self { docs: docs(attributes), ..Self::default() };
        attributes.retain(|attribute| match our_name(attribute).as_deref() {
            Some("doc") => false,
            Some("built") => {
                marks.built = Some(attribute.clone());
                false
            }
            Some("default") => {
                match attribute.parse_args::<Expr>() {
                    Ok(value) => marks.default = Some(value),
                    Err(_) => problems.on(attribute, "a default has a value; write `#[default(100)]`"),
                }
                false
            }
            _ => true,
        });
        marks
    }
}

/// The text of doc comments: their lines, without the space that follows `///`.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

/// Whether one of the attributes derives the trait `name`.
pub(crate) fn derives(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let mut found = false;
        // What is no list of paths is the compiler's to refuse.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == name);
            Ok(())
        });
        found
    })
}

/// Takes the trait `name` out of what the attributes derive.
pub(crate) fn underive(attributes: &mut [Attribute], name: &str) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let paths = Punctuated::<Path, Token![,]>::parse_terminated;
        let Ok(paths) = attribute.parse_args_with(paths) else { continue };
        let is_other = |path: &Path| path.segments.last().is_none_or(|last| last.ident != name);
        let others: Vec<_> = paths.into_iter().filter(is_other).collect();
        attribute.meta = syn::parse_quote!(derive(#(#others),*));
    }
}
