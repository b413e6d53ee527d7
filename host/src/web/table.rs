//! What is served where: everything about apps that requests share, worked out once for each change of them.

use std::collections::{BTreeMap, HashMap};

use http::HeaderValue;

use super::cors::Rule;
use super::decode;
use super::readiness::{Readiness, not_ready};
use super::routes::{Allowed, Routes, segments};
use crate::error::{Error, ErrorKind};
use crate::manifest::{HttpMethod, Segment};
use crate::service::{App, Class, Method, unknown};
use crate::values::inputs::Place;

/// The most routes that an error lists.
const MAX_LISTED: usize = 10;

/// The apps of one generation.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) generation: u64,
    apps: HashMap<Box<str>, Served>,
}

/// What a table is made with besides the apps.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The app that answers at `/`.
    pub(super) root: Option<Box<str>>,
    /// Whether every method answers `POST /{method}`.
    pub(super) exposes_methods: bool,
}

/// An app.
#[derive(Debug)]
struct Served {
    name: Box<str>,
    classes: Vec<Entry>,
    /// The class that answers at the app's own host name and, for the root app, at `/`.
    own: Option<usize>,
}

/// A class.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) class: Class,
    pub(super) cors: Option<Rule>,
    routes: Routes,
    /// What the routes lead to.
    targets: Vec<Target>,
    /// What the names of methods lead to; empty where they are not exposed.
    exposed: Vec<Target>,
}

/// A method, and what the path binds of its inputs.
#[derive(Debug)]
pub(super) struct Target {
    method: usize,
    captures: Vec<Capture>,
    /// Whether it answers to its name, because methods are exposed, and not to a route.
    pub(super) is_exposed: bool,
}

#[derive(Debug)]
struct Capture {
    /// The segment of the path, counted from 0.
    at: usize,
    is_rest: bool,
    place: Place,
}

impl Table {
    pub(super) fn new(generation: u64, apps: &BTreeMap<String, App>, layout: &Layout) -> Self {
        let apps = apps.values().map(|app| (app.name().into(), Served::new(app, layout)));
        Self { generation, apps: apps.collect() }
    }

    /// Finds the class that a request is for, and the path within it.
    ///
    /// `label` is what stands before the domain in the request's host.
    ///
    /// # Errors
    ///
    /// `not-found` with what would have been found; `starting` for an app that is about to be served.
    pub(super) fn find<'t, 'p>(
        &'t self,
        label: Option<&str>,
        path: &'p str,
        layout: &Layout,
        readiness: &Readiness,
    ) -> Result<(&'t Entry, &'p str), Error> {
        if let Some(label) = label {
            let (app, class) = label.split_once("--").map_or((label, None), |(app, class)| (app, Some(class)));
            let app = self.app(app, readiness)?;
            return Ok((class.map_or_else(|| app.own(), |class| app.class(class))?, path));
        }
        // Looked up before anything is said about what is not there: saying it costs more than all the rest.
        if let Some(found) = self.at_path(path) {
            return Ok(found);
        }
        match &layout.root {
            Some(root) if !self.is_about_to_be_at(path, readiness) => Ok((self.app(root, readiness)?.own()?, path)),
            _ => self.by_path(path, readiness),
        }
    }

    /// The class of `/{app}/{class}/…`, and the path within it.
    fn at_path<'t, 'p>(&'t self, path: &'p str) -> Option<(&'t Entry, &'p str)> {
        let (app, class, below) = parts(path)?;
        let class = decode::segment(class);
        let entry = self.apps.get(app)?.classes.iter().find(|entry| entry.class.name() == class)?;
        Some((entry, below))
    }

    /// Whether the path is of an app that is not served yet.
    fn is_about_to_be_at(&self, path: &str, readiness: &Readiness) -> bool {
        parts(path).is_some_and(|(app, ..)| !self.apps.contains_key(app) && readiness.phase(app).is_some())
    }

    /// The class that answers at the app's own host name.
    #[cfg(feature = "cli")]
    pub(super) fn own_class(&self, app: &str) -> Option<&str> {
        self.apps.get(app)?.own().ok().map(|entry| entry.class.name())
    }

    /// Finds the class of `/{app}/{class}/…`, or says what is not there.
    fn by_path<'t, 'p>(&'t self, path: &'p str, readiness: &Readiness) -> Result<(&'t Entry, &'p str), Error> {
        let Some((app, class, below)) = parts(path) else {
            let known = self.names(readiness);
            return Err(unknown("no app answers at `/`; name one, as in `/app/class/`".into(), "", &known, "apps"));
        };
        Ok((self.app(app, readiness)?.class(&decode::segment(class))?, below))
    }

    fn app(&self, name: &str, readiness: &Readiness) -> Result<&Served, Error> {
        self.apps.get(name).ok_or_else(|| match readiness.phase(name) {
            Some(phase) => not_ready(name, phase.as_str()),
            None => unknown(format!("there is no app `{name}`"), name, &self.names(readiness), "apps"),
        })
    }

    /// The apps that there are, or are about to be.
    fn names(&self, readiness: &Readiness) -> Vec<String> {
        let mut names: Vec<_> = self.apps.keys().map(|name| name.to_string()).collect();
        names.extend(readiness.phases().into_keys());
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// An app, a class and the rest, as a path names them; `None` for `/`.
fn parts(path: &str) -> Option<(&str, &str, &str)> {
    let whole = segments(path)?;
    let (app, rest) = whole.split_once('/').unwrap_or((whole, ""));
    let (class, _) = rest.split_once('/').unwrap_or((rest, ""));
    // Within `path`, so that it begins with the slash.
    let below = &rest[class.len()..];
    Some((app, class, if below.is_empty() { "/" } else { below }))
}

impl Served {
    fn new(app: &App, layout: &Layout) -> Self {
        let classes: Vec<_> = app.classes().map(|class| Entry::new(class, layout)).collect();
        let only = |serves: &dyn Fn(&Entry) -> bool| {
            let mut places = (0..classes.len()).filter(|place| serves(&classes[*place]));
            places.next().filter(|_| places.next().is_none())
        };
        let own = only(&|entry| entry.class.settings().is_default)
            .or_else(|| only(&|entry| !entry.routes.is_empty() || entry.class.has_handler()))
            .or_else(|| only(&|_| true));
        Self { name: app.name().into(), classes, own }
    }

    fn class(&self, name: &str) -> Result<&Entry, Error> {
        self.classes.iter().find(|entry| entry.class.name() == name).ok_or_else(|| {
            let what = match name {
                "" => format!("the app `{}` answers under its classes, as in `/{0}/class/`", self.name),
                _ => format!("the app `{}` has no class `{name}`", self.name),
            };
            unknown(what, name, &self.names(), "classes")
        })
    }

    fn own(&self) -> Result<&Entry, Error> {
        self.own.map(|own| &self.classes[own]).ok_or_else(|| {
            let app = &self.name;
            Error::not_found(format!(
                "no class of the app `{app}` is its own, which is the one with `default = true` or the only one with \
                 routes; name one, as in `{app}--class` or `/{app}/class/`; its classes are `{}`",
                self.names().join("`, `")
            ))
        })
    }

    fn names(&self) -> Vec<String> {
        self.classes.iter().map(|entry| entry.class.name().to_owned()).collect()
    }
}

impl Entry {
    fn new(class: &Class, layout: &Layout) -> Self {
        let (mut routes, mut targets) = (Routes::default(), Vec::new());
        for (index, method) in class.methods().enumerate() {
            let Some(route) = method.settings().and_then(|settings| settings.web.as_ref()) else { continue };
            // A second one for the same requests was refused when the app was loaded.
            if routes.insert(route, targets.len()).is_ok() {
                let captures = captures(class, method, &route.segments);
                targets.push(Target { method: index, captures, is_exposed: false });
            }
        }
        let exposed = if layout.exposes_methods { class.methods().len() } else { 0 };
        Self {
            class: class.clone(),
            cors: class.settings().cors.as_ref().map(Rule::new),
            routes,
            targets,
            exposed: (0..exposed).map(|method| Target { method, captures: Vec::new(), is_exposed: true }).collect(),
        }
    }

    /// Finds what answers `verb` at `path`.
    pub(super) fn target(&self, verb: HttpMethod, path: &str) -> Option<&Target> {
        match self.routes.find(verb, path) {
            Some(target) => Some(&self.targets[target]),
            None if verb == HttpMethod::Post => self.exposed_at(path),
            None => None,
        }
    }

    /// The verbs that are answered at `path`.
    pub(super) fn allowed(&self, path: &str) -> Allowed {
        let mut allowed = self.routes.allowed(path);
        if self.exposed_at(path).is_some() {
            allowed.add(HttpMethod::Post);
        }
        allowed
    }

    /// `not-found` for a path that no verb answers, with those that are answered.
    pub(super) fn no_route(&self, path: &str) -> Error {
        let class = self.class.name();
        let routes: Vec<_> = self.class.methods().filter_map(|method| method.web()).collect();
        if routes.is_empty() && self.exposed.is_empty() {
            return Error::not_found(format!("the class `{class}` has no routes; a method gets one with `web`"));
        }
        let methods = self.exposed.iter().map(|target| format!("POST /{}", target.method(&self.class).name()));
        let mut known: Vec<_> = routes.into_iter().chain(methods).collect();
        let more = known.len().saturating_sub(MAX_LISTED);
        known.truncate(MAX_LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let known = known.join("`, `");
        Error::not_found(format!("no route of the class `{class}` answers `{path}`; its routes are `{known}`{more}"))
    }

    /// `forbidden` for a page that may not call a method by its name. `page` says whose it is.
    pub(super) fn not_for_pages(&self, target: &Target, page: &str) -> Error {
        let method = target.method(&self.class).name();
        let message = format!(
            "`POST /{method}` is for programs, and {page} may not call it: pages that may are listed in the class's `cors`"
        );
        let listed = self.cors.as_ref().map_or_else(|| "none".to_owned(), Rule::listed);
        Error::new(ErrorKind::Forbidden, message).with_limit("cors", listed)
    }

    fn exposed_at(&self, path: &str) -> Option<&Target> {
        if self.exposed.is_empty() {
            return None;
        }
        let name = path.strip_prefix('/')?;
        self.exposed.iter().find(|target| crate::values::same(target.method(&self.class).name(), name))
    }
}

impl Target {
    pub(super) fn method<'c>(&self, class: &'c Class) -> Method<'c> {
        class.method_at(self.method)
    }

    /// What the path binds, still with `%2F` and `%25`.
    pub(super) fn captured<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (Place, &'a str)> {
        let path = segments(path).unwrap_or_default();
        self.captures.iter().filter_map(move |capture| {
            let text = match capture.is_rest {
                true => path.splitn(capture.at + 1, '/').nth(capture.at),
                false => path.split('/').nth(capture.at),
            };
            Some((capture.place, text?))
        })
    }
}

fn captures(class: &Class, method: Method<'_>, segments: &[Segment]) -> Vec<Capture> {
    let captured = segments.iter().enumerate().filter_map(|(at, segment)| {
        let (name, is_rest) = match segment {
            Segment::Literal(_) => return None,
            Segment::Capture(name) => (name, false),
            Segment::Rest(name) => (name, true),
        };
        // Names that are neither were refused when the app was loaded.
        let place = Place::of(name, class.parameter_signature(), method.argument_signature())?;
        Some(Capture { at, is_rest, place })
    });
    captured.collect()
}

/// The value of `Allow`.
pub(super) fn allow_header(allowed: Allowed) -> HeaderValue {
    HeaderValue::try_from(allowed.header()).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
