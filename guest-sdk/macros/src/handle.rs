//! What others call a class by: `call()`, which leads over parameters to a method.
//!
//! ```text
//! call() ─▶ Call<Missing, …> ─ .name(…) ─▶ Call<Given, …> ─┬─ .generate(…) ─▶ wasmhost_guest::Call
//!                                                          └─ .home(…) ─▶ home::Call<Missing> ─ .qux(…) ─▶ …
//! ```
//!
//! What has to be given by its name, once at most, is a state in the builder's type: parameters, and arguments that
//! may be left out. The other arguments are those of the method, by position. It must not know how a class is
//! written, nor what the host calls.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use serde_json::Value as Json;

use crate::model::{Class, Failure, Form, Function, Parameter, Returned, Type};

mod slots;
mod types;

use slots::{Slot, Slots};
use types::{Depth, is_optional};

/// The import that makes `call` an item of the module that callers name.
pub(crate) fn import(private: &TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_imports, unreachable_pub, reason = "not every class is called from its own component")]
        pub use #private::handle::call;
    }
}

/// The module `handle` in the private module; an entrypoint has none.
pub(crate) fn module(class: &Class) -> Option<TokenStream> {
    let items = match class.form {
        Form::Module => parameters(class),
        Form::Function => class.methods().map(|method| function(class, method)).collect(),
        Form::Main | Form::Handler => return None,
    };
    let arguments = class.methods().filter_map(|method| arguments(class, method));
    Some(quote!(pub mod handle { #items #(#arguments)* }))
}

/// The builder that takes parameters, and has the methods of the class.
fn parameters(class: &Class) -> TokenStream {
    let name = &class.name.wit;
    let methods: Vec<_> = class.methods().map(|method| method.name.rust.to_string()).collect();
    let of_enter = class.enters().flat_map(Function::values);
    let slots = of_enter.map(|(parameter, ty, default)| Slot::new(parameter, ty, default, &methods)).collect();
    let slots =
        Slots { what: "parameter", of: format!("the class `{name}`"), depth: Depth::HANDLE, slots, answer: None };
    let docs = format!(
        "Calls the class `{name}`.\n\nParameters are given first, in any order, then one of the methods is called. What \
         has a default or is an `Option` may be left out."
    );
    let (states, missing, is_complete) = (slots.states(), slots.missing(), slots.is_complete());
    let (traits, setters) = (slots.traits(), slots.setters(&format_ident!("parameters")));
    let methods = class.methods().map(|method| {
        let name = &method.name.rust;
        let call = ready(class, method, &quote!(self.parameters));
        let Ready { docs, generics, arguments, returns, body } = call;
        quote! {
            #docs
            pub fn #name #generics(self, #(#arguments),*) -> #returns where #is_complete { #body }
        }
    });
    quote! {
        #[doc = #docs]
        pub fn call() -> Call<#missing> {
            Call { parameters: ::wasmhost_guest::__private::Fields::new(), given: ::core::marker::PhantomData }
        }

        #[derive(Debug)]
        #[must_use = "a class is called by one of its methods"]
        pub struct Call<#states> {
            parameters: ::wasmhost_guest::__private::Fields,
            given: ::core::marker::PhantomData<(#states)>,
        }

        impl<#states> Call<#states> {
            #setters
            #(#methods)*
        }

        #traits
    }
}

/// The `call` of a class with one function: it is that function.
fn function(class: &Class, method: &Function) -> TokenStream {
    let none = quote!(::wasmhost_guest::__private::Fields::new());
    let Ready { docs, generics, arguments, returns, body } = ready(class, method, &none);
    quote! {
        #docs
        pub fn call #generics(#(#arguments),*) -> #returns { #body }
    }
}

/// The parts of a function that makes a call ready.
struct Ready {
    docs: TokenStream,
    generics: Option<TokenStream>,
    arguments: Vec<TokenStream>,
    returns: TokenStream,
    body: TokenStream,
}

fn ready(class: &Class, method: &Function, parameters: &TokenStream) -> Ready {
    // No argument can be called like it.
    let fields = Ident::new("arguments", Span::mixed_site());
    let (class_name, method_name, docs) = (&class.name.wit, &method.name.wit, &method.docs);
    let required = || method.values().filter(|(_, ty, default)| !is_optional(ty, *default));
    let arguments = required().map(|(parameter, ty, _)| Depth::HANDLE.argument(parameter, ty, None)).collect();
    let puts = required().map(|(parameter, ty, _)| put(&quote!(#fields), parameter, ty, None));
    let call = quote! {
        let mut #fields = ::wasmhost_guest::__private::Fields::new();
        #(#puts)*
        ::wasmhost_guest::Call::new(#class_name, #method_name, #parameters, #fields)
    };
    let (returns, body) = match optional(class, method) {
        None => {
            let (ok, err) = answer(method, Depth::HANDLE);
            (quote!(::wasmhost_guest::Call<#ok, #err>), call)
        }
        Some(slots) => {
            let (module, missing) = (&method.name.rust, slots.missing());
            let body = quote!(#module::Call { call: { #call }, given: ::core::marker::PhantomData });
            (quote!(#module::Call<#missing>), body)
        }
    };
    let docs = if docs.is_empty() { format!("Calls `{method_name}`.") } else { docs.clone() };
    let generics = unknown_answer(method).map(|answer| quote!(<#answer: ::wasmhost_guest::Value>));
    Ready { docs: quote!(#[doc = #docs]), generics, arguments, returns, body }
}

/// The statement that adds a value to `fields`; where it is left to the default there is none.
fn put(fields: &TokenStream, parameter: &Parameter, ty: &Type, default: Option<&Json>) -> TokenStream {
    let (name, value) = (&parameter.name.wit, types::value(parameter, ty, default));
    if types::may_be_default(ty, default) {
        let given = &parameter.name.rust;
        return quote!(if let ::core::option::Option::Some(#given) = #value { #fields.put(#name, &#given); });
    }
    quote!(#fields.put(#name, &#value);)
}

/// The arguments of a method that may be left out, if there are some.
fn optional<'a>(class: &Class, method: &'a Function) -> Option<Slots<'a>> {
    let taken = ["wait".to_owned(), "into_future".to_owned()];
    let arguments = method.values().filter(|(_, ty, default)| is_optional(ty, *default));
    let slots: Vec<_> = arguments.map(|(parameter, ty, default)| Slot::new(parameter, ty, default, &taken)).collect();
    let of = format!("`{}.{}`", class.name.wit, method.name.wit);
    (!slots.is_empty()).then(|| Slots {
        what: "argument",
        of,
        depth: Depth::METHOD,
        slots,
        answer: unknown_answer(method),
    })
}

/// The builder that takes what may be left out, in a module of the method's name.
fn arguments(class: &Class, method: &Function) -> Option<TokenStream> {
    let slots = optional(class, method)?;
    let name = &method.name.rust;
    let (ok, err) = answer(method, Depth::METHOD);
    let (states, traits, setters) = (slots.states(), slots.traits(), slots.setters(&format_ident!("call")));
    let is_value = slots.answer.as_ref().map(|answer| quote!(where #answer: ::wasmhost_guest::Value));
    let result = quote!(::core::result::Result<#ok, ::wasmhost_guest::CallError<#err>>);
    Some(quote! {
        pub mod #name {
            #[derive(Debug)]
            #[must_use = "a call is made when it is awaited, or by `wait`"]
            pub struct Call<#states> {
                pub(super) call: ::wasmhost_guest::Call<#ok, #err>,
                pub(super) given: ::core::marker::PhantomData<(#states)>,
            }

            impl<#states> Call<#states> #is_value {
                #setters

                /// Makes the call and waits for its answer.
                pub fn wait(self) -> #result {
                    self.call.wait()
                }
            }

            impl<#states> ::core::future::IntoFuture for Call<#states> #is_value {
                type Output = #result;
                type IntoFuture = ::wasmhost_guest::Answer<#ok, #err>;

                fn into_future(self) -> Self::IntoFuture {
                    ::core::future::IntoFuture::into_future(self.call)
                }
            }

            #traits
        }
    })
}

/// The type parameter for an answer of which no type is known, in a class with mistakes: it is what the caller takes it
/// for.
fn unknown_answer(method: &Function) -> Option<Ident> {
    let is_unknown = matches!(&method.returns.ok, Returned::Value(ty) if ty.is_unknown());
    is_unknown.then(|| format_ident!("T"))
}

/// What a call answers, and the error that the method returns: of one without, and of one whose errors are text, a
/// text.
fn answer(method: &Function, depth: Depth) -> (TokenStream, TokenStream) {
    let ok = match &method.returns.ok {
        Returned::Value(ty) if ty.is_unknown() => quote!(T),
        Returned::Value(ty) => depth.named(ty),
        _ => quote!(()),
    };
    let err = match &method.returns.failure {
        None | Some(Failure::Text) => quote!(::std::string::String),
        Some(Failure::Nothing) => quote!(()),
        Some(Failure::Value(ty)) => depth.named(ty),
    };
    (ok, err)
}
