//! The module's own types: structs and enums with `#[derive(Value)]`.

use syn::punctuated::Punctuated;
use syn::{Fields, FieldsNamed, FieldsUnnamed, Generics, Ident, ItemEnum, ItemStruct, Token, Variant};

use super::attributes::{derives, docs};
use super::types::Types;
use crate::model::{Case, Definition, Field, Kind, Payload, Type};
use crate::names;
use crate::problems::Problems;

/// What is wrong with a struct without fields, and an enum without variants.
pub(crate) fn has_nothing(name: &Ident, what: &str) -> String {
    format!("`{name}` has no {what}, and a value has at least one")
}

/// What is wrong with `()` and `{}` after a variant.
pub(crate) fn has_empty(variant: &Ident) -> String {
    format!("`{variant}` has nothing in it; write its name alone")
}

/// Reads a struct, or reports what is wrong with it.
pub(crate) fn record(item: &ItemStruct, types: &Types<'_>, problems: &mut Problems) -> Option<Definition> {
    if !has_no_generics(&item.generics, problems) {
        return None;
    }
    let kind = match &item.fields {
        Fields::Named(named) if !named.named.is_empty() => Kind::Record(fields(named, types, problems)),
        Fields::Unnamed(unnamed) if !unnamed.unnamed.is_empty() => Kind::Unnamed(values(unnamed, types, problems)?),
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
            Fields::Unit => Payload::Nothing,
            Fields::Unnamed(unnamed) if !unnamed.unnamed.is_empty() => {
                Payload::Values(values(unnamed, types, problems).unwrap_or_default())
            }
            Fields::Named(named) if !named.named.is_empty() => Payload::Fields(fields(named, types, problems)),
            nothing => {
                problems.on(nothing, has_empty(&variant.ident));
                continue;
            }
        };
        cases.push(Case { name: names::name(&variant.ident, problems), docs: docs(&variant.attrs), payload });
    }
    cases
}

fn fields(named: &FieldsNamed, types: &Types<'_>, problems: &mut Problems) -> Vec<Field> {
    let mut fields = Vec::new();
    for field in &named.named {
        let Some(ident) = &field.ident else { continue };
        let name = names::name(ident, problems);
        let Some(ty) = types.read(&field.ty, problems) else { continue };
        fields.push(Field { name, docs: docs(&field.attrs), ty });
    }
    fields
}

fn values(unnamed: &FieldsUnnamed, types: &Types<'_>, problems: &mut Problems) -> Option<Vec<Type>> {
    let values: Vec<_> = unnamed.unnamed.iter().map(|field| types.read(&field.ty, problems)).collect();
    values.into_iter().collect()
}

/// Reports generics, which nothing has that the host sees, and returns whether there are none.
pub(crate) fn has_no_generics(generics: &Generics, problems: &mut Problems) -> bool {
    if !generics.params.is_empty() {
        problems.on(generics, "what the host sees has no generics: it is called by others, who cannot choose them");
    }
    generics.params.is_empty()
}
