//! The document as a whole: the types at its top, which the file and the section share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::class::ClassSection;
use super::names::{ClassKey, InterfaceName, Name};
use super::node::Node;
use super::problem::Problem;
use super::read::read;

/// An app of `wasmhost`: its components, and the settings of their classes.
///
/// Sizes and durations are strings with a unit, such as `"256MiB"` and `"30s"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "wasmhost.toml", extend("required" = ["version", "component"]))]
pub(super) struct Document {
    /// The version of this format: 1.
    #[schemars(with = "Version")]
    #[expect(dead_code, reason = "it is here to be checked while it is read, and has one value")]
    version: Option<Version>,
    /// The app's name; without it, the directory's. It is part of the app's host name.
    pub(super) name: Option<Name>,
    /// The components of the app, by names of your choice; their classes are found by name in all
    /// of them.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub(super) component: BTreeMap<Name, Component>,
    /// Names for interfaces whose short names clash: `"ns:pkg/name@1.0.0" = "cart"`.
    #[serde(default)]
    pub(super) rename: BTreeMap<InterfaceName, Name>,
    /// The settings of the classes, by name or by full interface name.
    #[serde(default)]
    pub(super) class: BTreeMap<ClassKey, ClassSection>,
}

/// A component of the app.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    /// The component's `.wasm` file; a relative path starts at the manifest's directory.
    #[schemars(extend("examples" = ["target/wasm32-wasip2/release/my_app.wasm"]))]
    pub(super) source: PathBuf,
    /// The shell command that makes the file. It is run by `wasmhost build`, and first by `run`,
    /// `serve` and `deploy`.
    #[schemars(extend("examples" = ["cargo build --release --target wasm32-wasip2"]))]
    pub(super) build: Option<String>,
}

impl Document {
    /// Reads all of `root` that can be read, with what is wrong with the rest.
    pub(super) fn read(root: &Node) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let document = read(&mut root.clone(), &mut problems);
        (document, problems)
    }
}

/// The only version there is.
#[derive(Debug)]
pub(super) struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(de::Error::custom(format!("`{other}` is not a version this host knows; write `version = 1`"))),
        }
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "const": 1 })
    }
}
