//! Settings: what `wasmhost.toml` and a component's own `wasmhost:manifest` section say, and what
//! follows from both.
//!
//! ```text
//! wasmhost.toml ─┐                                    ┌─ Manifest: app, components, classes ─┐
//!                ├─ node: a tree with lines ─ read ───┤                                      ├─ ClassSettings
//! section (JSON) ┘            problems, all at once   └─ Section: classes ───────────────────┘  values and origins
//! ```
//!
//! Everything here is a function of text: it joins paths but opens none, and it knows no clock, no
//! wasmtime and no component. So it cannot say whether a class, a method or a parameter exists;
//! whoever inspects the component does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod address;
mod check;
mod class;
mod count;
mod document;
mod names;
mod node;
mod outbound;
mod paths;
mod problem;
mod read;
mod resolver;
mod route;
mod schema;
mod settings;
mod shapes;
#[cfg(test)]
mod tests;
mod units;

pub(crate) use address::{AddressKind, HostName, canonical, translated};
#[cfg(feature = "http")]
pub(crate) use class::Cors;
pub(crate) use class::{ClassSection, EnvValue, FileEntry, MinInstances, MountEntry, SnapshotMode};
pub(crate) use names::Name;
#[cfg(feature = "cli")]
pub(crate) use names::check_name;
pub(crate) use outbound::{Destination, Scheme};
pub(crate) use problem::ManifestError;
pub use resolver::{Origin, Setting};
#[cfg(feature = "http")]
pub(crate) use route::{HttpMethod, Route, Segment};
pub use schema::schema;
pub(crate) use settings::{ClassSettings, MethodSettings};
pub(crate) use units::AnySize;
#[cfg(feature = "cli")]
pub(crate) use units::TimeSpan;

use document::Document;
use names::fit_name;
use node::Node;
use problem::{MAX_PROBLEMS, Problem};

/// The name of the custom section in which a component carries settings of its own.
pub(crate) const SECTION_NAME: &str = "wasmhost:manifest";

/// The largest manifest that is read, in bytes; a section may come from anyone.
pub(crate) const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// An app as its `wasmhost.toml` describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// The app's name; without one in the file, the directory's, made to fit the rules for names.
    pub(crate) name: String,
    /// The directory of the file, from which relative paths start.
    pub(crate) dir: PathBuf,
    /// The components whose classes make up the app, in the order of their names; at least one.
    pub(crate) components: Vec<ComponentEntry>,
    /// The names by which clashing interfaces are addressed: from full interface name to class
    /// name.
    pub(crate) rename: BTreeMap<String, String>,
    /// What the file says of each class, by the class's name or its full interface name.
    pub(crate) classes: BTreeMap<String, ClassSection>,
}

/// One component of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComponentEntry {
    /// The component's name in the manifest.
    pub(crate) name: String,
    /// The `.wasm` file, joined to the manifest's directory.
    pub(crate) source: PathBuf,
    /// The shell command that makes the file.
    pub(crate) build: Option<String>,
}

/// What a component says of its own classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Section {
    /// The settings of each class, by the class's name or its full interface name.
    pub(crate) classes: BTreeMap<String, ClassSection>,
}

impl Manifest {
    /// Parses the text of the `wasmhost.toml` at `path`.
    ///
    /// `path` is only taken apart: its directory is where relative paths start, and names the app
    /// if the file does not.
    ///
    /// # Errors
    /// With everything that is wrong in the file, each with its key and line.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let refuse = |problems| ManifestError::new(path.display().to_string(), problems);
        check_length(text.len()).map_err(&refuse)?;
        let root = Node::from_toml(text).map_err(&refuse)?;
        let (document, mut problems) = Document::read(&root);
        check::version(&root, &mut problems);
        let Some(document) = document else {
            return Err(refuse(problems));
        };
        check::file(&document, &root, &mut problems);

        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let fitted_name = || dir.file_name().and_then(|name| fit_name(&name.to_string_lossy()));
        let Some(name) = document.name.map(|name| name.0).or_else(fitted_name) else {
            problems.push(Problem {
                line: None,
                key: "name".to_owned(),
                message: "missing, and none can be made of the directory's; write one, such as `name = \"my-app\"`"
                    .to_owned(),
            });
            return Err(refuse(problems));
        };
        if !problems.is_empty() {
            return Err(refuse(problems));
        }

        let components = document.component.into_iter().map(|(name, component)| ComponentEntry {
            name: name.0,
            source: dir.join(component.source),
            build: component.build,
        });
        let classes = document.class.into_iter().map(|(key, class)| (key.0, class.joined_to(&dir)));
        Ok(Self {
            name,
            components: components.collect(),
            rename: document.rename.into_iter().map(|(from, to)| (from.0, to.0)).collect(),
            classes: classes.collect(),
            dir,
        })
    }

    /// The manifest of a bare `.wasm` file, which has none: an app of one component, named after
    /// the file's stem.
    #[must_use]
    pub(crate) fn for_component(path: &Path) -> Self {
        let stem = path.file_stem().and_then(|stem| fit_name(&stem.to_string_lossy()));
        let name = stem.unwrap_or_else(|| "app".to_owned());
        let component = ComponentEntry { name: name.clone(), source: path.to_owned(), build: None };
        Self {
            name,
            dir: path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned(),
            components: vec![component],
            rename: BTreeMap::new(),
            classes: BTreeMap::new(),
        }
    }
}

/// Parses the `wasmhost:manifest` section of a component: JSON documents back to back, joined key
/// by key.
///
/// Linkers concatenate the statics that a guest puts there, so each class, or each method, may come
/// as a document of its own. Relative paths in it stay relative.
///
/// # Errors
/// With everything that is wrong in it, also a key that two documents give, and the keys that only
/// the file may have.
pub(crate) fn parse_section(bytes: &[u8]) -> Result<Section, ManifestError> {
    let refuse = |problems| ManifestError::new(SECTION_NAME, problems);
    check_length(bytes.len()).map_err(&refuse)?;
    let mut problems = Vec::new();
    let mut whole: Option<Node> = None;
    for (index, document) in serde_json::Deserializer::from_slice(bytes).into_iter::<Node>().enumerate() {
        let number = index + 1;
        let about = |message: String| Problem { line: None, key: String::new(), message };
        let document = match document {
            Ok(document) if document.is_table() => document,
            Ok(_) => {
                problems.push(about(format!("document {number} is not a JSON object")));
                continue;
            }
            Err(error) => {
                problems.push(about(format!("document {number} is not JSON: {error}")));
                break;
            }
        };
        if problems.len() < MAX_PROBLEMS {
            check::version(&document, &mut problems);
        }
        match &mut whole {
            Some(whole) => whole.absorb(document),
            None => whole = Some(document),
        }
    }
    let Some(root) = whole else {
        return if problems.is_empty() { Ok(Section::default()) } else { Err(refuse(problems)) };
    };
    let (document, found) = Document::read(&root);
    problems.extend(found);
    let Some(document) = document else {
        return Err(refuse(problems));
    };
    check::section(&document, &root, &mut problems);
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    Ok(Section { classes: document.class.into_iter().map(|(key, class)| (key.0, class)).collect() })
}

fn check_length(bytes: usize) -> Result<(), Vec<Problem>> {
    if bytes <= MAX_MANIFEST_BYTES {
        return Ok(());
    }
    let message = format!("has {bytes} bytes; a manifest has at most {MAX_MANIFEST_BYTES}");
    Err(vec![Problem { line: None, key: String::new(), message }])
}

impl ClassSection {
    /// The same, with the relative paths of the host joined to `dir`.
    fn joined_to(mut self, dir: &Path) -> Self {
        for file in self.files.iter_mut().flatten() {
            file.source = dir.join(&file.source);
        }
        for mount in self.mounts.iter_mut().flatten() {
            mount.host = dir.join(&mount.host);
        }
        self
    }
}
