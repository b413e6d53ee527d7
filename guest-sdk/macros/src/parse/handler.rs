//! A web handler: a function that takes a request and gives a response, neither of which is a value.

use syn::{FnArg, ReturnType, Signature};

use super::function::{Around, result};
use super::types::spelled;
use crate::model::{Failure, Returned, Returns};
use crate::problems::Problems;

impl Around<'_> {
    /// Checks what a handler takes: its state, and the request.
    pub(super) fn request(&self, signature: &Signature, problems: &mut Problems) {
        let name = &signature.ident;
        let mut arguments = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(written) => Some(written),
            FnArg::Receiver(_) => None,
        });
        let Some(first) = arguments.next() else {
            problems.on(name, format!("the web handler `{name}` takes what it answers; write `request: Request`"));
            return;
        };
        if last_name(&first.ty).is_none_or(|last| last != "Request") {
            let message =
                format!("a web handler takes a `Request`, not `{}`; write `request: Request`", spelled(&first.ty));
            problems.on(&first.ty, message);
        }
        for more in arguments {
            let message = "a web handler takes the request alone; its path, query and headers are in there, and parameters \
                           are arguments of `#[enter]`";
            problems.on(more, message);
        }
    }

    /// Reads what a handler gives.
    pub(super) fn response(signature: &Signature, problems: &mut Problems) -> Returns {
        let ReturnType::Type(_, ty) = &signature.output else {
            let name = &signature.ident;
            let message = format!("the web handler `{name}` gives a response; write `-> Result<Response>`");
            problems.on(name, message);
            return Returns { ok: Returned::Nothing, failure: None, span: name.span() };
        };
        let (ok, failure) = match result(ty) {
            Some((ok, _)) => (ok, Some(Failure::Text)),
            None => (&**ty, None),
        };
        if last_name(ok).is_none_or(|last| last != "Response") {
            let message = format!(
                "a web handler gives a `Response`, not `{}`; write `-> Result<Response>`, or make it a method with a \
                 route, such as `#[get(\"/\")]`",
                spelled(ok)
            );
            problems.on(ok, message);
        }
        Returns { ok: Returned::Nothing, failure, span: syn::spanned::Spanned::span(&**ty) }
    }
}

/// The last part of a type's path.
fn last_name(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
