//! What stands in the place of the private module of a class with mistakes: its handle, with functions that never run.
//!
//! Without it every caller would be told of mistakes, and none of those would be the caller's. It must not add mistakes
//! of its own, so names that are there twice are there once.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::visit_mut::VisitMut;
use syn::{Block, ImplItemFn, ItemFn, ItemMod};

use crate::handle;
use crate::model::{Class, Parameter, Role};

/// The module, in which the `types` of the user's are values, although their derives are gone.
pub(crate) fn module(mut class: Class, module: &Ident, types: &[Ident]) -> TokenStream {
    distinct(&mut class);
    let handle = handle::module(&class).and_then(|handle| syn::parse2::<ItemMod>(handle).ok()).map(|mut handle| {
        Bodies.visit_item_mod_mut(&mut handle);
        handle
    });
    quote! {
        #[doc(hidden)]
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "it never runs")]
        mod #module {
            use super::*;

            #(impl ::wasmhost_guest::Value for super::#types {
                fn write_json(_: &Self, _: &mut ::wasmhost_guest::__private::Writer) {
                    ::core::unreachable!()
                }

                fn read_json(
                    _: &mut ::wasmhost_guest::__private::Reader<'_>,
                ) -> ::core::result::Result<Self, ::wasmhost_guest::__private::Unread> {
                    ::core::unreachable!()
                }
            })*

            #handle
        }
    }
}

/// Keeps the first of what shares its name: that it does was reported.
fn distinct(class: &mut Class) {
    let (mut methods, mut parameters) = (Vec::new(), Vec::new());
    class.functions.retain_mut(|function| {
        if !matches!(function.role, Role::Method(_)) {
            function.parameters.retain(|parameter| is_first(parameter, &mut parameters));
            return true;
        }
        let mut arguments = Vec::new();
        function.parameters.retain(|parameter| is_first(parameter, &mut arguments));
        let name = function.name.rust.to_string();
        let is_first = !methods.contains(&name);
        methods.push(name);
        is_first
    });
}

/// Whether a parameter has a name that can be one, and that none before it has.
fn is_first(parameter: &Parameter, seen: &mut Vec<String>) -> bool {
    let name = &parameter.name.wit;
    let is_first = name.starts_with(char::is_alphabetic) && !seen.contains(name);
    seen.push(name.clone());
    is_first
}

/// Empties the bodies of functions.
struct Bodies;

impl Bodies {
    fn body() -> Block {
        syn::parse_quote!({ ::core::unreachable!() })
    }
}

impl VisitMut for Bodies {
    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        *function.block = Self::body();
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        function.block = Self::body();
    }
}
