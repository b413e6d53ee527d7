//! The module's own types: structs and enums with `#[derive(Value)]`.

use syn::punctuated::Punctuated;
use syn::{Fields, Generics, Ident, ItemEnum, ItemStruct, Token, Variant};

use super::attributes::{derives, docs};
use super::types::Types;
use crate::model::{Case, Definition, Field, Kind};
use crate::names;
use crate::problems::Problems;

/// What is wrong with a struct of several fields without names.
pub(crate) const FIELDS_HAVE_NAMES: &str = "the fields of a value have names; write `{ … }`, or use a tuple";

/// What is wrong with a struct without fields, and an enum without variants.
pub(crate) fn has_nothing(name: &Ident, what: &str) -> String {
    format!("`{name}` has no {what}, and a value has at least one")
}

/// What is wrong with fields of a variant that are none, or have names.
pub(crate) fn fields_of_variant(variant: &Variant) -> String {
    match &variant.fields {
        Fields::Named(_) => format!("the fields of `{}` have names; put them into a struct of its own", variant.ident),
        _ => format!("`{}` has nothing in it; leave out the parentheses", variant.ident),
    }
}

/// Reads a struct, or reports what is wrong with it.
pub(crate) fn record(item: &ItemStruct, types: &Types<'_>, problems: &mut Problems) -> Option<Definition> {
    if !has_no_generics(&item.generics, problems) {
        return None;
    }
    let kind = match &item.fields {
        Fields::Named(named) if !named.named.is_empty() => {
            let mut fields = Vec::new();
            for field in &named.named {
                let Some(ident) = &field.ident else { continue };
                let name = names::name(ident, problems);
                let Some(ty) = types.read(&field.ty, problems) else { continue };
                fields.push(Field { name, docs: docs(&field.attrs), ty });
            }
            Kind::Record(fields)
        }
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            Kind::Newtype(types.read(&unnamed.unnamed[0].ty, problems)?)
        }
        Fields::Unnamed(unnamed) if !unnamed.unnamed.is_empty() => {
            problems.on(unnamed, FIELDS_HAVE_NAMES);
            return None;
        }
        _ => {
            problems.on(&item.ident, has_nothing(&item.ident, "fields"));
            return None;
        }
    };
    Some(Definition {
        name: names::name(&item.ident, problems),
        docs: docs(&item.attrs),
        kind,
        is_clone: derives(&item.attrs, "Clone"),
    })
}

/// Reads an enum, or reports what is wrong with it.
pub(crate) fn choice(item: &ItemEnum, types: &Types<'_>, problems: &mut Problems) -> Option<Definition> {
    if !has_no_generics(&item.generics, problems) {
        return None;
    }
    if item.variants.is_empty() {
        problems.on(&item.ident, has_nothing(&item.ident, "variants"));
        return None;
    }
    let cases = cases(&item.variants, types, problems);
    let has_payload = item.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit));
    Some(Definition {
        name: names::name(&item.ident, problems),
        docs: docs(&item.attrs),
        kind: if has_payload { Kind::Variant(cases) } else { Kind::Enum(cases) },
        is_clone: derives(&item.attrs, "Clone"),
    })
}

fn cases(variants: &Punctuated<Variant, Token![,]>, types: &Types<'_>, problems: &mut Problems) -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in variants {
        let payload = match &variant.fields {
            Fields::Unit => Vec::new(),
            Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
                let payload: Vec<_> = fields.unnamed.iter().map(|field| types.read(&field.ty, problems)).collect();
                payload.into_iter().flatten().collect()
            }
            fields => {
                problems.on(fields, fields_of_variant(variant));
                continue;
            }
        };
        cases.push(Case { name: names::name(&variant.ident, problems), docs: docs(&variant.attrs), payload });
    }
    cases
}

/// Reports generics, which nothing has that the host sees, and returns whether there are none.
pub(crate) fn has_no_generics(generics: &Generics, problems: &mut Problems) -> bool {
    if !generics.params.is_empty() {
        problems.on(generics, "what the host sees has no generics: it is called by others, who cannot choose them");
    }
    generics.params.is_empty()
}
