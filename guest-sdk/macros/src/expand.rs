//! The way from what was written to what the compiler gets, for each attribute.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Ident, ItemFn, ItemMod};

use crate::model::Class;
use crate::problems::Problems;
use crate::{check, glue, names, parse};

/// The WIT namespace of the crate that is compiled.
pub(crate) fn namespace() -> String {
    names::namespace(&std::env::var("CARGO_PKG_NAME").unwrap_or_default())
}

/// A `#[class]` module: what was written, with the private module as its last item.
pub(crate) fn class(arguments: TokenStream, mut module: ItemMod, namespace: &str) -> TokenStream {
    let mut problems = Problems::default();
    let class = parse::class(arguments, &mut module, &mut problems);
    let glue = finish(class, &format_ident!("__wasmhost"), namespace, problems);
    if let Some((_, items)) = &mut module.content {
        items.push(syn::Item::Verbatim(glue));
        quote!(#module)
    } else {
        quote!(#module #glue)
    }
}

/// A `#[function]`: what was written, with the private module beside it.
pub(crate) fn function(arguments: TokenStream, mut item: ItemFn, namespace: &str) -> TokenStream {
    let mut problems = Problems::default();
    let class = parse::function(arguments, &mut item, &mut problems);
    let name = format_ident!("__wasmhost_{}", item.sig.ident.unraw());
    let glue = finish(class, &name, namespace, problems);
    quote!(#item #glue)
}

/// The private module, or the mistakes that keep it from being.
fn finish(class: Option<Class>, module: &Ident, namespace: &str, mut problems: Problems) -> TokenStream {
    if let Some(class) = &class {
        check::check(class, &mut problems);
    }
    match class {
        Some(class) if problems.is_empty() => glue::module(&class, module, namespace),
        _ => problems.into_errors(),
    }
}
