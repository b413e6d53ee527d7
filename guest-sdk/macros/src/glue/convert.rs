//! Expressions that turn values of the bindings into the user's (lift) and back (lower).
//!
//! Where both are the same, the expression is what it was: nothing is generated, and nothing runs.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::crossing::Crossing;
use crate::model::{Case, Definition, Kind, Payload, Type};
use crate::names;

/// Which way a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Lift,
    Lower,
}

impl Crossing<'_> {
    /// A value of the bindings as the user's.
    pub(super) fn lift(&self, ty: &Type, value: TokenStream) -> TokenStream {
        self.turn(Way::Lift, ty, value)
    }

    /// A value of the user's as one of the bindings.
    pub(super) fn lower(&self, ty: &Type, value: TokenStream) -> TokenStream {
        self.turn(Way::Lower, ty, value)
    }

    fn turn(&self, way: Way, ty: &Type, value: TokenStream) -> TokenStream {
        if self.is_same(ty) {
            return value;
        }
        let part = |ty: &Type| self.turn(way, ty, quote!(part));
        let part_or_unit = |ty: &Option<Box<Type>>| ty.as_deref().map_or_else(|| quote!(part), part);
        match ty {
            Type::Plain(_) => value,
            Type::Duration => match way {
                Way::Lift => quote!(::core::time::Duration::from_nanos(#value)),
                Way::Lower => quote!(::wasmhost_guest::__private::nanoseconds(#value)),
            },
            Type::List(inner) => {
                let part = part(inner);
                quote!(#value.into_iter().map(|part| #part).collect::<::std::vec::Vec<_>>())
            }
            Type::Option(inner) => {
                let part = part(inner);
                quote!(#value.map(|part| #part))
            }
            Type::Result(ok, err) => {
                let (ok, err) = (part_or_unit(ok), part_or_unit(err));
                quote!(match #value {
                    ::core::result::Result::Ok(part) => ::core::result::Result::Ok(#ok),
                    ::core::result::Result::Err(part) => ::core::result::Result::Err(#err),
                })
            }
            Type::Tuple(parts) => {
                let names = self::parts(parts.len());
                let turned = parts.iter().zip(&names).map(|(ty, name)| self.turn(way, ty, quote!(#name)));
                quote!({ let (#(#names,)*) = #value; (#(#turned,)*) })
            }
            Type::Map(_, _, inner) => {
                let part = part(inner);
                quote!(#value.into_iter().map(|(key, part)| (key, #part)).collect())
            }
            Type::Own(name) => {
                let function = function_name(way, name);
                quote!(#function(#value))
            }
        }
    }

    /// The type as the bindings have it.
    pub(super) fn bound(&self, ty: &Type) -> TokenStream {
        match ty {
            Type::Plain(plain) => plain.in_rust(),
            Type::Duration => quote!(u64),
            Type::List(part) => {
                let part = self.bound(part);
                quote!(::std::vec::Vec<#part>)
            }
            Type::Option(part) => {
                let part = self.bound(part);
                quote!(::core::option::Option<#part>)
            }
            Type::Result(ok, err) => {
                let [ok, err] = [ok, err].map(|part| part.as_ref().map_or_else(|| quote!(()), |part| self.bound(part)));
                quote!(::core::result::Result<#ok, #err>)
            }
            Type::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.bound(part));
                quote!((#(#parts,)*))
            }
            Type::Map(_, key, value) => {
                let (path, key, value) = (self.map.in_rust(), self.bound(key), self.bound(value));
                quote!(#path<#key, #value>)
            }
            Type::Own(name) if self.is_same(ty) => quote!(super::#name),
            Type::Own(name) => {
                let name = bound_name(name);
                quote!(bindings::#name)
            }
        }
    }

    /// The functions that lift and lower values of an own type.
    pub(super) fn conversions(&self, definition: &Definition) -> TokenStream {
        [Way::Lift, Way::Lower].map(|way| self.function(way, definition)).into_iter().collect()
    }

    fn function(&self, way: Way, definition: &Definition) -> TokenStream {
        let own = &definition.name.rust;
        let bound = bound_name(own);
        let (own_path, bound_path) = (quote!(super::#own), quote!(bindings::#bound));
        let (from, to) = if way == Way::Lift { (bound_path, own_path) } else { (own_path, bound_path) };
        let body = match &definition.kind {
            Kind::Unnamed(types) => {
                let names = parts(types.len());
                let values = types.iter().zip(&names).map(|(ty, name)| self.turn(way, ty, quote!(#name)));
                match way {
                    Way::Lift => {
                        let pattern = together(&names);
                        quote!({ let #pattern = value; super::#own(#(#values),*) })
                    }
                    Way::Lower => {
                        let values = together(&values.collect::<Vec<_>>());
                        quote!({ let super::#own(#(#names),*) = value; #values })
                    }
                }
            }
            Kind::Record(fields) => {
                let fields = fields.iter().map(|field| {
                    let (user, binding) = (&field.name.rust, format_ident!("{}", names::in_bindings(&field.name.wit)));
                    let (source, target) = if way == Way::Lift { (&binding, user) } else { (user, &binding) };
                    let value = self.turn(way, &field.ty, quote!(value.#source));
                    quote!(#target: #value)
                });
                quote!(#to { #(#fields),* })
            }
            Kind::Enum(cases) | Kind::Variant(cases) => {
                let arms = cases.iter().map(|case| self.arm(way, definition, case));
                quote!(match value { #(#arms)* })
            }
        };
        let name = function_name(way, own);
        quote!(fn #name(value: #from) -> #to { #body })
    }

    /// What is taken apart on one side is put together on the other, which are both written alike.
    fn arm(&self, way: Way, definition: &Definition, case: &Case) -> TokenStream {
        let types = case.payload.types();
        let names = parts(types.len());
        let values: Vec<_> = types.iter().zip(&names).map(|(ty, name)| self.turn(way, ty, quote!(#name))).collect();
        match way {
            Way::Lift => {
                let (from, to) = (in_bindings(definition, case, &names), in_user(definition, case, &values));
                quote!(#from => #to,)
            }
            Way::Lower => {
                let (from, to) = (in_user(definition, case, &names), in_bindings(definition, case, &values));
                quote!(#from => #to,)
            }
        }
    }
}

/// A case as the user has it.
fn in_user(definition: &Definition, case: &Case, values: &[TokenStream]) -> TokenStream {
    let (own, name) = (&definition.name.rust, &case.name.rust);
    match &case.payload {
        Payload::Nothing => quote!(super::#own::#name),
        Payload::Values(_) => quote!(super::#own::#name(#(#values),*)),
        Payload::Fields(fields) => {
            let fields = fields.iter().map(|field| &field.name.rust);
            quote!(super::#own::#name { #(#fields: #values),* })
        }
    }
}

/// A case as the bindings have it.
fn in_bindings(definition: &Definition, case: &Case, values: &[TokenStream]) -> TokenStream {
    let own = bound_name(&definition.name.rust);
    let name = format_ident!("{}", names::case_in_bindings(&case.name.wit));
    match &case.payload {
        Payload::Nothing => quote!(bindings::#own::#name),
        Payload::Values(_) => {
            let values = together(values);
            quote!(bindings::#own::#name(#values))
        }
        Payload::Fields(fields) => {
            let record = format_ident!("{}", names::type_in_bindings(&definition.record(case).wit));
            let fields = fields.iter().map(|field| format_ident!("{}", names::in_bindings(&field.name.wit)));
            quote!(bindings::#own::#name(bindings::#record { #(#fields: #values),* }))
        }
    }
}

/// Names for the parts of something.
fn parts(count: usize) -> Vec<TokenStream> {
    (0..count).map(|at| format_ident!("part_{at}")).map(|name| quote!(#name)).collect()
}

/// One value as it is, several as a tuple.
fn together(values: &[TokenStream]) -> TokenStream {
    match values {
        [one] => one.clone(),
        several => quote!((#(#several),*)),
    }
}

/// What bindings ask of an enum that is not theirs: the case of a number.
pub(super) fn enum_lift(definition: &Definition) -> Option<TokenStream> {
    let Kind::Enum(cases) = &definition.kind else { return None };
    let own = &definition.name.rust;
    let (last, others) = cases.split_last()?;
    let arms = others.iter().enumerate().map(|(at, case)| {
        let (at, case) = (Literal::usize_unsuffixed(at), &case.name.rust);
        quote!(#at => Self::#case,)
    });
    let last = &last.name.rust;
    let number = if cases.len() <= 256 { quote!(u8) } else { quote!(u16) };
    Some(quote! {
        impl super::#own {
            unsafe fn _lift(case: #number) -> Self {
                match case { #(#arms)* _ => Self::#last }
            }
        }
    })
}

fn function_name(way: Way, own: &Ident) -> Ident {
    let name = names::in_bindings(&names::type_name(own));
    if way == Way::Lift { format_ident!("lift_{name}") } else { format_ident!("lower_{name}") }
}

fn bound_name(own: &Ident) -> Ident {
    format_ident!("{}", names::type_in_bindings(&names::type_name(own)))
}
