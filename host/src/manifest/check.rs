//! What no single value can know: keys that contradict each other, and keys that one source may not
//! have.
//!
//! Each rule about a class is one function over the values at hand. It runs on each source alone,
//! where lines are known, and again on both together, where a contradiction may only then appear.

use std::collections::BTreeMap;

use super::class::{ClassSection, EnvValue, FileEntry, MinInstances, MountEntry};
use super::document::Document;
use super::names::canonical;
use super::node::Node;
use super::paths::{GuestPath, Occupant, clash};
use super::problem::{KeyPath, MAX_PROBLEMS, Problem};
use super::route::Route;

/// At most this many files, and as many mounts, may a class have.
const MAX_ENTRIES: usize = 1000;

/// Collects problems below one key of a document, with their lines.
pub(super) struct Checker<'a> {
    root: Option<&'a Node>,
    at: KeyPath,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Checker<'a> {
    /// Checks what stands in no one document and so has no lines.
    pub(super) fn unplaced(problems: &'a mut Vec<Problem>) -> Self {
        Self { root: None, at: KeyPath::default(), problems }
    }

    fn report(&mut self, below: &KeyPath, message: impl Into<String>) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let path = KeyPath([self.at.0.as_slice(), below.0.as_slice()].concat());
        let line = self.root.and_then(|root| root.line_at(&path));
        self.problems.push(Problem { line, key: path.to_string(), message: message.into() });
    }
}

/// Checks that `root` says which version of the format it is in.
pub(super) fn version(root: &Node, problems: &mut Vec<Problem>) {
    if !root.has_key("version") {
        let message = "missing; write `version = 1`, the version of this format".to_owned();
        problems.push(Problem { line: None, key: "version".to_owned(), message });
    }
}

/// Checks the document of a `wasmhost.toml`.
pub(super) fn file(document: &Document, root: &Node, problems: &mut Vec<Problem>) {
    let mut check = Checker { root: Some(root), at: KeyPath::default(), problems };
    if document.component.is_empty() && !root.has_key("component") {
        check.report(&KeyPath::of(["component"]), "missing; name one, such as `[component.my-app]` with its `source`");
    }
    for (name, component) in &document.component {
        let path = KeyPath::of(["component", &name.0]);
        if component.source.as_os_str().is_empty() {
            check.report(&path.key("source"), "is empty; name the component's `.wasm` file");
        }
        if component.build.as_ref().is_some_and(|build| build.trim().is_empty()) {
            check.report(&path.key("build"), "is empty; leave it out if nothing is to be run");
        }
    }
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (interface, name) in &document.rename {
        if let Some(earlier) = taken.insert(&name.0, &interface.0) {
            let path = KeyPath::of(["rename", &interface.0]);
            check.report(&path, format!("`{}` is the name of `{earlier}` already; choose another", name.0));
        }
    }
    classes(document, &mut check);
}

/// Checks the joined documents of a component's section.
pub(super) fn section(document: &Document, root: &Node, problems: &mut Vec<Problem>) {
    let mut check = Checker { root: Some(root), at: KeyPath::default(), problems };
    for key in ["name", "component", "rename"] {
        if root.has_key(key) {
            check.report(&KeyPath::of([key]), "belongs in `wasmhost.toml`; a component speaks only of its classes");
        }
    }
    for (name, class) in &document.class {
        let path = KeyPath::of(["class", &name.0]);
        if class.mounts.is_some() {
            check.report(
                &path.key("mounts"),
                "belongs in `wasmhost.toml`; a component cannot ask for the host's directories",
            );
        }
        for (variable, value) in class.env.iter().flatten() {
            if matches!(value, EnvValue::Host(_)) {
                let path = path.key("env").key(variable.as_str()).key("from");
                check.report(&path, "belongs in `wasmhost.toml`; a component cannot ask for the host's environment");
            }
        }
        if class.files.is_some() {
            check.report(&path.key("files"), "belongs in `wasmhost.toml`; a component cannot ask for the host's files");
        }
    }
    classes(document, &mut check);
}

fn classes(document: &Document, check: &mut Checker<'_>) {
    let mut default: Option<&str> = None;
    for (name, class) in &document.class {
        check.at = KeyPath::of(["class", &name.0]);
        if class.default == Some(true) {
            if let Some(earlier) = default {
                let message = format!("`{earlier}` is the default already; an app has at most one");
                check.report(&KeyPath::of(["default"]), message);
            }
            default = Some(&name.0);
        }
        one_class(class, check);
    }
    check.at = KeyPath::default();
}

fn one_class(class: &ClassSection, check: &mut Checker<'_>) {
    for (index, file) in class.files.iter().flatten().enumerate() {
        if file.source.as_os_str().is_empty() {
            check.report(&KeyPath::of(["files"]).index(index).key("source"), "is empty; name the file");
        }
    }
    for (index, mount) in class.mounts.iter().flatten().enumerate() {
        if mount.host.as_os_str().is_empty() {
            check.report(&KeyPath::of(["mounts"]).index(index).key("host"), "is empty; name the directory");
        }
    }
    guest_paths(
        class.files.as_deref().unwrap_or_default(),
        class.mounts.as_deref().unwrap_or_default(),
        class.tmp.is_some(),
        check,
    );
    instance_counts(
        class.min_instances.as_ref(),
        class.buffer_instances.map(|count| count.get()),
        class.max_instances.map(|count| count.get()),
        check,
    );
    one_spelling(&KeyPath::of(["parameters"]), class.parameters.as_ref(), check);
    one_spelling(&KeyPath::of(["parameter-docs"]), class.parameter_docs.as_ref(), check);
    one_spelling(&KeyPath::of(["method"]), class.method.as_ref(), check);
    for (name, method) in class.method.iter().flatten() {
        let path = KeyPath::of(["method", name]);
        one_spelling(&path.key("arguments"), method.arguments.as_ref(), check);
        one_spelling(&path.key("argument-docs"), method.argument_docs.as_ref(), check);
    }
    let routes = class.method.iter().flatten();
    distinct_routes(routes.filter_map(|(name, method)| Some((name.as_str(), method.web.as_ref()?))), check);
}

/// Refuses two spellings of one name, `a_b` and `a-b`: they are the same wherever a name of the
/// component is meant.
fn one_spelling<T>(path: &KeyPath, table: Option<&BTreeMap<String, T>>, check: &mut Checker<'_>) {
    let mut spellings: BTreeMap<String, &str> = BTreeMap::new();
    for name in table.into_iter().flat_map(BTreeMap::keys) {
        if let Some(earlier) = spellings.insert(canonical(name), name) {
            check.report(&path.key(name), format!("is the same name as `{earlier}`; keep one of them"));
        }
    }
}

/// Refuses files and mounts that claim one place in the guest.
pub(super) fn guest_paths(files: &[FileEntry], mounts: &[MountEntry], has_tmp: bool, check: &mut Checker<'_>) {
    // Each path is compared with every other, so their number needs a bound.
    for (key, count) in [("files", files.len()), ("mounts", mounts.len())] {
        if count > MAX_ENTRIES {
            check.report(
                &KeyPath::of([key]),
                format!("has {count} entries; at most {MAX_ENTRIES}, so name a directory instead"),
            );
            return;
        }
    }
    let tmp: Option<GuestPath> = has_tmp.then(|| "/tmp".parse().ok()).flatten();
    let mut taken: Vec<(Occupant, &GuestPath)> = tmp.iter().map(|path| (Occupant::Tmp, path)).collect();
    let files = files.iter().enumerate().map(|(index, file)| ("files", index, Occupant::File, &file.path));
    let mounts = mounts.iter().enumerate().map(|(index, mount)| ("mounts", index, Occupant::Mount, &mount.path));
    for (key, index, occupant, path) in files.chain(mounts) {
        if let Some(message) = clash((occupant, path), taken.iter().copied()) {
            check.report(&KeyPath::of([key]).index(index).key("path"), message);
        }
        taken.push((occupant, path));
    }
}

/// Refuses to keep or hold ready more instances than there may be.
pub(super) fn instance_counts(
    min: Option<&MinInstances>,
    buffer: Option<u32>,
    max: Option<u32>,
    check: &mut Checker<'_>,
) {
    let Some(max) = max else { return };
    let mut limit = |path: &KeyPath, count: u32| {
        if count > max {
            check.report(
                path,
                format!("`{count}` is more than `max-instances`, which is `{max}`; raise that or lower this"),
            );
        }
    };
    let min_path = KeyPath::of(["min-instances"]);
    match min {
        Some(MinInstances::Count(count)) => limit(&min_path, count.get()),
        Some(MinInstances::Listed(list)) => {
            for (index, entry) in list.iter().enumerate() {
                limit(&min_path.index(index).key("count"), entry.count.get());
            }
        }
        None => {}
    }
    if let Some(buffer) = buffer {
        limit(&KeyPath::of(["buffer-instances"]), buffer);
    }
}

/// Refuses two methods of one class that answer the same requests.
pub(super) fn distinct_routes<'a>(routes: impl Iterator<Item = (&'a str, &'a Route)>, check: &mut Checker<'_>) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (name, route) in routes {
        if let Some(earlier) = taken.insert(route.shape(), name) {
            let path = KeyPath::of(["method", name, "web"]);
            check.report(
                &path,
                format!("`{route}` answers the same requests as the route of `{earlier}`; change one of them"),
            );
        }
    }
}
