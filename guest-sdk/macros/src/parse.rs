//! From what was written to a [`Class`], and back to the compiler without our attributes.
//!
//! Reading goes on after a mistake, so that all of them are reported. What one item cannot know, such as two
//! constructors, is [`check`](crate::check)'s. It must not know what is made of a class.

use proc_macro2::{Ident, TokenStream};
use syn::{FnArg, ImplItem, Item, ItemFn, ItemImpl, ItemMod, UseTree};

use crate::model::{Class, Definition, Form, Function, Role};
use crate::names;
use crate::problems::Problems;

mod attributes;
mod default;
mod definitions;
mod function;
mod handler;
mod misspelled;
mod route;
mod settings;
mod types;

use attributes::Marks;
pub(crate) use attributes::takes_no_route;
pub(crate) use definitions::{has_empty, has_no_generics, has_nothing};
use function::Around;
use misspelled::Imports;
pub(crate) use route::shape;
use types::Types;
pub(crate) use types::spelled;

/// Reads a `#[class]` module.
///
/// The module is left as it was written, but for our attributes, and an import of the prelude, unless it takes over all
/// that the file around it has.
pub(crate) fn class(arguments: TokenStream, module: &mut ItemMod, problems: &mut Problems) -> Option<Class> {
    let settings = settings::settings(arguments, problems);
    let name = names::class_name(&module.ident, problems);
    refuse_word(&name.wit, &module.ident, problems);
    let Some((_, items)) = &mut module.content else {
        problems.on(&module.ident, "a class is written in place: `mod name { … }`, with its types and functions in it");
        return None;
    };
    let (own, others) = type_names(items);
    let types = Types { own: &own, others: &others, is_in_module: true };
    let definitions = definitions(items, &types, problems);
    let imports = Imports::of(items);
    let mut members =
        Members { types: &types, definitions: &definitions, imports: &imports, functions: Vec::new(), state: None };
    for item in &mut *items {
        match item {
            Item::Impl(block) if block.trait_.is_none() => members.block(block, problems),
            Item::Fn(function) => {
                refuse_handle(&function.sig.ident, problems);
                members.function(function, problems);
            }
            _ => {}
        }
    }
    let Members { functions, state, .. } = members;
    let state_docs = || docs_of(items, state.as_ref()?);
    let mut docs = attributes::docs(&module.attrs);
    if docs.is_empty() {
        docs = state_docs().unwrap_or_default();
    }
    if !takes_over(items) {
        items.insert(
            0,
            syn::parse_quote! {
                #[allow(unused_imports, reason = "a module that needs none of it is no mistake")]
                use ::wasmhost_guest::prelude::*;
            },
        );
    }
    Some(Class { form: Form::Module, name, docs, settings, state, types: definitions, functions })
}

/// Reads a `#[function]`.
pub(crate) fn function(arguments: TokenStream, item: &mut ItemFn, problems: &mut Problems) -> Option<Class> {
    if let Some(receiver) = item.sig.receiver() {
        problems.on(receiver, "a `#[function]` has no state to take; write a `#[class]` module, with `#[method]` here");
        // The compiler does not know our attributes, whatever else is wrong with them.
        let mut unheard = Problems::default();
        Marks::take(&mut item.attrs, &mut unheard);
        alone(Role::Method(None), item, &mut unheard);
        return None;
    }
    let settings = settings::settings(arguments, problems);
    let name = names::class_name(&item.sig.ident, problems);
    refuse_word(&name.wit, &item.sig.ident, problems);
    let marks = Marks::take(&mut item.attrs, problems);
    let role = marks.role(problems);
    if !matches!(role, None | Some(Role::Method(_))) {
        problems.on(&item.sig.ident, "a `#[function]` has no hooks; write a `#[class]` module");
    }
    let role = role.filter(|role| matches!(role, Role::Method(_))).unwrap_or(Role::Method(None));
    let function = alone(role, item, problems);
    // Its docs are the method's: said of the class, too, they would stand twice in every listing.
    let (docs, types) = (String::new(), Vec::new());
    Some(Class { form: Form::Function, name, docs, settings, state: None, types, functions: vec![function] })
}

/// Reads a `#[main]`.
pub(crate) fn main(arguments: TokenStream, item: &mut ItemFn, problems: &mut Problems) -> Option<Class> {
    let settings = settings::of_main(arguments, problems);
    // The mistake is one, however many mistakes are in the attribute itself.
    let mut unheard = Problems::default();
    let of_marks = if let Some(attribute) = Marks::find(&item.attrs) {
        let message = "an entrypoint is neither a hook nor a method; write a `#[class]` module, or a `#[function]`, \
                       beside it";
        problems.on(attribute, message);
        &mut unheard
    } else {
        &mut *problems
    };
    Marks::take(&mut item.attrs, of_marks);
    if let Some(FnArg::Receiver(receiver)) = item.sig.receiver().map(|receiver| FnArg::Receiver(receiver.clone())) {
        problems.on(receiver, "an entrypoint has no state; leave out `self`");
    }
    let mut function = alone(Role::Method(None), item, problems);
    // Whatever the function is called: this is what the host knows entrypoints by.
    function.name.wit = "main".to_owned();
    let name = function.name.clone();
    let (docs, types) = (String::new(), Vec::new());
    Some(Class { form: Form::Main, name, docs, settings, state: None, types, functions: vec![function] })
}

/// Reads a `#[web]` function that stands by itself.
pub(crate) fn web(item: &mut ItemFn, problems: &mut Problems) -> Option<Class> {
    if let Some(attribute) = Marks::find(&item.attrs) {
        problems.on(attribute, "a web handler by itself is neither a hook nor a method; write a `#[class]` module");
    }
    let mut unheard = Problems::default();
    Marks::take(&mut item.attrs, &mut unheard);
    if let Some(receiver) = item.sig.receiver() {
        let message = "a web handler by itself has no state to take; write a `#[class]` module, with `#[web]` in it";
        problems.on(receiver, message);
        return None;
    }
    let function = alone(Role::Handler, item, problems);
    let name = function.name.clone();
    let (docs, types, settings) = (String::new(), Vec::new(), Vec::new());
    Some(Class { form: Form::Handler, name, docs, settings, state: None, types, functions: vec![function] })
}

/// Reads a function that stands by itself.
fn alone(role: Role, item: &mut ItemFn, problems: &mut Problems) -> Function {
    let types = Types { own: &[], others: &[], is_in_module: false };
    let around = Around { types: &types, definitions: &[], state: None };
    around.read(role, &item.attrs, &mut item.sig, problems)
}

/// `enter` and its like are hooks by their names, so a class of such a name would only confuse; `main` is the
/// entrypoint.
fn refuse_word(wit: &str, ident: &Ident, problems: &mut Problems) {
    if wit == "main" {
        problems.on(ident, "`main` is the name of entrypoints; give the class another one");
    }
}

/// Callers find the class by `call`, which is generated beside the module's own functions.
fn refuse_handle(ident: &Ident, problems: &mut Problems) {
    if ident == "call" {
        let message = "`call` is the function by which others call the class; give this one another name, or make it one \
                       of a type";
        problems.on(ident, message);
    }
}

/// Whether the module says `use super::*`. The prelude comes with that, and what of its names the file has from
/// elsewhere, such as another `Result`, must not become ambiguous.
fn takes_over(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Use(item) => match &item.tree {
            UseTree::Path(path) if path.ident == "super" => has_glob(&path.tree),
            _ => false,
        },
        _ => false,
    })
}

fn has_glob(tree: &UseTree) -> bool {
    match tree {
        UseTree::Glob(_) => true,
        UseTree::Group(group) => group.items.iter().any(has_glob),
        _ => false,
    }
}

/// What a module's items have gathered so far.
struct Members<'a> {
    types: &'a Types<'a>,
    definitions: &'a [Definition],
    imports: &'a Imports,
    functions: Vec<Function>,
    state: Option<Ident>,
}

impl Members<'_> {
    fn block(&mut self, block: &mut ItemImpl, problems: &mut Problems) {
        let owner = match &*block.self_ty {
            syn::Type::Path(path) => path.path.get_ident().cloned(),
            _ => None,
        };
        // Another attribute of the block may know what it finds in there.
        let known = ["allow", "cfg", "deny", "doc", "expect", "warn"];
        let is_ours = block.attrs.iter().all(|attribute| known.iter().any(|known| attribute.path().is_ident(known)));
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else { continue };
            if is_ours {
                self.imports.correct(&mut function.attrs, problems);
            }
            let Some(role) = Marks::take(&mut function.attrs, problems).role(problems) else { continue };
            let Some(owner) = &owner else {
                problems.on(&block.self_ty, "the type of a class has no generics; write `impl Name`");
                return;
            };
            match &self.state {
                Some(state) if state != owner => {
                    let message = format!("a class has one type, and `{state}` has hooks or methods already");
                    problems.on(owner, format!("{message}; write a second `#[class]` module"));
                }
                _ => self.state = Some(owner.clone()),
            }
            let around = Around { types: self.types, definitions: self.definitions, state: Some(owner) };
            self.functions.push(around.read(role, &function.attrs, &mut function.sig, problems));
        }
    }

    fn function(&mut self, function: &mut ItemFn, problems: &mut Problems) {
        let Some(role) = Marks::take(&mut function.attrs, problems).role(problems) else { return };
        let around = Around { types: self.types, definitions: self.definitions, state: None };
        self.functions.push(around.read(role, &function.attrs, &mut function.sig, problems));
    }
}

/// The names of the types that are values, and of those that are not.
fn type_names(items: &[Item]) -> (Vec<Ident>, Vec<Ident>) {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for item in items {
        let (attributes, ident) = match item {
            Item::Struct(item) => (&item.attrs, &item.ident),
            Item::Enum(item) => (&item.attrs, &item.ident),
            _ => continue,
        };
        let list = if attributes::derives(attributes, "Value") { &mut own } else { &mut others };
        list.push(ident.clone());
    }
    (own, others)
}

fn definitions(items: &[Item], types: &Types<'_>, problems: &mut Problems) -> Vec<Definition> {
    let definitions = items.iter().filter_map(|item| match item {
        Item::Struct(item) if types.own.contains(&item.ident) => definitions::record(item, types, problems),
        Item::Enum(item) if types.own.contains(&item.ident) => definitions::choice(item, types, problems),
        _ => None,
    });
    definitions.collect()
}

fn docs_of(items: &[Item], state: &Ident) -> Option<String> {
    items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == *state => Some(attributes::docs(&item.attrs)),
        Item::Enum(item) if item.ident == *state => Some(attributes::docs(&item.attrs)),
        _ => None,
    })
}

/// Takes `Value` out of what types derive, and returns the types that are, or might be meant to be, values by a derive.
pub(crate) fn without_derives(items: &mut [Item]) -> Vec<Ident> {
    let mut types = Vec::new();
    for item in &mut *items {
        let (attributes, ident, generics) = match item {
            Item::Struct(item) => (&mut item.attrs, &item.ident, &item.generics),
            Item::Enum(item) => (&mut item.attrs, &item.ident, &item.generics),
            _ => continue,
        };
        attributes::underive(attributes, "Value");
        if generics.params.is_empty() {
            types.push(ident.clone());
        }
    }
    types.retain(|ty| !items.iter().any(|item| makes_value(item, ty)));
    types
}

/// Whether the item is an `impl Value` for the type.
fn makes_value(item: &Item, ty: &Ident) -> bool {
    let Item::Impl(item) = item else { return false };
    let Some((_, path, _)) = &item.trait_ else { return false };
    path.segments.last().is_some_and(|last| last.ident == "Value")
        && matches!(&*item.self_ty, syn::Type::Path(path) if path.path.is_ident(ty))
}
