//! Attributes of functions that are nearly ours.
//!
//! A macro cannot ask what a name stands for, so one is taken for a slip only where no import can have brought it.

use proc_macro2::Ident;
use syn::{Attribute, Item, Meta, UseTree};

use crate::problems::Problems;

/// What is worth a guess. The shorter ones, `get` and `put`, are near too much.
const KNOWN: &[&str] = &["build", "enter", "exit", "method", "post", "delete", "patch"];

/// What is near one of them, and is the compiler's.
const OF_THE_COMPILER: &[&str] = &["path"];

/// What names of attributes may stand for in a module.
#[derive(Debug, Default)]
pub(super) struct Imports {
    names: Vec<Ident>,
    /// Whether there is an import of everything that somewhere unknown has.
    is_open: bool,
}

impl Imports {
    /// Reads the imports among the items of a module.
    pub(super) fn of(items: &[Item]) -> Self {
        let mut imports = Self::default();
        for item in items {
            match item {
                Item::Use(item) => imports.tree(&item.tree, true),
                // Attributes may come out of it.
                Item::ExternCrate(_) | Item::Macro(_) => imports.is_open = true,
                _ => {}
            }
        }
        imports
    }

    fn tree(&mut self, tree: &UseTree, is_first: bool) {
        match tree {
            // These have no attribute that is near ours.
            UseTree::Path(path) if is_first && (path.ident == "std" || path.ident == "wasmhost_guest") => {
                let mut known = Self::default();
                known.tree(&path.tree, false);
                self.names.extend(known.names);
            }
            UseTree::Path(path) => self.tree(&path.tree, false),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, is_first)),
            UseTree::Glob(_) => self.is_open = true,
            UseTree::Name(name) => self.names.push(name.ident.clone()),
            UseTree::Rename(rename) => self.names.push(rename.rename.clone()),
        }
    }

    /// Reports attributes that are nearly ours, and goes on with what they are near.
    pub(super) fn correct(&self, attributes: &mut [Attribute], problems: &mut Problems) {
        for attribute in attributes {
            let Some(meant) = attribute.path().get_ident().and_then(|ident| self.meant(ident)) else { continue };
            let path = match &mut attribute.meta {
                Meta::Path(path) => path,
                Meta::List(list) => &mut list.path,
                Meta::NameValue(pair) => &mut pair.path,
            };
            let Some(written) = path.get_ident().cloned() else { continue };
            problems.on(&written, format!("there is no attribute `{written}`; did you mean `#[{meant}]`?"));
            *path = Ident::new(meant, written.span()).into();
        }
    }

    fn meant(&self, ident: &Ident) -> Option<&'static str> {
        let name = ident.to_string();
        let is_another = self.is_open
            || self.names.contains(ident)
            || KNOWN.iter().chain(OF_THE_COMPILER).any(|known| *known == name);
        KNOWN.iter().copied().find(|known| !is_another && strsim::damerau_levenshtein(known, &name) == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(imports: &str, name: &str) -> Option<&'static str> {
        Imports::of(&syn::parse_file(imports).unwrap().items).meant(&syn::parse_str(name).unwrap())
    }

    #[test]
    fn what_is_nearly_ours_is_taken_for_it() {
        for (name, expected) in [("metod", "method"), ("entr", "enter"), ("biuld", "build"), ("exits", "exit")] {
            assert_eq!(meant("use std::fmt::*; use wasmhost_guest::prelude::*;", name), Some(expected));
        }
        for name in ["method", "path", "test", "inline", "get", "set", "entry", "expect"] {
            assert_eq!(meant("", name), None, "{name}");
        }
    }

    #[test]
    fn what_may_be_another_macro_is_left_alone() {
        for imports in [
            "use helpers::metod;",
            "use helpers::{other, x as metod};",
            "use super::*;",
            "use helpers::{macros::*};",
            "use {std::fmt, helpers::*};",
            "extern crate helpers;",
        ] {
            assert_eq!(meant(imports, "metod"), None, "{imports}");
        }
    }
}
