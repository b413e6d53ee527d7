//! The way from what was written to what the compiler gets, for each attribute.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Ident, Item};

use crate::model::Class;
use crate::problems::Problems;
use crate::{check, glue, handle, names, parse, stub};

/// The WIT namespace of the crate that is compiled.
pub(crate) fn namespace() -> String {
    names::namespace(&std::env::var("CARGO_PKG_NAME").unwrap_or_default())
}

/// A `#[class]` module: what was written, with the private module as its last item.
pub(crate) fn class(arguments: TokenStream, item: Item, namespace: &str) -> TokenStream {
    let Item::Mod(mut module) = item else {
        let message =
            "a `#[class]` is a module, with the type and its functions in it; write `mod name { … }` around them";
        return refuse(&item, message);
    };
    let mut problems = Problems::default();
    let class = parse::class(arguments, &mut module, &mut problems);
    let private = format_ident!("__wasmhost");
    let glue = finish(class, &private, namespace, problems);
    let Some((_, items)) = &mut module.content else {
        let errors = glue.unwrap_or_else(|mistakes| mistakes.errors);
        return quote!(#module #errors);
    };
    match glue {
        Ok(glue) => {
            let handle = handle::import(&quote!(self::#private));
            items.push(Item::Verbatim(quote!(#handle #glue)));
        }
        Err(Mistakes { errors, class }) => {
            // What the derive says of the same types would be said twice.
            let types = parse::without_derives(items);
            // A function in the place of the handle is a mistake that was reported.
            let is_free = !items.iter().any(|item| matches!(item, Item::Fn(item) if item.sig.ident == "call"));
            let handle = is_free.then(|| handle::import(&quote!(self::#private)));
            let stub = class.map(|class| stub::module(*class, &private, &types));
            items.push(Item::Verbatim(quote!(#errors #handle #stub)));
        }
    }
    quote!(#module)
}

/// A `#[function]`: what was written, with the private module beside it.
pub(crate) fn function(arguments: TokenStream, item: Item, namespace: &str) -> TokenStream {
    let Item::Fn(mut item) = item else {
        return refuse(&item, "a `#[function]` is a function; a class with a state is a `#[class]` module");
    };
    let mut problems = Problems::default();
    let class = parse::function(arguments, &mut item, &mut problems);
    let (name, visibility) = (&item.sig.ident, &item.vis);
    let private = format_ident!("__wasmhost_{}", name.unraw());
    let (errors, module) = match finish(class, &private, namespace, problems) {
        Ok(glue) => (None, glue),
        Err(Mistakes { errors, class: Some(class) }) => (Some(errors), stub::module(*class, &private, &[])),
        Err(Mistakes { errors, class: None }) => return quote!(#item #errors),
    };
    let docs = format!("Calls of [`{}`](fn@{0}).", name.unraw());
    let handle = handle::import(&quote!(super::#private));
    quote!(#item #errors #[doc = #docs] #visibility mod #name { #handle } #module)
}

/// A `#[main]`: what was written, with the private module beside it.
pub(crate) fn main(arguments: TokenStream, item: Item, namespace: &str) -> TokenStream {
    let Item::Fn(mut item) = item else {
        return refuse(&item, "the `#[main]` is a function, which runs when somebody runs the component");
    };
    let mut problems = Problems::default();
    let class = parse::main(arguments, &mut item, &mut problems);
    // One name for all, so that a second one is noticed.
    let glue = finish(class, &format_ident!("__wasmhost_main"), namespace, problems);
    let glue = glue.unwrap_or_else(|mistakes| mistakes.errors);
    quote!(#item #glue)
}

/// A `#[web]` function that stands by itself: what was written, with the private module beside it.
pub(crate) fn web(arguments: TokenStream, item: Item) -> TokenStream {
    let Item::Fn(mut item) = item else {
        return refuse(&item, "a `#[web]` handler is a function, which takes a `Request` and gives a `Response`");
    };
    let mut problems = Problems::default();
    if !arguments.is_empty() {
        parse::takes_no_route(&syn::parse_quote!(#[web(#arguments)]), &mut problems);
    }
    let class = parse::web(&mut item, &mut problems);
    // One name for all, so that a second one is noticed.
    let glue = finish(class, &format_ident!("__wasmhost_web"), "", problems);
    let glue = glue.unwrap_or_else(|mistakes| mistakes.errors);
    quote!(#item #glue)
}

/// What was written, and that it is nothing for the attribute.
fn refuse(item: &Item, message: &str) -> TokenStream {
    // At the attribute: the item itself is no mistake.
    let error = syn::Error::new(Span::call_site(), message).into_compile_error();
    quote!(#item #error)
}

/// What keeps the private module from being.
struct Mistakes {
    errors: TokenStream,
    /// What was read nevertheless.
    class: Option<Box<Class>>,
}

/// The private module, or the mistakes that keep it from being.
fn finish(
    class: Option<Class>,
    module: &Ident,
    namespace: &str,
    mut problems: Problems,
) -> Result<TokenStream, Mistakes> {
    if let Some(class) = &class {
        check::check(class, &mut problems);
    }
    match class {
        Some(class) if problems.is_empty() => Ok(glue::module(&class, module, namespace)),
        class => Err(Mistakes { errors: problems.into_errors(), class: class.map(Box::new) }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use super::*;

    /// Expands the one item of a file, as a file.
    fn expanded(path: &Path) -> String {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let [item] = <[Item; 1]>::try_from(file.items).unwrap_or_else(|_| panic!("{} has one item", path.display()));
        let mut item = item;
        let attributes = match &mut item {
            Item::Mod(module) => &mut module.attrs,
            Item::Fn(function) => &mut function.attrs,
            _ => panic!("{} has a module or a function", path.display()),
        };
        let at = attributes.iter().position(|attribute| !attribute.path().is_ident("doc")).unwrap();
        let attribute = attributes.remove(at);
        let arguments = attribute.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
        let expand = match attribute.path() {
            path if path.is_ident("class") => class,
            path if path.is_ident("main") => main,
            path if path.is_ident("web") => |arguments, item, _: &str| web(arguments, item),
            _ => function,
        };
        let tokens = expand(arguments, item, "my-app");
        prettyplease::unparse(&syn::parse2(tokens).unwrap())
    }

    /// `EXPECT=write cargo test` writes what is there now; what has changed is then to be looked at.
    #[test]
    fn what_is_generated_is_what_was_reviewed() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/expanded");
        let mut sources: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
        sources.retain(|path| !path.to_string_lossy().ends_with(".expanded.rs"));
        assert!(!sources.is_empty());
        for source in sources {
            let (found, file) = (expanded(&source), source.with_extension("expanded.rs"));
            if env::var_os("EXPECT").is_some_and(|value| value == "write") {
                fs::write(&file, &found).unwrap();
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            assert!(found == expected, "{} is expanded to something else:\n{found}", source.display());
        }
    }
}
