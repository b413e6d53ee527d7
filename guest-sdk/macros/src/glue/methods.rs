//! What the host calls for a method: take the state, call the user's function, turn its result.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Glue, async_word, awaited};
use crate::model::{Failure, Function, Given, Parameter, ReceiverKind, Returned};
use crate::{names, wit};

impl Glue<'_> {
    /// The function of the bindings' trait that stands for a method.
    pub(super) fn method(&self, method: &Function) -> TokenStream {
        let name = proc_macro2::Ident::new(&names::in_bindings(&method.name.wit), Span::call_site());
        let waits = method.is_async || wit::waits(self.class);
        let word = async_word(waits);
        let signature = method.values().map(|(parameter, ..)| self.signature(parameter));
        let output = self.output(method);
        let state = method.receiver.as_ref().map(|receiver| take_state(receiver.kind, wit::waits(self.class)));
        let call = self.call(method);
        let returned = self.returned(method);
        let span = Span::mixed_site();
        quote_spanned! {span=>
            #word fn #name(#(#signature),*) #output {
                #state
                let returned = #call;
                #returned
            }
        }
    }

    /// An argument as the bindings pass it.
    pub(super) fn signature(&self, parameter: &Parameter) -> TokenStream {
        let name = &parameter.name.rust;
        match &parameter.given {
            Given::Value { ty, .. } => {
                let ty = self.crossing.bound(ty);
                quote!(#name: #ty)
            }
            Given::Built(_) => TokenStream::new(),
        }
    }

    /// The call of a user's function, with the state, if it takes one, in the local variable `state`.
    pub(super) fn call(&self, function: &Function) -> TokenStream {
        let span = Span::mixed_site();
        let path = self.path(function);
        let receiver = function.receiver.as_ref().map(|receiver| match receiver.kind {
            ReceiverKind::Owned => quote_spanned!(span=> state,),
            ReceiverKind::Shared => quote_spanned!(span=> &state,),
            ReceiverKind::Exclusive => quote_spanned!(span=> &mut state,),
        });
        let arguments = function.parameters.iter().map(|parameter| self.argument(parameter));
        let awaited = awaited(function.is_async);
        quote!(#path(#receiver #(#arguments),*)#awaited)
    }

    fn output(&self, method: &Function) -> Option<TokenStream> {
        let ok = match &method.returns.ok {
            Returned::Value(ty) => Some(self.crossing.bound(ty)),
            _ => None,
        };
        let err = match &method.returns.failure {
            None => return ok.map(|ok| quote!(-> #ok)),
            Some(Failure::Nothing) => quote!(()),
            Some(Failure::Text) => quote!(::std::string::String),
            Some(Failure::Value(ty)) => self.crossing.bound(ty),
        };
        let ok = ok.unwrap_or_else(|| quote!(()));
        Some(quote!(-> ::core::result::Result<#ok, #err>))
    }

    /// What the user's function returned, in the local variable `returned`, as the bindings want it.
    fn returned(&self, method: &Function) -> TokenStream {
        let span = Span::mixed_site();
        let ok_type = match &method.returns.ok {
            Returned::Value(ty) => Some(ty).filter(|ty| !self.crossing.is_same(ty)),
            _ => None,
        };
        let returned = quote_spanned!(span=> returned);
        if method.returns.failure.is_none() {
            return ok_type.map_or_else(|| returned.clone(), |ty| self.crossing.lower(ty, returned.clone()));
        }
        let ok = ok_type.map(|ty| {
            let ok = self.crossing.lower(ty, quote!(ok));
            quote!(.map(|ok| #ok))
        });
        let err = match &method.returns.failure {
            Some(Failure::Text) => Some(text(method)),
            Some(Failure::Value(ty)) if !self.crossing.is_same(ty) => {
                let err = self.crossing.lower(ty, quote!(err));
                Some(quote!(.map_err(|err| #err)))
            }
            _ => None,
        };
        quote!(#returned #ok #err)
    }
}

/// Takes the state into the local variable `state`.
pub(super) fn take_state(kind: ReceiverKind, waits: bool) -> TokenStream {
    let span = Span::mixed_site();
    let lock = quote!(STATE.with(::wasmhost_guest::__private::Slot::get));
    match (kind, waits) {
        (ReceiverKind::Shared, false) => quote_spanned!(span=> let state = #lock.shared();),
        (ReceiverKind::Shared, true) => quote_spanned!(span=> let state = #lock.shared().await;),
        (_, false) => quote_spanned!(span=> let mut state = #lock.exclusive();),
        (_, true) => quote_spanned!(span=> let mut state = #lock.exclusive().await;),
    }
}

/// Turns an error into text. An error that has none is reported at the function's result.
pub(super) fn text(function: &Function) -> TokenStream {
    let span = function.returns.span.resolved_at(Span::mixed_site());
    quote_spanned!(span=> .map_err(|error| ::wasmhost_guest::__text!(error)))
}
