//! What one source, the file or the component's own section, says of a class.
//!
//! These types are the manifest's definition: they parse it, and the JSON schema that editors use
//! is generated from them, so their comments are written for the people who write manifests. An
//! absent key is `None`; defaults belong to [`ClassSettings`](super::ClassSettings), which knows
//! both sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::count::Count;
use super::names::Name;
use super::outbound::{Destination, WebOrigin};
use super::paths::GuestPath;
use super::route::Route;
use super::units::{ByteSize, TimeSpan};

/// The memory or `/tmp` of one instance: a page of WebAssembly, up to all that 32 bits address.
pub(crate) type InstanceBytes = ByteSize<{ 64 << 10 }, { 4 << 30 }>;
/// How many instances a pool may have.
pub(crate) type MaxInstances = Count<1, 100_000>;
/// How many instances a pool keeps or holds ready, which may be none.
pub(crate) type SpareInstances = Count<0, 100_000>;
/// How many calls may run in one instance at a time.
pub(crate) type Concurrency = Count<1, 1000>;
/// How many calls may wait for an instance.
pub(crate) type MaxWaiting = Count<0, 1_000_000>;
/// How many elements a list may have.
pub(crate) type MaxList = Count<1, 100_000_000>;

/// The settings of one class. A key that is left out has its default, or what the component's own
/// section says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ClassSection {
    /// What the class is for, in Markdown; shown by `inspect` and `--help`.
    pub(crate) docs: Option<String>,
    /// What each parameter means, in Markdown, by its name.
    pub(crate) parameter_docs: Option<BTreeMap<String, String>>,
    /// Linear memory of one instance, all its memories together. A call that needs more fails with
    /// `memory-exceeded`.
    pub(crate) memory: Option<InstanceBytes>,
    /// Never set: a share of the CPU cannot be enforced inside one process.
    pub(crate) cpu: Option<Cpu>,
    /// How long `build` may take.
    pub(crate) build_timeout: Option<TimeSpan>,
    /// How long `enter` may take, and `restore`.
    pub(crate) enter_timeout: Option<TimeSpan>,
    /// How long one call of a method may take.
    pub(crate) timeout: Option<TimeSpan>,
    /// How long `exit` may take before the instance is killed.
    pub(crate) exit_timeout: Option<TimeSpan>,
    /// Instances that are kept although nobody calls: a number for a class without parameters, else
    /// a list of parameters with a number for each.
    pub(crate) min_instances: Option<MinInstances>,
    /// Idle instances held ready beyond those that are busy.
    pub(crate) buffer_instances: Option<SpareInstances>,
    /// The most instances one set of parameters may have; further calls wait.
    pub(crate) max_instances: Option<MaxInstances>,
    /// How long an instance may be idle before it exits.
    pub(crate) idle_timeout: Option<TimeSpan<{ 30 * 24 }>>,
    /// Recycles an instance after that many calls, `100`, or after a number drawn from a range,
    /// `"50..100"`, so that not all of them go at once. Without it, never.
    pub(crate) max_calls: Option<MaxCalls>,
    /// Calls inside one instance at a time; more than one only for `async func` methods and 0.3
    /// handlers.
    pub(crate) concurrency: Option<Concurrency>,
    /// Calls that may wait for an instance; one more is refused at once.
    pub(crate) max_waiting: Option<MaxWaiting>,
    /// How long a call may wait for an instance.
    pub(crate) wait_timeout: Option<TimeSpan>,
    /// The state that new instances start from.
    pub(crate) snapshot: Option<SnapshotMode>,
    /// Renames hooks or turns them off, for components that mean something else by these names.
    pub(crate) hooks: Option<Hooks>,
    /// Environment variables of the guest: a text, or the name of one of the host's variables.
    pub(crate) env: Option<BTreeMap<EnvName, EnvValue>>,
    /// Files that travel with the app; the guest can only read them.
    pub(crate) files: Option<Vec<FileEntry>>,
    /// Directories of the host that the guest sees. Only below a directory given by
    /// `--allow-mount`.
    pub(crate) mounts: Option<Vec<MountEntry>>,
    /// Where the guest may connect to, `build` included: `https://HOST`, `http://HOST` and `tcp://HOST:PORT`, with a port for
    /// the first two where it is another than 443 and 80. HOST is a name, an address, `*.NAME` for
    /// any name below that one, or `*` for any host of the internet; a PORT of `*` is any. A name that is listed by itself may
    /// lead into private networks, what a `*` stands for may not; only `localhost` and a loopback address lead to this machine,
    /// and nothing leads to link-local addresses. Without it, nowhere.
    pub(crate) allow_outbound: Option<Vec<Destination>>,
    /// The apps of this host whose methods the guest may call, beside those of its own app. Without it, none.
    pub(crate) allow_calls: Option<Vec<Name>>,
    /// Defaults of the class's parameters, by name.
    pub(crate) parameters: Option<BTreeMap<String, serde_json::Value>>,
    /// Reuses instances of a class that has no hooks.
    pub(crate) reuse: Option<bool>,
    /// The size of a private `/tmp` for each instance. Without it, there is none.
    pub(crate) tmp: Option<InstanceBytes>,
    /// The most elements of a list that is passed as an argument or a result.
    pub(crate) max_list: Option<MaxList>,
    /// Which web pages of other origins may call the class: `"*"` for all, or a list. Without it,
    /// none.
    pub(crate) cors: Option<Cors>,
    /// This class answers at the app's own host name, by its component's web handler if that has one. At most one class of an app.
    pub(crate) default: Option<bool>,
    /// Settings of the class's methods, by name.
    pub(crate) method: Option<BTreeMap<String, MethodSection>>,
}

/// The settings of one method.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct MethodSection {
    /// What the method does, in Markdown; shown by `inspect` and `--help`.
    pub(crate) docs: Option<String>,
    /// What each argument means, in Markdown, by its name.
    pub(crate) argument_docs: Option<BTreeMap<String, String>>,
    /// Defaults of the method's arguments, by name.
    pub(crate) arguments: Option<BTreeMap<String, serde_json::Value>>,
    /// The requests that the method answers: a verb and a path, in which `{name}` binds an
    /// argument.
    pub(crate) web: Option<Route>,
}

/// A setting that cannot be given: there are no values of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Cpu {}

/// After how many calls an instance is recycled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxCalls {
    /// The fewest calls, at least 1.
    pub(crate) least: u32,
    /// The most calls, at least as many.
    pub(crate) most: u32,
}

/// Which instances are kept although nobody calls.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum MinInstances {
    /// For a class without parameters, that many.
    Count(SpareInstances),
    /// That many for each of these sets of parameters.
    Listed(Vec<WarmInstances>),
}

/// A set of parameters and how many instances are kept for it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WarmInstances {
    /// The parameters, by name; those left out have their defaults.
    pub(crate) parameters: BTreeMap<String, serde_json::Value>,
    /// How many instances are kept.
    pub(crate) count: MaxInstances,
}

/// The state that new instances start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SnapshotMode {
    /// As it was when `build` had returned.
    Build,
    /// As it was when `enter` had returned in the first instance with these parameters; `restore`
    /// runs in each.
    Enter,
    /// None: `build` runs in every instance.
    Off,
}

/// Which functions of the class are its hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Hooks {
    /// `false`: the class has none.
    #[schemars(with = "False")]
    Off(False),
    /// Those listed; the others are found by their own names.
    Named(HookNames),
}

/// The functions that are the class's hooks: a function's name, or `false` for none. One may be several hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HookNames {
    /// Runs once per component, before the snapshot is taken.
    pub(crate) build: Option<HookName>,
    /// Runs once per instance, before its first call.
    pub(crate) enter: Option<HookName>,
    /// Runs once per entered instance, before it goes.
    pub(crate) exit: Option<HookName>,
    /// Runs in an instance that was started from a snapshot taken after `enter`.
    pub(crate) restore: Option<HookName>,
}

/// The function that is a hook, or `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HookName {
    /// There is none, whatever the component's functions are called.
    Off(False),
    /// The function of this name.
    Function(String),
}

/// The word `false` where `true` would mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct False;

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct EnvName(pub(super) String);

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum EnvValue {
    /// This text.
    Text(String),
    /// The value of one of the host's variables.
    Host(HostVariable),
}

/// One of the host's environment variables. Only names given by `--allow-env`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostVariable {
    /// The variable's name on the host.
    pub(crate) from: EnvName,
}

/// A file of the host, and where the guest reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    /// The file; a relative path starts at the manifest's directory.
    #[serde(serialize_with = "as_text")]
    pub(crate) source: PathBuf,
    /// Where the guest reads it.
    pub(crate) path: GuestPath,
}

/// A directory of the host, and where the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MountEntry {
    /// The directory; a relative path starts at the manifest's directory.
    #[serde(serialize_with = "as_text")]
    pub(crate) host: PathBuf,
    /// Where the guest sees it.
    pub(crate) path: GuestPath,
    /// Whether the guest may write to it.
    #[serde(default)]
    pub(crate) write: bool,
}

/// Which web pages of other origins may call a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Cors {
    /// `"*"`: all of them.
    Any(Star),
    /// Those of these origins.
    Origins(Vec<WebOrigin>),
}

/// The text `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) enum Star {
    /// Stands for everything.
    #[serde(rename = "*")]
    Star,
}

/// Writes a path that is not UTF-8 with replacement characters: it came from the manifest's own
/// directory, and a listing of settings must not fail over it.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
