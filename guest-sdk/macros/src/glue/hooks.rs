//! What the host calls for a hook: the user's functions for it, in the order written.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::methods::{take_state, text};
use super::{Glue, async_word, kept_name};
use crate::model::{Function, Given, Parameter, ReceiverKind, Returned};
use crate::parse::spelled;
use crate::wit;

impl Glue<'_> {
    /// `build`: what the functions return is kept.
    pub(super) fn build(&self) -> Option<TokenStream> {
        let steps: Vec<_> = self.class.builds().collect();
        let body = steps.iter().map(|build| {
            let step = self.step(build);
            match &build.returns.ok {
                Returned::Kept(_) => {
                    let kept = kept_name(build);
                    quote!({ let made = #step; #kept.with(|slot| slot.put(made)); })
                }
                // A constructor that runs here, too, does so for what it leaves in files.
                _ => quote!(#step;),
            }
        });
        (!steps.is_empty()).then(|| hook("build", &steps, &[], &quote!(#(#body)*)))
    }

    /// `enter`: the state is made, by the constructor or by `Default`, and the functions after it change it.
    pub(super) fn enter(&self) -> Option<TokenStream> {
        if !self.class.has_enter() {
            return None;
        }
        let span = Span::mixed_site();
        let steps: Vec<_> = self.class.enters().collect();
        let signature: Vec<_> =
            steps.iter().flat_map(|step| step.values()).map(|(parameter, ..)| self.signature(parameter)).collect();
        let default = self.class.kept_state().filter(|_| self.class.constructor().is_none()).map(|state| {
            let of_state = state.span().resolved_at(span);
            let made = quote_spanned!(of_state=> ::wasmhost_guest::__private::start::<super::#state>());
            quote_spanned!(span=> let mut state = #made;)
        });
        let body = steps.iter().map(|enter| {
            let step = self.step(enter);
            if enter.is_constructor() { quote_spanned!(span=> let mut state = #step;) } else { quote!(#step;) }
        });
        let guard = self.guard();
        let keep =
            self.class.kept_state().map(|_| quote_spanned!(span=> STATE.with(|slot| slot.put(#guard::new(state)));));
        Some(hook("enter", &steps, &signature, &quote!(#default #(#body)* #keep)))
    }

    /// `exit`: all functions run, though one fails.
    pub(super) fn exit(&self) -> Option<TokenStream> {
        let span = Span::mixed_site();
        let steps: Vec<_> = self.class.exits().collect();
        if steps.is_empty() {
            return None;
        }
        let waits = wit::waits(self.class) || steps.iter().any(|step| step.is_async);
        let can_fail = steps.iter().any(|step| step.returns.failure.is_some());
        let state = steps
            .iter()
            .any(|step| step.receiver.is_some())
            .then(|| take_state(ReceiverKind::Exclusive, wit::waits(self.class)));
        let body = steps.iter().map(|exit| {
            let owned = exit.receiver.as_ref().is_some_and(|receiver| receiver.kind == ReceiverKind::Owned);
            let take = owned.then(|| quote_spanned!(span=> let state = state.take();));
            let call = self.call(exit);
            if exit.returns.failure.is_some() {
                let text = text(exit);
                quote_spanned!(span=> #take failures.note(#call #text);)
            } else {
                quote!(#take #call;)
            }
        });
        let failures = can_fail
            .then(|| quote_spanned!(span=> let mut failures = ::wasmhost_guest::__private::Failures::default();));
        let result = can_fail.then(|| quote_spanned!(span=> failures.into_result()));
        let output = can_fail.then(|| quote!(-> ::core::result::Result<(), ::std::string::String>));
        let word = async_word(waits);
        Some(quote!(#word fn exit() #output { #failures #state #(#body)* #result }))
    }

    /// The call of one function, ended by `?` if it can fail.
    fn step(&self, function: &Function) -> TokenStream {
        let call = self.call(function);
        if function.returns.failure.is_none() {
            return call;
        }
        let text = text(function);
        quote!(#call #text?)
    }

    /// An argument of a user's function: what the caller gave, or what `build` made.
    pub(super) fn argument(&self, parameter: &Parameter) -> TokenStream {
        match &parameter.given {
            Given::Value { ty, .. } => {
                let name = &parameter.name.rust;
                self.crossing.lift(ty, quote!(#name))
            }
            Given::Built(ty) => {
                let wanted = spelled(ty);
                let is_it =
                    |build: &&Function| matches!(&build.returns.ok, Returned::Kept(ty) if spelled(ty) == wanted);
                let kept = self.class.builds().find(is_it).map(kept_name);
                quote!(#kept.with(::wasmhost_guest::__private::Slot::get))
            }
        }
    }
}

/// A hook that ends with the first of its steps that fails.
fn hook(name: &str, steps: &[&Function], signature: &[TokenStream], body: &TokenStream) -> TokenStream {
    let name = proc_macro2::Ident::new(name, Span::call_site());
    let word = async_word(steps.iter().any(|step| step.is_async));
    if steps.iter().any(|step| step.returns.failure.is_some()) {
        quote! {
            #word fn #name(#(#signature),*) -> ::core::result::Result<(), ::std::string::String> {
                #body
                ::core::result::Result::Ok(())
            }
        }
    } else {
        quote!(#word fn #name(#(#signature),*) { #body })
    }
}
