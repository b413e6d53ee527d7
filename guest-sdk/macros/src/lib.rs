//! The macros of `wasmhost-guest`, which re-exports and documents them.
//!
//! ```text
//! tokens ─ parse ─▶ Class ─ check ─▶ no mistakes ─┬─ wit ─────▶ text of the WIT
//!                                                 ├─ section ─▶ text of the manifest
//!                                                 ├─ handle ──▶ builders of calls
//!                                                 └─ glue ────▶ the private module with these, and `bindings!` in it
//! ```
//!
//! Parsing and checking collect mistakes and go on. If there is any, all of them are reported and nothing is generated
//! but a handle, so that callers are not told of mistakes that are not theirs; what the user wrote stays, so that an
//! editor still knows it.

use proc_macro::TokenStream;
use syn::{DeriveInput, Item, LitStr, parse_macro_input};

mod bindings;
mod check;
mod derive;
mod expand;
mod glue;
mod handle;
mod model;
mod names;
mod parse;
mod paths;
mod problems;
mod section;
mod stub;
#[cfg(test)]
mod testing;
mod wit;

#[expect(missing_docs, reason = "`wasmhost-guest` documents what it re-exports, with examples that need it")]
#[proc_macro_attribute]
pub fn class(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    expand::class(arguments.into(), item, &expand::namespace()).into()
}

#[expect(missing_docs, reason = "`wasmhost-guest` documents what it re-exports, with examples that need it")]
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    expand::function(arguments.into(), item, &expand::namespace()).into()
}

#[expect(missing_docs, reason = "`wasmhost-guest` documents what it re-exports, with examples that need it")]
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    expand::main(arguments.into(), item, &expand::namespace()).into()
}

#[expect(missing_docs, reason = "`wasmhost-guest` documents what it re-exports, with examples that need it")]
#[proc_macro_attribute]
pub fn web(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    expand::web(arguments.into(), item).into()
}

/// Makes a struct or enum a type of values: see the trait.
#[proc_macro_derive(Value)]
pub fn value(item: TokenStream) -> TokenStream {
    derive::value(&parse_macro_input!(item as DeriveInput)).into()
}

/// Makes bindings from WIT: for what the other macros generate.
#[doc(hidden)]
#[proc_macro]
pub fn bindings(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as bindings::Input);
    bindings::bindings(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes bindings of a web handler from a file of WIT: for `wasmhost-guest` itself.
#[doc(hidden)]
#[proc_macro]
pub fn handler(input: TokenStream) -> TokenStream {
    let file = parse_macro_input!(input as LitStr);
    bindings::handler(&file).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes bindings from a file of WIT: for `wasmhost-guest` itself.
#[doc(hidden)]
#[proc_macro]
pub fn imports(input: TokenStream) -> TokenStream {
    let file = parse_macro_input!(input as LitStr);
    bindings::imports(&file).unwrap_or_else(syn::Error::into_compile_error).into()
}
