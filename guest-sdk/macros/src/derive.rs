//! `#[derive(Value)]`: how values of a type are written as JSON and read from it.
//!
//! A class's types are checked by the class, which knows more about them. It must not know classes.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DataEnum, DeriveInput, Fields, Variant};

use crate::names;
use crate::parse;
use crate::problems::Problems;

/// The trait's implementation, or why there is none.
pub(crate) fn value(item: &DeriveInput) -> TokenStream {
    let mut problems = Problems::default();
    let Some([constants, write, read]) = parts(item, &mut problems).filter(|_| problems.is_empty()) else {
        return problems.into_errors();
    };
    let name = &item.ident;
    quote! {
        #[automatically_derived]
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "it is generated")]
        impl ::wasmhost_guest::Value for #name {
            #constants

            fn write_json(value: &Self, json: &mut ::wasmhost_guest::__private::Writer) {
                #write
            }

            fn read_json(
                json: &mut ::wasmhost_guest::__private::Reader<'_>,
            ) -> ::core::result::Result<Self, ::wasmhost_guest::__private::Unread> {
                #read
            }
        }
    }
}

/// What a newtype takes over from its inner type, how to write a value, and how to read one.
fn parts(item: &DeriveInput, problems: &mut Problems) -> Option<[TokenStream; 3]> {
    if !parse::has_no_generics(&item.generics, problems) {
        return None;
    }
    match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => {
                let fields: Vec<_> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
                Some(record(&fields, problems))
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(newtype(&fields.unnamed[0].ty)),
            Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
                problems.on(fields, parse::FIELDS_HAVE_NAMES);
                None
            }
            _ => {
                problems.on(&item.ident, parse::has_nothing(&item.ident, "fields"));
                None
            }
        },
        Data::Enum(data) if data.variants.is_empty() => {
            problems.on(&item.ident, parse::has_nothing(&item.ident, "variants"));
            None
        }
        Data::Enum(data) => Some(choice(data, problems)),
        Data::Union(union) => {
            let message = "a value is a struct or an enum; a union does not say what is in it";
            problems.at(union.union_token.span, message);
            None
        }
    }
}

fn record(fields: &[&Ident], problems: &mut Problems) -> [TokenStream; 3] {
    let names: Vec<_> = fields.iter().map(|field| names::name(field, problems).wit).collect();
    let found: Vec<_> = (0..fields.len()).map(|at| format_ident!("field_{at}")).collect();
    let write = quote! {
        json.object(|json| {
            #(json.member(#names, &value.#fields);)*
        });
    };
    // What is not known is passed over: whoever answers may be newer than who asks.
    let read = quote! {
        #(let mut #found = ::core::option::Option::None;)*
        json.object(|name, json| {
            match name {
                #(#names => #found = ::core::option::Option::Some(::wasmhost_guest::Value::read_json(json)?),)*
                _ => json.skip()?,
            }
            ::core::result::Result::Ok(())
        })?;
        ::core::result::Result::Ok(Self {
            #(#fields: ::wasmhost_guest::__private::field(#found, #names, json)?,)*
        })
    };
    [TokenStream::new(), write, read]
}

fn newtype(inner: &syn::Type) -> [TokenStream; 3] {
    let constants = quote! {
        const KIND: ::wasmhost_guest::__private::Kind = <#inner as ::wasmhost_guest::Value>::KIND;

        fn absent() -> ::core::option::Option<Self> {
            <#inner as ::wasmhost_guest::Value>::absent().map(Self)
        }

        fn to_byte(value: &Self) -> u8 {
            <#inner as ::wasmhost_guest::Value>::to_byte(&value.0)
        }

        fn from_byte(byte: u8) -> ::core::option::Option<Self> {
            <#inner as ::wasmhost_guest::Value>::from_byte(byte).map(Self)
        }
    };
    let write = quote!(::wasmhost_guest::Value::write_json(&value.0, json););
    [constants, write, quote!(::wasmhost_guest::Value::read_json(json).map(Self))]
}

fn choice(data: &DataEnum, problems: &mut Problems) -> [TokenStream; 3] {
    let (mut writes, mut reads, mut cases) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        let name = names::name(&variant.ident, problems).wit;
        let (write, read) = case(variant, &name, problems);
        writes.push(write);
        reads.push(quote!(#name => #read,));
        cases.push(format!("`{name}`"));
    }
    let expected = format!("one of the cases {}", cases.join(", "));
    let write = quote!(match value { #(#writes)* });
    let read = quote! {
        let case = json.case()?;
        let value = match &*case.name {
            #(#reads)*
            _ => return ::core::result::Result::Err(json.unread(#expected)),
        };
        case.end(json)?;
        ::core::result::Result::Ok(value)
    };
    [TokenStream::new(), write, read]
}

fn case(variant: &Variant, name: &str, problems: &mut Problems) -> (TokenStream, TokenStream) {
    let ident = &variant.ident;
    match &variant.fields {
        Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
            let parts: Vec<_> = (0..fields.unnamed.len()).map(|at| format_ident!("part_{at}")).collect();
            let types = fields.unnamed.iter().map(|field| &field.ty);
            let write = match parts.as_slice() {
                [part] => quote!(::wasmhost_guest::Value::write_json(#part, json);),
                [first, rest @ ..] => quote! {
                    json.raw("[");
                    ::wasmhost_guest::Value::write_json(#first, json);
                    #(
                        json.raw(",");
                        ::wasmhost_guest::Value::write_json(#rest, json);
                    )*
                    json.raw("]");
                },
                [] => TokenStream::new(),
            };
            let write = quote! {
                Self::#ident(#(#parts),*) => json.object(|json| {
                    json.name(#name);
                    #write
                }),
            };
            let read = match parts.as_slice() {
                [_] => quote!(Self::#ident(case.payload(json)?)),
                parts => quote!({
                    let (#(#parts),*): (#(#types),*) = case.payload(json)?;
                    Self::#ident(#(#parts),*)
                }),
            };
            (write, read)
        }
        Fields::Unit => (quote!(Self::#ident => json.string(#name),), quote!(Self::#ident)),
        fields => {
            problems.on(fields, parse::fields_of_variant(variant));
            (TokenStream::new(), TokenStream::new())
        }
    }
}
