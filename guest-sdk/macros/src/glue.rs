//! From a class to the private module beside it: bindings, what the host calls, and the manifest.
//!
//! ```text
//! host ─▶ bindings ─▶ impl Guest ─▶ the user's function
//!         core functions   state, errors,
//!         ⇄ values         conversions
//! ```
//!
//! It must not know how a class is written, or decide what is a mistake: what comes here has none.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};

use crate::model::{Class, Form, Function, Returned};
use crate::{handle, names, section, wit};

mod convert;
mod crossing;
mod hooks;
mod methods;
mod web;

use crossing::Crossing;

/// The private module of the class.
pub(crate) fn module(class: &Class, module: &Ident, namespace: &str) -> TokenStream {
    let glue = Glue { class, crossing: Crossing::new(class) };
    // A handler by itself is in none.
    let has_interface = class.has_interface();
    let bindings = has_interface.then(|| glue.bindings(namespace));
    let interface = has_interface.then(|| glue.interface(namespace));
    let guest = has_interface.then(|| glue.guest());
    let export = has_interface.then(|| quote!(export!(__Class);));
    let statics = glue.statics();
    let handlers = class.handlers().map(|handler| glue.handler(handler));
    let conversions = glue.crossing.converted().map(|definition| glue.crossing.conversions(definition));
    let manifest = (class.form != Form::Handler).then(|| manifest(class));
    let handle = handle::module(class);
    quote! {
        #[doc(hidden)]
        #[allow(
            warnings, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction,
            reason = "it is generated, and the mistakes of what it is made of are reported there"
        )]
        mod #module {
            use super::*;

            #bindings

            #interface

            #statics

            struct __Class;

            #guest

            #(#conversions)*

            #export

            #(#handlers)*

            #manifest

            #handle
        }
    }
}

/// What the parts of the module are made from.
struct Glue<'a> {
    class: &'a Class,
    crossing: Crossing<'a>,
}

impl Glue<'_> {
    /// What the host calls for hooks and methods.
    fn guest(&self) -> TokenStream {
        let guest = if self.class.form == Form::Main { quote!(Guest) } else { quote!(bindings::Guest) };
        let hooks = [self.build(), self.enter(), self.exit()];
        let methods = self.class.methods().map(|method| self.method(method));
        quote! {
            impl #guest for __Class {
                #(#hooks)*
                #(#methods)*
            }
        }
    }

    /// The bindings, in which the user's types stand where they can.
    fn bindings(&self, namespace: &str) -> TokenStream {
        let text = raw("r", &wit::document(self.class, namespace));
        let own = self.crossing.crossing().map(|definition| &definition.name.rust);
        let lifts = self.crossing.crossing().filter_map(convert::enum_lift);
        let map = self.crossing.map_type();
        quote! {
            ::wasmhost_guest::__private::bindings!(#text, #map, [#(#own),*]);
            #(#lifts)*
        }
    }

    /// The module of the bindings in which the interface is; an entrypoint has none.
    fn interface(&self, namespace: &str) -> Option<TokenStream> {
        let interface = wit::interface(self.class, namespace);
        let [outer, package, interface] =
            interface.map(|name| Ident::new(&names::in_bindings(&name), Span::call_site()));
        (self.class.form != Form::Main).then(|| quote!(use self::exports::#outer::#package::#interface as bindings;))
    }

    /// Where the state and what `build` made are kept.
    fn statics(&self) -> TokenStream {
        let state = self.class.kept_state().map(|state| {
            let guard = self.guard();
            quote! {
                static STATE: ::wasmhost_guest::__private::Slot<#guard<super::#state>> =
                    const { ::wasmhost_guest::__private::Slot::of_state() };
            }
        });
        let built = self.kept().map(|(name, ty)| {
            let ty = from_within(ty);
            quote! {
                static #name: ::wasmhost_guest::__private::Slot<#ty> =
                    const { ::wasmhost_guest::__private::Slot::of_build() };
            }
        });
        let statics: TokenStream = state.into_iter().chain(built).collect();
        if statics.is_empty() { statics } else { quote!(::std::thread_local! { #statics }) }
    }

    /// What guards the state: calls wait for each other only where several share an instance.
    fn guard(&self) -> TokenStream {
        if wit::waits(self.class) {
            quote!(::wasmhost_guest::__private::Lock)
        } else {
            quote!(::wasmhost_guest::__private::Alone)
        }
    }

    /// What `build` functions return, with the statics that keep it.
    fn kept(&self) -> impl Iterator<Item = (Ident, &syn::Type)> {
        self.class.builds().filter_map(|build| match &build.returns.ok {
            Returned::Kept(ty) => Some((kept_name(build), &**ty)),
            _ => None,
        })
    }

    /// The path of a user's function, with the user's spans.
    fn path(&self, function: &Function) -> TokenStream {
        let name = &function.name.rust;
        match self.class.state.as_ref().filter(|_| function.is_of_state) {
            Some(state) => quote!(super::#state::#name),
            None => quote!(super::#name),
        }
    }
}

/// The static that keeps what a `build` function returned.
fn kept_name(build: &Function) -> Ident {
    format_ident!("BUILT_{}", names::in_bindings(&build.name.wit).to_uppercase())
}

fn awaited(is_async: bool) -> Option<TokenStream> {
    is_async.then(|| quote!(.await))
}

fn async_word(is_async: bool) -> Option<TokenStream> {
    is_async.then(|| quote!(async))
}

/// A static whose bytes the linker puts into the component's section.
fn manifest(class: &Class) -> TokenStream {
    let document = section::document(class);
    let length = Literal::usize_unsuffixed(document.len());
    let bytes = raw("br", &document);
    quote! {
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
        static MANIFEST: [u8; #length] = *#bytes;
    }
}

/// A type of the user's, as the private module has to name it: one module further in.
fn from_within(ty: &syn::Type) -> syn::Type {
    struct Deeper;

    impl VisitMut for Deeper {
        fn visit_path_mut(&mut self, path: &mut syn::Path) {
            visit_mut::visit_path_mut(self, path);
            let first = path.segments.first().map(|first| first.ident.to_string());
            match first.as_deref() {
                Some("super") => path.segments.insert(0, syn::parse_quote!(super)),
                Some("self") => path.segments[0] = syn::parse_quote!(super),
                _ => {}
            }
        }
    }

    let mut ty = ty.clone();
    Deeper.visit_type_mut(&mut ty);
    ty
}

/// A literal of the text as it is, so that who reads the expansion reads it. Where that is not possible, an escaped
/// one.
fn raw(prefix: &str, text: &str) -> Literal {
    let fences: String =
        (0..).map(|count| "#".repeat(count)).find(|fence| !text.contains(&format!("\"{fence}"))).unwrap_or_default();
    let is_plain = text.is_ascii() && !text.contains('\r');
    let escaped = || if prefix == "br" { Literal::byte_string(text.as_bytes()) } else { Literal::string(text) };
    format!("{prefix}{fences}\"{text}\"{fences}").parse().ok().filter(|_| is_plain).unwrap_or_else(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_from_one_module_further_in() {
        for (written, expected) in [
            ("Table", "Table"),
            ("super::Table", "super::super::Table"),
            ("Vec<self::Table>", "Vec<super::Table>"),
            ("::std::vec::Vec<(u8, super::T)>", "::std::vec::Vec<(u8, super::super::T)>"),
        ] {
            let (written, expected): (syn::Type, syn::Type) =
                (syn::parse_str(written).unwrap(), syn::parse_str(expected).unwrap());
            assert_eq!(from_within(&written), expected);
        }
    }

    #[test]
    fn a_text_is_written_as_it_is_where_it_can_be() {
        assert_eq!(raw("r", "plain").to_string(), "r\"plain\"");
        assert_eq!(raw("br", "\"#").to_string(), "br##\"\"#\"##");
        assert_eq!(raw("br", "ö").to_string(), r#"b"\xC3\xB6""#);
    }
}
