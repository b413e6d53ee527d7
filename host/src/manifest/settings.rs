//! The settings of a class as they hold: the file over the component's section over the defaults,
//! key by key.
//!
//! Every value remembers which of the three it came from, so that `inspect` can say. The defaults
//! stand here and nowhere else; the JSON schema takes them from here, too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::check::{self, Checker};
use super::class::{
    ClassSection, Concurrency, Cors, EnvValue, FileEntry, InstanceBytes, MaxCalls, MaxInstances, MaxList, MaxWaiting,
    MinInstances, MountEntry, SnapshotMode, SpareInstances,
};
use super::names::Name;
use super::outbound::Destination;
use super::problem::ManifestError;
use super::resolver::{Origin, Resolver, Setting};
use super::route::Route;
use super::units::TimeSpan;

/// The settings of one class, every one with a value.
///
/// Names of methods, parameters and arguments are spelled with `-`, as in WIT, whichever way the
/// source wrote them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassSettings {
    /// What the class is for, in Markdown.
    pub(crate) docs: Option<String>,
    /// What each parameter means, in Markdown.
    pub(crate) parameter_docs: BTreeMap<String, String>,
    /// Linear memory of one instance; 256 MiB by default.
    pub(crate) memory_bytes: u64,
    /// How long `build` may take; 120 s by default.
    pub(crate) build_timeout: Duration,
    /// How long `enter` and `restore` may take; 30 s by default.
    pub(crate) enter_timeout: Duration,
    /// How long one call may take; 300 s by default.
    pub(crate) timeout: Duration,
    /// How long `exit` may take; 30 s by default.
    pub(crate) exit_timeout: Duration,
    /// Instances kept although nobody calls; none by default.
    pub(crate) min_instances: MinInstances,
    /// Idle instances held ready beyond the busy ones; none by default.
    pub(crate) buffer_instances: u32,
    /// The most instances of one pool; 100 by default.
    pub(crate) max_instances: u32,
    /// How long an instance may be idle; 60 s by default.
    pub(crate) idle_timeout: Duration,
    /// After how many calls an instance is recycled; never by default.
    pub(crate) max_calls: Option<MaxCalls>,
    /// Calls inside one instance at a time; one by default.
    pub(crate) concurrency: u32,
    /// Calls that may wait for an instance; 1,000 by default.
    pub(crate) max_waiting: u32,
    /// How long a call may wait for an instance; 30 s by default.
    pub(crate) wait_timeout: Duration,
    /// The state that new instances start from; after `build` by default.
    pub(crate) snapshot: SnapshotMode,
    /// The names of the functions that are hooks; their own names by default.
    pub(crate) hooks: HookFunctions,
    /// Environment variables of the guest; none by default.
    pub(crate) env: BTreeMap<String, EnvValue>,
    /// Files that travel with the app; none by default. Paths from a component's section are still
    /// relative.
    pub(crate) files: Vec<FileEntry>,
    /// Directories of the host that the guest sees; none by default.
    pub(crate) mounts: Vec<MountEntry>,
    /// Where the guest may connect to; nowhere by default.
    pub(crate) allow_outbound: Vec<Destination>,
    /// The other apps whose methods the guest may call; none by default.
    pub(crate) allow_calls: Vec<Name>,
    /// Defaults of parameters, not yet compared with their types; none by default.
    pub(crate) parameters: BTreeMap<String, Value>,
    /// Whether instances of a class without hooks are reused; not by default.
    pub(crate) reuse: bool,
    /// The size of a private `/tmp`; there is none by default.
    pub(crate) tmp_bytes: Option<u64>,
    /// The most elements of a list passed as a value; 1,000,000 by default.
    pub(crate) max_list: u32,
    /// Which web pages of other origins may call the class; none by default.
    pub(crate) cors: Option<Cors>,
    /// Whether the class answers at the app's own host name; not by default.
    pub(crate) is_default: bool,
    /// The settings of methods, for those that have any.
    pub(crate) methods: BTreeMap<String, MethodSettings>,
    listing: Vec<Setting>,
}

/// The settings of one method.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MethodSettings {
    /// What the method does, in Markdown.
    pub(crate) docs: Option<String>,
    /// What each argument means, in Markdown.
    pub(crate) argument_docs: BTreeMap<String, String>,
    /// Defaults of arguments, not yet compared with their types.
    pub(crate) arguments: BTreeMap<String, Value>,
    /// The requests it answers.
    pub(crate) web: Option<Route>,
}

/// The function that is each hook; `None` where the hook is turned off.
///
/// A name that was not set, whose [origin](ClassSettings::origin) is the default, need not exist in
/// the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookFunctions {
    pub(crate) build: Option<String>,
    pub(crate) enter: Option<String>,
    pub(crate) exit: Option<String>,
    pub(crate) restore: Option<String>,
}

impl ClassSettings {
    /// Resolves the settings of `class` from what the file and the component's section say of it.
    ///
    /// The file wins key by key. Tables (`env`, `parameters`, `hooks`, `method` and what is in
    /// them) are merged by key, a list replaces a list.
    ///
    /// # Errors
    /// If the sources contradict each other: more instances kept than there may be, one path in the
    /// guest twice, or two methods that answer the same requests.
    pub(crate) fn resolve(
        class: &str,
        file: Option<&ClassSection>,
        section: Option<&ClassSection>,
    ) -> Result<Self, ManifestError> {
        let mut from = Resolver::new(file, section);
        // In the order in which `inspect` lists them.
        let settings = Self {
            docs: from.docs(|class| class.docs.as_ref()),
            parameter_docs: from.docs_table(|class| class.parameter_docs.as_ref()),
            memory_bytes: from.value("memory", |class| class.memory, InstanceBytes::of_mib(256)).bytes(),
            build_timeout: from.value("build-timeout", |class| class.build_timeout, TimeSpan::of_secs(120)).duration(),
            enter_timeout: from.value("enter-timeout", |class| class.enter_timeout, TimeSpan::of_secs(30)).duration(),
            timeout: from.value("timeout", |class| class.timeout, TimeSpan::of_secs(300)).duration(),
            exit_timeout: from.value("exit-timeout", |class| class.exit_timeout, TimeSpan::of_secs(30)).duration(),
            min_instances: from.value(
                "min-instances",
                |class| class.min_instances.clone(),
                MinInstances::Count(SpareInstances::of(0)),
            ),
            buffer_instances: from
                .value("buffer-instances", |class| class.buffer_instances, SpareInstances::of(0))
                .get(),
            max_instances: from.value("max-instances", |class| class.max_instances, MaxInstances::of(100)).get(),
            idle_timeout: from.value("idle-timeout", |class| class.idle_timeout, TimeSpan::of_secs(60)).duration(),
            max_calls: from.optional("max-calls", |class| class.max_calls),
            concurrency: from.value("concurrency", |class| class.concurrency, Concurrency::of(1)).get(),
            max_waiting: from.value("max-waiting", |class| class.max_waiting, MaxWaiting::of(1000)).get(),
            wait_timeout: from.value("wait-timeout", |class| class.wait_timeout, TimeSpan::of_secs(30)).duration(),
            snapshot: from.value("snapshot", |class| class.snapshot, SnapshotMode::Build),
            hooks: from.hooks(),
            env: from.env(),
            files: from.value("files", |class| class.files.clone(), Vec::new()),
            mounts: from.value("mounts", |class| class.mounts.clone(), Vec::new()),
            allow_outbound: from.value("allow-outbound", |class| class.allow_outbound.clone(), Vec::new()),
            allow_calls: from.value("allow-calls", |class| class.allow_calls.clone(), Vec::new()),
            parameters: from.table("parameters", |class| class.parameters.as_ref()),
            reuse: from.value("reuse", |class| class.reuse, false),
            tmp_bytes: from.optional("tmp", |class| class.tmp).map(InstanceBytes::bytes),
            max_list: from.value("max-list", |class| class.max_list, MaxList::of(1_000_000)).get(),
            cors: from.optional("cors", |class| class.cors.clone()),
            is_default: from.value("default", |class| class.default, false),
            methods: from.methods(),
            listing: from.into_listing(),
        };
        let mut problems = Vec::new();
        settings.check(&mut Checker::unplaced(&mut problems));
        if problems.is_empty() { Ok(settings) } else { Err(ManifestError::new(format!("class `{class}`"), problems)) }
    }

    fn check(&self, check: &mut Checker<'_>) {
        check::guest_paths(&self.files, &self.mounts, self.tmp_bytes.is_some(), check);
        check::instance_counts(Some(&self.min_instances), Some(self.buffer_instances), Some(self.max_instances), check);
        let routes = self.methods.iter().filter_map(|(name, method)| Some((name.as_str(), method.web.as_ref()?)));
        check::distinct_routes(routes, check);
    }

    /// Where the setting `key` comes from: `memory`, `parameters.bar`, `method.baz.web`. What no
    /// source has set is default.
    #[must_use]
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.listing.iter().find(|setting| setting.key == key).map_or(Origin::Default, |setting| setting.origin)
    }

    /// Lists every setting but the docs, in the order of the manifest's documentation; tables one
    /// key at a time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.listing.iter()
    }
}
