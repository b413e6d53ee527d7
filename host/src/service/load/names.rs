//! What the classes of an app are called, and whether everything that a manifest names is there.

use std::collections::BTreeMap;

use super::super::known::unknown;
use super::Loaded;
use crate::component::Interface;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Manifest;

/// The name of each interface of each component: its own short name, its full name where two would clash, or what the
/// manifest renames it to. The root's functions are named after the component. Behind them stands the name of a class that
/// is in no interface, where there is one: see [`handler_name`].
pub(super) fn class_names(manifest: &Manifest, components: &[Loaded]) -> Result<Vec<Vec<String>>> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let renamed = |interface: &Interface| interface.export.as_ref().and_then(|export| manifest.rename.get(export));
    for interface in components.iter().flat_map(|component| &component.offer.interfaces) {
        if renamed(interface).is_none() {
            *taken.entry(interface.short_name().unwrap_or_default()).or_default() += 1;
        }
    }
    for name in components.iter().filter_map(handler_name) {
        *taken.entry(name.to_owned()).or_default() += 1;
    }
    let mut seen = BTreeMap::new();
    let mut names = Vec::with_capacity(components.len());
    for component in components {
        let mut of_component = Vec::new();
        let of_interfaces = component.offer.interfaces.iter().map(|interface| {
            match (renamed(interface), interface.short_name(), &interface.export) {
                (Some(name), _, _) => name.clone(),
                (None, Some(short), Some(export)) if taken[&short] > 1 => export.clone(),
                (None, Some(short), _) => short,
                (None, None, _) => component.entry.name.clone(),
            }
        });
        let of_handler = handler_name(component).map(|name| match taken[name] {
            1 => name.to_owned(),
            _ => component.entry.name.clone(),
        });
        for name in of_interfaces.chain(of_handler) {
            if let Some(other) = seen.insert(name.clone(), component.entry.name.clone()) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "two classes are named `{name}`, in the components `{other}` and `{}`; rename one with \
                         `rename = {{ \"the:interface/name\" = \"…\" }}`",
                        component.entry.name
                    ),
                ));
            }
            of_component.push(name);
        }
        names.push(of_component);
    }
    for export in manifest.rename.keys() {
        let exists = components.iter().flat_map(|c| &c.offer.interfaces).any(|i| i.export.as_ref() == Some(export));
        if !exists {
            let known: Vec<_> =
                components.iter().flat_map(|c| &c.offer.interfaces).filter_map(|i| i.export.clone()).collect();
            return Err(as_bad_request(unknown(
                format!("`rename` names the interface `{export}`, which is not there"),
                export,
                &known,
                "interfaces",
            )));
        }
    }
    Ok(names)
}

/// What a class is called that has a web handler and nothing else, and so is in no interface: as the component's own section
/// calls it, else like the component. `None` where the handler belongs to another class.
pub(super) fn handler_name(component: &Loaded) -> Option<&str> {
    let Loaded { entry, offer, section, .. } = component;
    offer.handler.as_ref()?;
    let is_of = |interface: &Interface, name: &String| {
        interface.export.as_ref() == Some(name) || interface.short_name().as_ref() == Some(name)
    };
    let mut unclaimed = section.classes.keys().filter(|name| {
        // The settings of an entrypoint stand there like those of a class.
        *name != "main" && !name.contains('/') && !offer.interfaces.iter().any(|interface| is_of(interface, name))
    });
    match (unclaimed.next(), unclaimed.next()) {
        (Some(name), None) if offer.interfaces.iter().all(|interface| interface.export.is_some()) => Some(name),
        _ => offer.interfaces.is_empty().then_some(&entry.name),
    }
}

/// Settings of a class that is not there are a mistake in its name.
pub(super) fn check_sections_exist(manifest: &Manifest, components: &[Loaded], names: &[Vec<String>]) -> Result<()> {
    let mut known: Vec<String> = names.iter().flatten().cloned().collect();
    // A component with an entrypoint or a handler alone takes its settings under its own name.
    known.extend(components.iter().map(|component| component.entry.name.clone()));
    let exports = components.iter().flat_map(|c| &c.offer.interfaces).filter_map(|i| i.export.as_deref());
    let exports: Vec<_> = exports.collect();
    for class in manifest.classes.keys() {
        if !known.contains(class) && !exports.contains(&class.as_str()) {
            return Err(as_bad_request(unknown(
                format!("`class.{class}`: there is no such class"),
                class,
                &known,
                "classes",
            )));
        }
    }
    Ok(())
}

pub(super) fn as_bad_request(error: Error) -> Error {
    Error::bad_request(error.message())
}
