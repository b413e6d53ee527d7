//! Bindings by wit-bindgen, in which types of the user's own stand in for those that it would define.
//!
//! The generator knows how to take over types of others for imports alone; for exports it defines all of them. So its
//! definitions are taken out again: code that names a type then finds the user's, imported in its place. That holds for
//! one release of the generator, which is why the workspace names it exactly.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Attribute, ExprAsync, Item, ItemImpl, LitStr, Token, Type, bracketed};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::Opts;

use crate::names;

/// Where generated code finds the runtime of wit-bindgen.
const RUNTIME: &str = "::wasmhost_guest::__private::wit_bindgen::rt";

/// The modules between an interface's bindings and the user's module: `exports`, namespace, package, interface, and the
/// one in which all of them are.
const DEPTH: usize = 5;

/// What the macro is given.
pub(crate) struct Input {
    wit: LitStr,
    map: LitStr,
    own: Vec<Ident>,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let wit = input.parse()?;
        input.parse::<Token![,]>()?;
        let map = input.parse()?;
        input.parse::<Token![,]>()?;
        let own;
        bracketed!(own in input);
        let own = Punctuated::<Ident, Token![,]>::parse_terminated(&own)?.into_iter().collect();
        Ok(Self { wit, map, own })
    }
}

/// The bindings of a class.
///
/// # Errors
///
/// If the WIT is none, or the generator cannot do with it what is asked: a mistake of the SDK.
pub(crate) fn bindings(input: &Input) -> syn::Result<TokenStream> {
    let refuse = |message: String| {
        syn::Error::new_spanned(&input.wit, format!("the SDK made bindings that do not hold: {message}"))
    };
    let mut file = generate(&input.wit.value(), &input.map.value(), Opts::default()).map_err(refuse)?;
    let mut replaced = Vec::new();
    replace(&mut file.items, &input.own, &mut replaced);
    if replaced.len() != input.own.len() {
        let own: Vec<_> = input.own.iter().map(ToString::to_string).collect();
        return Err(refuse(format!("of the types {own:?} only {replaced:?} are in them")));
    }
    let items = file.items;
    Ok(quote!(#(#items)*))
}

/// The bindings of the one world in a file of the crate that is compiled, which its author may look at there.
///
/// # Errors
///
/// If there is no such file, or the generator cannot do with it what is asked: a mistake of the SDK.
pub(crate) fn imports(file: &LitStr) -> syn::Result<TokenStream> {
    from_file(file, Opts::default(), |_| {})
}

/// The bindings of a web handler, for classes of other crates to export, from a file of the crate that is compiled.
///
/// What is left to do once the host has the answer is done at the end of the function that it calls: the generator
/// has no place for it.
///
/// # Errors
///
/// As [`imports`].
pub(crate) fn handler(file: &LitStr) -> syn::Result<TokenStream> {
    let export_macro_name = Some("export_web_handler".to_owned());
    let options = Opts { generate_all: true, pub_export_macro: true, export_macro_name, ..Opts::default() };
    from_file(file, options, |file| AfterAnswer.visit_file_mut(file))
}

/// Adds to what runs after an exported function's result was given.
struct AfterAnswer;

impl VisitMut for AfterAnswer {
    fn visit_expr_async_mut(&mut self, block: &mut ExprAsync) {
        block.block.stmts.push(syn::parse_quote!(::wasmhost_guest::__private::after_answer().await;));
    }
}

fn from_file(file: &LitStr, options: Opts, change: impl FnOnce(&mut syn::File)) -> syn::Result<TokenStream> {
    let refuse = |message: String| syn::Error::new_spanned(file, format!("`{}`: {message}", file.value()));
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let path = std::path::Path::new(&folder).join(file.value());
    let wit = std::fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
    let mut made = generate(&wit, "::std::collections::HashMap", options).map_err(refuse)?;
    change(&mut made);
    let items = made.items;
    let path = path.to_string_lossy();
    // The compiler notices by this that the file has changed.
    Ok(quote!(const _: &str = ::core::include_str!(#path); #(#items)*))
}

fn generate(wit: &str, map: &str, options: Opts) -> Result<syn::File, String> {
    let told = |error: &dyn std::fmt::Display| format!("{error}");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("class.wit", wit).map_err(|error| told(&error))?;
    let world = resolve.select_world(&[package], None).map_err(|error| told(&error))?;
    let options = Opts { runtime_path: Some(RUNTIME.to_owned()), map_type: Some(map.to_owned()), ..options };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).map_err(|error| told(&error))?;
    let (_, source) = files.iter().next().ok_or("the generator wrote nothing")?;
    syn::parse_file(&String::from_utf8_lossy(source)).map_err(|error| told(&error))
}

/// Replaces the definitions of the types in `own`, wherever they are, by imports of the user's.
///
/// The definitions that stay may contain some of them, so they lose what would ask the user's types for traits: all
/// that can be derived, but for enums without payloads, and what `Debug` leads to.
fn replace(items: &mut Vec<Item>, own: &[Ident], replaced: &mut Vec<String>) {
    for item in &mut *items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &mut module.content
        {
            replace(items, own, replaced);
        }
    }
    let mut imports = Vec::new();
    let mut is_taken = |ident: &Ident| {
        let user = stands_in(ident, own);
        if let Some(user) = user {
            replaced.push(user.to_string());
            imports.push(import(user, ident));
        }
        user.is_some()
    };
    items.retain_mut(|item| match item {
        Item::Struct(item) => {
            underive(&mut item.attrs);
            !is_taken(&item.ident)
        }
        Item::Enum(item) => {
            if item.variants.iter().any(|variant| !variant.fields.is_empty()) {
                underive(&mut item.attrs);
            }
            !is_taken(&item.ident)
        }
        Item::Impl(block) => match &*block.self_ty {
            Type::Path(path) => {
                let ident = path.path.get_ident();
                ident.is_none_or(|ident| !is_shown(block) && stands_in(ident, own).is_none())
            }
            _ => true,
        },
        _ => true,
    });
    items.splice(0..0, imports);
}

fn underive(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| !attribute.path().is_ident("derive"));
}

/// Whether it is `Debug`, `Display` or `Error` for a type.
fn is_shown(block: &ItemImpl) -> bool {
    let last = block.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
    last.is_some_and(|last| ["Debug", "Display", "Error"].iter().any(|known| last.ident == known))
}

/// The user's type for one that the generator calls `ident`.
fn stands_in<'a>(ident: &Ident, own: &'a [Ident]) -> Option<&'a Ident> {
    own.iter().find(|user| *ident == names::type_in_bindings(&names::type_name(user)))
}

fn import(user: &Ident, ident: &Ident) -> Item {
    let up = (0..DEPTH).map(|_| quote!(super));
    syn::parse_quote!(use #(#up)::*::#user as #ident;)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIT: &str = "package my-app:m;
        interface m {
            record point { x: u32, color: color }
            enum color { red }
            record kept { x: u8, point: point }
            f: async func(p: point, q: kept) -> map<string, point>;
        }
        world m-world { export m; }";

    fn made(own: &str) -> Result<String, String> {
        let input = syn::parse_str(&format!("{WIT:?}, \"::std::collections::BTreeMap\", [{own}]")).unwrap();
        bindings(&input).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_type_of_the_users_is_imported_instead_of_defined() {
        let text = made("Point, Color").unwrap();
        assert!(!text.contains("struct Point") && !text.contains("enum Color") && !text.contains("for Point"));
        assert!(text.contains("super :: super :: super :: super :: super :: Point as Point ;"));
        assert!(text.contains("struct Kept") && !text.contains("for Kept") && !text.contains("derive"), "{text}");
    }

    #[test]
    fn a_type_that_is_not_there_is_not_passed_over() {
        assert!(made("Missing").unwrap_err().contains("Missing"));
    }
}
