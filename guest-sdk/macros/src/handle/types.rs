//! Types as callers give and get them: the user's own, wherever the code that names them is.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value as Json;

use crate::model::{Parameter, Plain, Type};

/// How many modules generated code is inside of the user's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth(usize);

impl Depth {
    /// In `handle`, which is in the private module.
    pub(super) const HANDLE: Self = Self(2);
    /// In the module of a method, which is in `handle`.
    pub(super) const METHOD: Self = Self(3);

    /// The type, by a path that holds here.
    pub(super) fn named(self, ty: &Type) -> TokenStream {
        let part = |ty: &Type| self.named(ty);
        let part_or_unit = |ty: &Option<Box<Type>>| ty.as_deref().map_or_else(|| quote!(()), part);
        match ty {
            Type::Plain(plain) => plain.in_rust(),
            Type::Duration => quote!(::core::time::Duration),
            Type::List(inner) => {
                let inner = part(inner);
                quote!(::std::vec::Vec<#inner>)
            }
            Type::Option(inner) => {
                let inner = part(inner);
                quote!(::core::option::Option<#inner>)
            }
            Type::Result(ok, err) => {
                let (ok, err) = (part_or_unit(ok), part_or_unit(err));
                quote!(::core::result::Result<#ok, #err>)
            }
            Type::Tuple(parts) => {
                let parts = parts.iter().map(part);
                quote!((#(#parts,)*))
            }
            Type::Map(kind, key, value) => {
                let (path, key, value) = (kind.in_rust(), part(key), part(value));
                quote!(#path<#key, #value>)
            }
            Type::Own(name) => {
                let up = (0..self.0).map(|_| quote!(super));
                quote!(#(#up)::*::#name)
            }
        }
    }

    /// A parameter of a function that takes a value for `parameter`, as freely as its type allows.
    pub(super) fn argument(self, parameter: &Parameter, ty: &Type, default: Option<&Json>) -> TokenStream {
        let name = &parameter.name.rust;
        match ty {
            // In a class with mistakes: no caller makes another one.
            _ if ty.is_unknown() => quote!(#name: impl ::core::marker::Sized),
            _ if may_be_default(ty, default) => {
                let ty = self.named(ty);
                quote!(#name: impl ::wasmhost_guest::__private::Maybe<#ty>)
            }
            Type::Plain(Plain::String) => quote!(#name: impl ::core::convert::Into<::std::string::String>),
            Type::Option(inner) => {
                let inner = self.named(inner);
                quote!(#name: impl ::wasmhost_guest::__private::Maybe<#inner>)
            }
            _ => {
                let ty = self.named(ty);
                quote!(#name: #ty)
            }
        }
    }
}

/// The value of what [`Depth::argument`] takes.
pub(super) fn value(parameter: &Parameter, ty: &Type, default: Option<&Json>) -> TokenStream {
    let name = &parameter.name.rust;
    match ty {
        _ if may_be_default(ty, default) => quote!(::wasmhost_guest::__private::Maybe::maybe(#name)),
        Type::Plain(Plain::String) => quote!(::core::convert::Into::<::std::string::String>::into(#name)),
        Type::Option(_) => quote!(::wasmhost_guest::__private::Maybe::maybe(#name)),
        _ => quote!(#name),
    }
}

/// Whether `None` in its place is no value, but means the default.
pub(super) fn may_be_default(ty: &Type, default: Option<&Json>) -> bool {
    default.is_some() && !matches!(ty, Type::Option(_))
}

/// Whether a caller may leave it out.
pub(super) fn is_optional(ty: &Type, default: Option<&Json>) -> bool {
    default.is_some() || matches!(ty, Type::Option(_))
}
