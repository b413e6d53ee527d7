//! What the host calls for a web handler: take the state, call the user's function, and let the runtime answer.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::Glue;
use super::methods::{take_state, text};
use super::{async_word, awaited};
use crate::model::{Function, ReceiverKind};
use crate::wit;

impl Glue<'_> {
    /// The handler, and its export: of `wasi:http` 0.3 if it has to wait, else of 0.2.
    pub(super) fn handler(&self, handler: &Function) -> TokenStream {
        let span = Span::mixed_site();
        let waits = handler.is_async || wit::waits(self.class);
        let path = self.path(handler);
        let state = handler.receiver.as_ref().map(|receiver| take_state(receiver.kind, wit::waits(self.class)));
        let receiver = handler.receiver.as_ref().map(|receiver| match receiver.kind {
            ReceiverKind::Exclusive => quote_spanned!(span=> &mut state,),
            ReceiverKind::Owned | ReceiverKind::Shared => quote_spanned!(span=> &state,),
        });
        let (word, awaited) = (async_word(waits), awaited(handler.is_async));
        let call = quote_spanned!(span=> #path(#receiver request)#awaited);
        let returned = if handler.returns.failure.is_some() {
            let text = text(handler);
            quote!(#call #text)
        } else {
            quote!(::core::result::Result::Ok(#call))
        };
        let answer = quote_spanned! {span=>
            #word |request: ::wasmhost_guest::web::Request| {
                #state
                let answer: ::core::result::Result<::wasmhost_guest::web::Response, ::std::string::String> = #returned;
                answer
            }
        };
        if waits {
            quote_spanned! {span=>
                impl ::wasmhost_guest::__private::handler::exports::wasi::http::handler::Guest for __Class {
                    async fn handle(
                        request: ::wasmhost_guest::__private::handler::wasi::http::types::Request,
                    ) -> ::core::result::Result<
                        ::wasmhost_guest::__private::handler::wasi::http::types::Response,
                        ::wasmhost_guest::__private::handler::wasi::http::types::ErrorCode,
                    > {
                        ::wasmhost_guest::__private::serve_shared(request, #answer).await
                    }
                }

                ::wasmhost_guest::__private::handler::export_web_handler!(
                    __Class with_types_in ::wasmhost_guest::__private::handler
                );
            }
        } else {
            quote_spanned! {span=>
                impl ::wasmhost_guest::__private::wasip2::exports::http::incoming_handler::Guest for __Class {
                    fn handle(
                        request: ::wasmhost_guest::__private::wasip2::http::types::IncomingRequest,
                        response: ::wasmhost_guest::__private::wasip2::http::types::ResponseOutparam,
                    ) {
                        ::wasmhost_guest::__private::serve(request, response, #answer)
                    }
                }

                ::wasmhost_guest::__private::wasip2::http::proxy::export!(__Class);
            }
        }
    }
}
