//! Picks settings from several sources, and remembers which source each came from.
//!
//! It knows how sources are laid over each other, and not which settings there are or what their
//! defaults are.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::class::{ClassSection, EnvValue, HookName, HookNames, Hooks, MethodSection};
use super::names::canonical;
use super::settings::{HookFunctions, MethodSettings};

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// No source says anything.
    Default,
    /// The component's own `wasmhost:manifest` section.
    Section,
    /// `wasmhost.toml`.
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Section => "component",
            Self::File => "wasmhost.toml",
        })
    }
}

/// One setting as `inspect` lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The key within the class: `memory`, `env.GREETING`, `method.baz.web`.
    pub key: String,
    /// The value as the manifest would spell it; null if there is none.
    pub value: Value,
    /// Where the value comes from.
    pub origin: Origin,
}

impl Setting {
    /// The value for people: a text without quotes, `none` for null, anything else as JSON.
    #[must_use]
    pub fn displayed(&self) -> String {
        match &self.value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Picks each value from the strongest source that has it, and notes which one that was.
pub(super) struct Resolver<'a> {
    /// The strongest first.
    sources: Vec<(Origin, &'a ClassSection)>,
    listing: Vec<Setting>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(file: Option<&'a ClassSection>, section: Option<&'a ClassSection>) -> Self {
        let sources = [(Origin::File, file), (Origin::Section, section)];
        let sources = sources.into_iter().filter_map(|(origin, source)| Some((origin, source?)));
        Self { sources: sources.collect(), listing: Vec::new() }
    }

    pub(super) fn into_listing(self) -> Vec<Setting> {
        self.listing
    }

    fn find<T>(&self, get: impl Fn(&'a ClassSection) -> Option<T>) -> Option<(T, Origin)> {
        self.sources.iter().find_map(|(origin, source)| Some((get(source)?, *origin)))
    }

    fn list(&mut self, key: impl Into<String>, value: impl Serialize, origin: Origin) {
        let value = serde_json::to_value(value).expect("settings have text for keys and finite numbers");
        self.listing.push(Setting { key: key.into(), value, origin });
    }

    pub(super) fn value<T: Serialize>(
        &mut self,
        key: &str,
        get: impl Fn(&'a ClassSection) -> Option<T>,
        default: T,
    ) -> T {
        let (value, origin) = self.find(get).unwrap_or((default, Origin::Default));
        self.list(key, &value, origin);
        value
    }

    pub(super) fn optional<T: Serialize>(
        &mut self,
        key: &str,
        get: impl Fn(&'a ClassSection) -> Option<T>,
    ) -> Option<T> {
        let (value, origin) = self.find(get).map_or((None, Origin::Default), |(value, origin)| (Some(value), origin));
        self.list(key, &value, origin);
        value
    }

    pub(super) fn hooks(&mut self) -> HookFunctions {
        HookFunctions {
            build: self.hook("build", |names| names.build.as_ref()),
            enter: self.hook("enter", |names| names.enter.as_ref()),
            exit: self.hook("exit", |names| names.exit.as_ref()),
            restore: self.hook("restore", |names| names.restore.as_ref()),
        }
    }

    fn hook(&mut self, hook: &str, get: fn(&HookNames) -> Option<&HookName>) -> Option<String> {
        let found = self.find(|class| match class.hooks.as_ref()? {
            Hooks::Off(_) => Some(None),
            Hooks::Named(names) => Some(match get(names)? {
                HookName::Off(_) => None,
                HookName::Function(name) => Some(canonical(name)),
            }),
        });
        let (function, origin) = found.unwrap_or_else(|| (Some(hook.to_owned()), Origin::Default));
        let value = function.clone().map_or(Value::Bool(false), Value::String);
        self.list(format!("hooks.{hook}"), value, origin);
        function
    }

    pub(super) fn env(&mut self) -> BTreeMap<String, EnvValue> {
        let mut merged = BTreeMap::new();
        for (origin, source) in self.sources.iter().rev() {
            let variables = source.env.iter().flatten();
            merged.extend(variables.map(|(name, value)| (name.as_str().to_owned(), (value.clone(), *origin))));
        }
        self.list_table("env", merged)
    }

    /// Merges a table whose keys are names of the component.
    pub(super) fn table<T: Clone + Serialize + 'a>(
        &mut self,
        key: &str,
        get: impl Fn(&'a ClassSection) -> Option<&'a BTreeMap<String, T>>,
    ) -> BTreeMap<String, T> {
        let merged = self.merge(get);
        self.list_table(key, merged)
    }

    fn merge<T: Clone + 'a>(
        &self,
        get: impl Fn(&'a ClassSection) -> Option<&'a BTreeMap<String, T>>,
    ) -> BTreeMap<String, (T, Origin)> {
        let mut merged = BTreeMap::new();
        for (origin, source) in self.sources.iter().rev() {
            let entries = get(source).into_iter().flatten();
            merged.extend(entries.map(|(name, value)| (canonical(name), (value.clone(), *origin))));
        }
        merged
    }

    fn list_table<T: Serialize>(&mut self, key: &str, table: BTreeMap<String, (T, Origin)>) -> BTreeMap<String, T> {
        let mut values = BTreeMap::new();
        for (name, (value, origin)) in table {
            self.list(format!("{key}.{name}"), &value, origin);
            values.insert(name, value);
        }
        values
    }

    pub(super) fn docs(&self, get: impl Fn(&'a ClassSection) -> Option<&'a String>) -> Option<String> {
        self.find(get).map(|(docs, _)| docs.clone())
    }

    pub(super) fn docs_table(
        &self,
        get: impl Fn(&'a ClassSection) -> Option<&'a BTreeMap<String, String>>,
    ) -> BTreeMap<String, String> {
        self.merge(get).into_iter().map(|(name, (docs, _))| (name, docs)).collect()
    }

    pub(super) fn methods(&mut self) -> BTreeMap<String, MethodSettings> {
        let names: Vec<String> = self.merge(|class| class.method.as_ref()).into_keys().collect();
        names.into_iter().map(|name| (name.clone(), self.method(&name))).collect()
    }

    fn method(&mut self, name: &str) -> MethodSettings {
        fn of<'a>(class: &'a ClassSection, name: &str) -> Option<&'a MethodSection> {
            class.method.iter().flatten().find(|(key, _)| canonical(key) == name).map(|(_, method)| method)
        }
        let web = self.find(|class| of(class, name)?.web.as_ref());
        if let Some((route, origin)) = web {
            self.list(format!("method.{name}.web"), route, origin);
        }
        MethodSettings {
            docs: self.docs(|class| of(class, name)?.docs.as_ref()),
            argument_docs: self.docs_table(|class| of(class, name)?.argument_docs.as_ref()),
            arguments: self.table(&format!("method.{name}.arguments"), |class| of(class, name)?.arguments.as_ref()),
            web: web.map(|(route, _)| route.clone()),
        }
    }
}
