//! `#[derive(Value)]`: how values of a type are written as JSON and read from it.
//!
//! A class's types are checked by the class, which knows more about them. It must not know classes.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, FieldsNamed, FieldsUnnamed, Token, Variant};

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
    // What a type is not, is said once, and where it stands.
    let are_values = types(item).map(|ty| quote_spanned!(ty.span()=> #ty: ::wasmhost_guest::Value,));
    quote! {
        #[automatically_derived]
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "it is generated")]
        impl ::wasmhost_guest::Value for #name where #(#are_values)* {
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

/// The types of all that is in a value.
fn types(item: &DeriveInput) -> impl Iterator<Item = &syn::Type> {
    let fields: Vec<_> = match &item.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    fields.into_iter().map(|field| &field.ty)
}

/// What a newtype takes over from its inner type, how to write a value, and how to read one.
fn parts(item: &DeriveInput, problems: &mut Problems) -> Option<[TokenStream; 3]> {
    if !parse::has_no_generics(&item.generics, problems) {
        return None;
    }
    match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) if !named.named.is_empty() => {
                let record = Record::new(named, problems);
                let (fields, write) = (record.taken_apart(), record.write());
                let write = quote!(let Self #fields = value; #write);
                Some([TokenStream::new(), write, record.read(&quote!(Self))])
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(newtype(&fields.unnamed[0].ty)),
            Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
                let tuple = Tuple::new(fields);
                let (names, write) = (&tuple.names, tuple.write());
                let write = quote!(let Self(#(#names),*) = value; #write);
                let read = tuple.read(&quote!(Self), &quote!(::wasmhost_guest::Value::read_json(json)?));
                Some([TokenStream::new(), write, quote!(::core::result::Result::Ok(#read))])
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

/// Values with names: an object.
struct Record {
    fields: Vec<Ident>,
    /// The same, in WIT.
    names: Vec<String>,
    /// The variables that they are in: those of the user's own names could hide others.
    parts: Vec<Ident>,
}

impl Record {
    fn new(named: &FieldsNamed, problems: &mut Problems) -> Self {
        let fields: Vec<_> = named.named.iter().filter_map(|field| field.ident.clone()).collect();
        let names = fields.iter().map(|field| names::name(field, problems).wit).collect();
        Self { fields, names, parts: variables(&named.named) }
    }

    /// The pattern that puts the fields into their variables.
    fn taken_apart(&self) -> TokenStream {
        let Self { fields, parts, .. } = self;
        quote!({ #(#fields: #parts),* })
    }

    /// Writes the fields.
    fn write(&self) -> TokenStream {
        let Self { names, parts, .. } = self;
        quote!(json.object(|json| { #(json.member(#names, #parts);)* });)
    }

    /// Reads the fields into what has the path `to`. What is not known is passed over: who answers may be newer than
    /// who asks.
    fn read(&self, to: &TokenStream) -> TokenStream {
        let Self { fields, names, parts } = self;
        quote! {
            #(let mut #parts = ::core::option::Option::None;)*
            json.object(|name, json| {
                match name {
                    #(#names => #parts = ::core::option::Option::Some(::wasmhost_guest::Value::read_json(json)?),)*
                    _ => json.skip()?,
                }
                ::core::result::Result::Ok(())
            })?;
            ::core::result::Result::Ok(#to {
                #(#fields: ::wasmhost_guest::__private::field(#parts, #names, json)?,)*
            })
        }
    }
}

/// Several values without names: a list.
struct Tuple<'a> {
    names: Vec<Ident>,
    types: Vec<&'a syn::Type>,
}

impl<'a> Tuple<'a> {
    fn new(unnamed: &'a FieldsUnnamed) -> Self {
        Self { names: variables(&unnamed.unnamed), types: unnamed.unnamed.iter().map(|field| &field.ty).collect() }
    }

    /// Writes the values, which are variables of these names.
    fn write(&self) -> TokenStream {
        match self.names.as_slice() {
            [one] => quote!(::wasmhost_guest::Value::write_json(#one, json);),
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
        }
    }

    /// Makes what has the path `to` of values that are read together.
    fn read(&self, to: &TokenStream, read: &TokenStream) -> TokenStream {
        let Self { names, types } = self;
        match names.as_slice() {
            [_] => quote!(#to(#read)),
            names => quote!({
                let (#(#names),*): (#(#types),*) = #read;
                #to(#(#names),*)
            }),
        }
    }
}

/// Variables for fields.
fn variables(fields: &Punctuated<Field, Token![,]>) -> Vec<Ident> {
    (0..fields.len()).map(|at| format_ident!("part_{at}")).collect()
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

/// An arm that writes a case, and an expression that reads it: a `Result` of one with named fields, else a value.
fn case(variant: &Variant, name: &str, problems: &mut Problems) -> (TokenStream, TokenStream) {
    let ident = &variant.ident;
    match &variant.fields {
        Fields::Unit => (quote!(Self::#ident => json.string(#name),), quote!(Self::#ident)),
        Fields::Unnamed(unnamed) if !unnamed.unnamed.is_empty() => {
            let tuple = Tuple::new(unnamed);
            let (names, write) = (&tuple.names, tuple.write());
            let write = quote!(Self::#ident(#(#names),*) => json.object(|json| { json.name(#name); #write }),);
            (write, tuple.read(&quote!(Self::#ident), &quote!(case.payload(json)?)))
        }
        Fields::Named(named) if !named.named.is_empty() => {
            let record = Record::new(named, problems);
            let fields = record.taken_apart();
            let (write, read) = (record.write(), record.read(&quote!(Self::#ident)));
            let write = quote!(Self::#ident #fields => json.object(|json| { json.name(#name); #write }),);
            (write, quote!({ #read? }))
        }
        nothing => {
            problems.on(nothing, parse::has_empty(ident));
            (TokenStream::new(), TokenStream::new())
        }
    }
}
