//! Values that a builder takes by their names, each at most once, and those without a default exactly once.
//!
//! The messages of the compiler are written here: a trait for each thing that can be forgotten or given twice.

use heck::ToUpperCamelCase;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use serde_json::Value as Json;

use super::put;
use super::types::{Depth, is_optional};
use crate::model::{Parameter, Type};

/// What one builder takes.
pub(super) struct Slots<'a> {
    /// What its values are called.
    pub(super) what: &'static str,
    /// Of what they are that.
    pub(super) of: String,
    pub(super) depth: Depth,
    pub(super) slots: Vec<Slot<'a>>,
    /// The parameter of its type for the answer, where no type is known of that.
    pub(super) answer: Option<Ident>,
}

/// One value that a builder takes.
pub(super) struct Slot<'a> {
    parameter: &'a Parameter,
    ty: &'a Type,
    default: Option<&'a Json>,
    /// The function that takes it.
    setter: Ident,
    /// What the names of its types begin with.
    prefix: String,
}

impl<'a> Slot<'a> {
    /// Makes one, in a builder that has functions of its own with the names `taken`.
    pub(super) fn new(parameter: &'a Parameter, ty: &'a Type, default: Option<&'a Json>, taken: &[String]) -> Self {
        let name = &parameter.name.rust;
        let is_taken = taken.contains(&name.to_string());
        let setter = if is_taken { format_ident!("with_{name}") } else { name.clone() };
        // Dashes stay, as `_`: without them `x-y` and `xy` might be one name.
        let words = parameter.name.wit.split('-').map(ToUpperCamelCase::to_upper_camel_case);
        let prefix = words.collect::<Vec<_>>().join("_");
        Self { parameter, ty, default, setter, prefix }
    }

    /// The parameter of the builder's type that says whether it was given.
    fn state(&self) -> Ident {
        format_ident!("{}Is", self.prefix)
    }

    /// The trait of the states in which it can be given.
    fn open(&self) -> Ident {
        format_ident!("{}Once", self.prefix)
    }

    /// The trait of the states in which it was given.
    fn given(&self) -> Ident {
        format_ident!("{}Given", self.prefix)
    }

    fn is_required(&self) -> bool {
        !is_optional(self.ty, self.default)
    }
}

impl Slots<'_> {
    /// The parameters of the builder's type.
    pub(super) fn states(&self) -> TokenStream {
        let states = self.slots.iter().map(Slot::state).chain(self.answer.clone());
        quote!(#(#states),*)
    }

    /// What they are at the beginning.
    pub(super) fn missing(&self) -> TokenStream {
        let missing = self.slots.iter().map(|_| quote!(::wasmhost_guest::__private::Missing));
        let missing = missing.chain(self.answer.iter().map(Ident::to_token_stream));
        quote!(#(#missing),*)
    }

    /// The bounds under which nothing is missing.
    pub(super) fn is_complete(&self) -> TokenStream {
        let bounds = self.slots.iter().filter(|slot| slot.is_required()).map(|slot| {
            let (state, given) = (slot.state(), slot.given());
            quote!(#state: #given,)
        });
        bounds.collect()
    }

    /// The functions that take the values, and put them into the builder's field `fields`.
    pub(super) fn setters(&self, fields: &Ident) -> TokenStream {
        let setters = self.slots.iter().enumerate().map(|(at, slot)| {
            let states = self.slots.iter().enumerate().map(|(other, slot)| {
                let state = slot.state();
                if other == at { quote!(::wasmhost_guest::__private::Given) } else { quote!(#state) }
            });
            let states = states.chain(self.answer.iter().map(Ident::to_token_stream));
            let (setter, state, open) = (&slot.setter, slot.state(), slot.open());
            let argument = self.depth.argument(slot.parameter, slot.ty, slot.default);
            let put = put(&quote!(self.#fields), slot.parameter, slot.ty, slot.default);
            let docs = self.docs(slot);
            quote! {
                #[doc = #docs]
                pub fn #setter(mut self, #argument) -> Call<#(#states),*> where #state: #open {
                    #put
                    Call { #fields: self.#fields, given: ::core::marker::PhantomData }
                }
            }
        });
        setters.collect()
    }

    fn docs(&self, slot: &Slot<'_>) -> String {
        let mut docs = slot.parameter.docs.clone();
        if docs.is_empty() {
            docs = format!("Gives the {} `{}`.", self.what, slot.parameter.name.wit);
        }
        match slot.default {
            Some(default) if matches!(slot.ty, Type::Option(_)) => format!("{docs}\n\nLeft out, it is `{default}`."),
            Some(default) => format!("{docs}\n\nLeft out, or given as `None`, it is `{default}`."),
            None => docs,
        }
    }

    /// The traits in the bounds of all functions.
    pub(super) fn traits(&self) -> TokenStream {
        self.slots.iter().map(|slot| self.traits_of(slot)).collect()
    }

    fn traits_of(&self, slot: &Slot<'_>) -> TokenStream {
        let (what, of, name, setter) = (self.what, &self.of, &slot.parameter.name.wit, &slot.setter);
        let (open, given) = (slot.open(), slot.given());
        let message = format!("the {what} `{name}` is given twice");
        let label = format!("`{name}` has a value already");
        let once = quote! {
            #[diagnostic::on_unimplemented(message = #message, label = #label, note = "leave one of the two out")]
            pub trait #open {}
            impl #open for ::wasmhost_guest::__private::Missing {}
        };
        let needed = slot.is_required().then(|| {
            let message = format!("the {what} `{name}` is missing");
            let label = format!("called without `{name}`");
            let note = format!("`{name}` of {of} has no default; write `.{setter}(…)` before the method");
            quote! {
                #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
                pub trait #given {}
                impl #given for ::wasmhost_guest::__private::Given {}
            }
        });
        quote!(#once #needed)
    }
}
