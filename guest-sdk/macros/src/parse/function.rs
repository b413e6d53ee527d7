//! One function with a role: its signature, and the attributes of its parameters.

use proc_macro2::{Ident, Span};
use quote::{ToTokens as _, format_ident};
use serde_json::Value as Json;
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Pat, PatType, ReturnType, Signature};

use super::attributes::{ParameterMarks, docs};
use super::default;
use super::definitions::has_no_generics;
use super::types::{Types, is_unit, spelled, type_arguments};
use crate::model::{
    Definition, Failure, Function, Given, Name, Parameter, Receiver, ReceiverKind, Returned, Returns, Role, Type,
};
use crate::names;
use crate::problems::Problems;

/// What is known around a function.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    pub(crate) types: &'a Types<'a>,
    pub(crate) definitions: &'a [Definition],
    /// The type whose function it is; `None` for one of the module.
    pub(crate) state: Option<&'a Ident>,
}

impl Around<'_> {
    /// Reads the function, and takes our attributes from its parameters.
    pub(crate) fn read(
        &self,
        role: Role,
        attributes: &[Attribute],
        signature: &mut Signature,
        problems: &mut Problems,
    ) -> Function {
        // What is generic is no value either, but that would be the same mistake.
        let mut unheard = Problems::default();
        let problems = if has_no_generics(&signature.generics, problems) { problems } else { &mut unheard };
        for (word, span) in [
            ("unsafe", signature.unsafety.map(|word| word.span)),
            ("extern", signature.abi.as_ref().map(|abi| abi.extern_token.span)),
            ("variadic", signature.variadic.as_ref().map(|variadic| variadic.dots.spans[0])),
        ] {
            if let Some(span) = span {
                problems.at(span, format!("a function that the host calls is not `{word}`"));
            }
        }
        let is_handler = matches!(role, Role::Handler);
        if is_handler {
            self.request(signature, problems);
        }
        let mut receiver = None;
        let mut parameters = Vec::new();
        for (at, input) in signature.inputs.iter_mut().enumerate() {
            match input {
                FnArg::Receiver(written) => receiver = read_receiver(written, problems),
                FnArg::Typed(_) if is_handler => {}
                FnArg::Typed(written) => parameters.extend(self.parameter(at, written, problems)),
            }
        }
        let returns = if is_handler {
            Self::response(signature, problems)
        } else {
            self.returns(&role, &signature.output, signature.ident.span(), problems)
        };
        Function {
            name: names::name(&signature.ident, problems),
            docs: docs(attributes),
            role,
            receiver,
            is_of_state: self.state.is_some(),
            is_async: signature.asyncness.is_some(),
            parameters,
            returns,
        }
    }

    fn parameter(&self, at: usize, written: &mut PatType, problems: &mut Problems) -> Option<Parameter> {
        let marks = ParameterMarks::take(&mut written.attrs, problems);
        let Pat::Ident(pattern) = &*written.pat else {
            problems.on(&written.pat, "an argument has a name, by which callers give it; take it apart in the body");
            // Callers have to give something there.
            let name = Name { rust: format_ident!("argument_{at}"), wit: format!("argument-{at}") };
            let given = Given::Value { ty: Type::UNKNOWN, default: None };
            return Some(Parameter { name, docs: marks.docs, given });
        };
        let name = names::name(&pattern.ident, problems);
        let given = match (marks.built, &marks.default) {
            (Some(attribute), Some(_)) => {
                problems.on(attribute, format!("`{}` comes from `build`, so it has no default", name.rust));
                return None;
            }
            (Some(_), None) => Given::Built(Box::new(lent(&written.ty, problems)?)),
            (None, default) => match self.types.read(&written.ty, problems) {
                Some(ty) => {
                    let default = default.as_ref().map(|value| self.default(&name, value, &ty, problems));
                    Given::Value { ty, default }
                }
                // Its name is known, which is what other checks need, and whether callers may leave it out.
                None => Given::Value { ty: Type::UNKNOWN, default: default.as_ref().map(|_| Json::Null) },
            },
        };
        Some(Parameter { name, docs: marks.docs, given })
    }

    fn default(&self, name: &Name, value: &syn::Expr, ty: &Type, problems: &mut Problems) -> Json {
        default::json(value, ty, self.definitions).unwrap_or_else(|message| {
            problems.on(value, format!("the default of `{}`: {message}", name.rust));
            Json::Null
        })
    }

    fn returns(&self, role: &Role, output: &ReturnType, name: Span, problems: &mut Problems) -> Returns {
        let ReturnType::Type(_, ty) = output else {
            return Returns { ok: Returned::Nothing, failure: None, span: name };
        };
        let (ok, failure) = match result(ty) {
            Some((ok, err)) => (ok, Some(self.failure(role, err))),
            None => (&**ty, None),
        };
        let is_state = self.is_state(ok);
        if is_state && matches!(role, Role::Build) {
            problems.on(
                ok,
                "there is no state yet when `#[build]` runs; return what `#[enter]` is to get as `#[built]`, or add \
                 `#[enter]`",
            );
        }
        let is_state = is_state && matches!(role, Role::Enter | Role::BuildAndEnter);
        let ok = match role {
            _ if is_unit(ok) => Returned::Nothing,
            _ if is_state => Returned::State,
            Role::Build => Returned::Kept(Box::new(ok.clone())),
            Role::Method(_) | Role::Handler => Returned::Value(self.types.read(ok, problems).unwrap_or(Type::UNKNOWN)),
            Role::Enter | Role::BuildAndEnter => {
                problems.on(ok, format!("an `#[enter]` function returns nothing or `Self`, not `{}`", spelled(ok)));
                Returned::Nothing
            }
            Role::Exit => {
                let message = "an `#[exit]` function returns nothing: nobody is there to take a";
                problems.on(ok, format!("{message} `{}`", spelled(ok)));
                Returned::Nothing
            }
        };
        Returns { ok, failure, span: ty.span() }
    }

    /// Errors of methods are values where they can be; those of hooks end up in a message, and all else that can be
    /// shown.
    fn failure(&self, role: &Role, err: Option<&syn::Type>) -> Failure {
        match (role, err) {
            (Role::Method(_), Some(err)) if is_unit(err) => Failure::Nothing,
            (Role::Method(_), Some(err)) => self.types.probe(err).map_or(Failure::Text, Failure::Value),
            _ => Failure::Text,
        }
    }

    fn is_state(&self, ty: &syn::Type) -> bool {
        let syn::Type::Path(path) = ty else { return false };
        let Some(state) = self.state else { return false };
        path.path.is_ident("Self") || path.path.is_ident(state)
    }
}

/// `Result<T>` and `Result<T, E>`, under whatever path.
pub(super) fn result(ty: &syn::Type) -> Option<(&syn::Type, Option<&syn::Type>)> {
    let syn::Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    match type_arguments(last).as_slice() {
        [ok] => Some((ok, None)),
        [ok, err] => Some((ok, Some(err))),
        _ => None,
    }
}

fn read_receiver(written: &syn::Receiver, problems: &mut Problems) -> Option<Receiver> {
    if written.colon_token.is_some() {
        problems.on(written, "the state is taken as `&self`, `&mut self`, or, in `#[exit]`, `self`");
        return None;
    }
    let kind = match (&written.reference, written.mutability) {
        (None, _) => ReceiverKind::Owned,
        (Some(_), None) => ReceiverKind::Shared,
        (Some(_), Some(_)) => ReceiverKind::Exclusive,
    };
    Some(Receiver { kind, written: written.to_token_stream() })
}

/// The type in `&'static T`: what `build` made stays where it is, and is lent.
fn lent(ty: &syn::Type, problems: &mut Problems) -> Option<syn::Type> {
    if let syn::Type::Reference(reference) = ty
        && reference.mutability.is_none()
        && reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
    {
        return Some((*reference.elem).clone());
    }
    let inner = match ty {
        syn::Type::Reference(reference) => &*reference.elem,
        other => other,
    };
    problems.on(
        ty,
        format!("what `build` made is lent for as long as the instance lives; write `&'static {}`", spelled(inner)),
    );
    None
}
