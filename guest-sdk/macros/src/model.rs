//! A class as the macros understand it, between what was written and what is generated.
//!
//! It keeps the user's own tokens where something generated has to name them, so that the compiler's errors point at
//! them. It must not know how a class is written (`parse`), nor WIT, JSON or bindings (`wit`, `section`, `glue`).

use proc_macro2::{Ident, Span, TokenStream};
use serde_json::Value as Json;

/// A class: what one `#[class]` module, one `#[function]` or the `#[main]` says.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) form: Form,
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) settings: Vec<Setting>,
    /// The type whose functions the hooks and methods are; `None` where all of them are functions of the module.
    pub(crate) state: Option<Ident>,
    pub(crate) types: Vec<Definition>,
    pub(crate) functions: Vec<Function>,
}

/// As what a class was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Module,
    Function,
    /// The entrypoint: no class, but like one with one method, exported at the root.
    Main,
    /// A web handler by itself: no class, and nothing but the handler.
    Handler,
}

/// A name as it was written and as WIT spells it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) rust: Ident,
    pub(crate) wit: String,
}

/// One setting of the attribute, checked and ready for the manifest.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As the manifest spells it.
    pub(crate) key: &'static str,
    pub(crate) value: Json,
    pub(crate) written: TokenStream,
}

/// A function with a role.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) role: Role,
    pub(crate) receiver: Option<Receiver>,
    /// Whether it belongs to the state's type, or to the module.
    pub(crate) is_of_state: bool,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
}

/// What a function is for.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Build,
    Enter,
    /// `#[build] #[enter]`: runs at both times.
    BuildAndEnter,
    Exit,
    Method(Option<Route>),
    /// `#[web]`: answers the requests that no route does.
    Handler,
}

/// How a function takes its state.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) kind: ReceiverKind,
    pub(crate) written: TokenStream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverKind {
    /// `self`
    Owned,
    /// `&self`
    Shared,
    /// `&mut self`
    Exclusive,
}

/// One argument of a function.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) given: Given,
}

/// Where the value of a parameter comes from.
#[derive(Debug)]
pub(crate) enum Given {
    /// The caller.
    Value { ty: Type, default: Option<Json> },
    /// `build`: what the `#[build]` function with this type returned.
    Built(Box<syn::Type>),
}

/// What a function returns.
#[derive(Debug)]
pub(crate) struct Returns {
    pub(crate) ok: Returned,
    pub(crate) failure: Option<Failure>,
    pub(crate) span: Span,
}

/// What a function returns if it succeeds.
#[derive(Debug)]
pub(crate) enum Returned {
    Nothing,
    /// The state: it is the constructor.
    State,
    /// Something that `build` keeps for `enter`.
    Kept(Box<syn::Type>),
    /// An answer.
    Value(Type),
}

/// The error of a function that can fail.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Becomes text, with its sources.
    Text,
    /// Is a value itself.
    Value(Type),
    /// `()`
    Nothing,
}

/// A verb and a path.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    pub(crate) path: String,
    /// The names the path binds.
    pub(crate) captures: Vec<String>,
    pub(crate) span: Span,
}

/// A type of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Plain(Plain),
    Duration,
    List(Box<Self>),
    Option(Box<Self>),
    Result(Option<Box<Self>>, Option<Box<Self>>),
    Tuple(Vec<Self>),
    Map(MapKind, Box<Self>, Box<Self>),
    /// One of the class's own definitions.
    Own(Ident),
}

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Bool,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Char,
    String,
}

/// Which map of the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapKind {
    Hash,
    BTree,
}

/// A type with `#[derive(Value)]`.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) kind: Kind,
    /// Whether `Clone` is derived, which bindings ask of enums.
    pub(crate) is_clone: bool,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A struct with named fields.
    Record(Vec<Field>),
    /// A struct whose fields have no names: around one value it is that value, else a tuple of them.
    Unnamed(Vec<Type>),
    /// An enum without payloads.
    Enum(Vec<Case>),
    /// An enum with some.
    Variant(Vec<Case>),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) ty: Type,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) payload: Payload,
}

/// What is in a case.
#[derive(Debug)]
pub(crate) enum Payload {
    Nothing,
    /// Values without names: one is that value, several are a tuple.
    Values(Vec<Type>),
    /// Values with names: a record, which WIT wants a name for.
    Fields(Vec<Field>),
}

impl Class {
    /// The definition of an own type.
    pub(crate) fn definition(&self, name: &Ident) -> Option<&Definition> {
        self.types.iter().find(|definition| definition.name.rust == *name)
    }

    /// The names that its types have in WIT.
    pub(crate) fn type_names(&self) -> Vec<Name> {
        let records = self.types.iter().flat_map(|definition| definition.records().map(|(name, ..)| name));
        self.types.iter().map(|definition| definition.name.clone()).chain(records).collect()
    }

    /// How many calls an instance runs at a time.
    pub(crate) fn concurrency(&self) -> u64 {
        self.setting("concurrency").and_then(|setting| setting.value.as_u64()).unwrap_or(1)
    }

    /// The setting `key`, if it was given.
    pub(crate) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    pub(crate) fn builds(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| matches!(function.role, Role::Build | Role::BuildAndEnter))
    }

    pub(crate) fn enters(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| matches!(function.role, Role::Enter | Role::BuildAndEnter))
    }

    pub(crate) fn exits(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| matches!(function.role, Role::Exit))
    }

    pub(crate) fn methods(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| matches!(function.role, Role::Method(_)))
    }

    /// The `#[web]` functions, of which there is one at most.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| matches!(function.role, Role::Handler))
    }

    /// Whether it has hooks or methods, which are what its interface is made of.
    pub(crate) fn has_interface(&self) -> bool {
        self.has_enter() || self.functions.iter().any(|function| !matches!(function.role, Role::Handler))
    }

    /// The `#[enter]` function that returns the state.
    pub(crate) fn constructor(&self) -> Option<&Function> {
        self.enters().find(|function| function.is_constructor())
    }

    /// The type of the state, if instances have one: some function takes it, or makes it.
    pub(crate) fn kept_state(&self) -> Option<&Ident> {
        let has_state = |function: &Function| function.receiver.is_some() || function.is_constructor();
        self.state.as_ref().filter(|_| self.functions.iter().any(has_state))
    }

    /// Whether instances have to be entered: there are steps to run, or a state to make.
    pub(crate) fn has_enter(&self) -> bool {
        self.enters().next().is_some() || self.kept_state().is_some()
    }
}

impl Function {
    pub(crate) fn is_constructor(&self) -> bool {
        matches!(self.returns.ok, Returned::State)
    }

    /// The parameters that a caller gives.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&Parameter, &Type, Option<&Json>)> {
        self.parameters.iter().filter_map(|parameter| match &parameter.given {
            Given::Value { ty, default } => Some((parameter, ty, default.as_ref())),
            Given::Built(_) => None,
        })
    }

    /// The route, if it is a method with one.
    pub(crate) fn route(&self) -> Option<&Route> {
        match &self.role {
            Role::Method(route) => route.as_ref(),
            _ => None,
        }
    }
}

impl Type {
    /// What stands for a type that was reported to be none of values. Nothing but a handle is made of it.
    pub(crate) const UNKNOWN: Self = Self::Tuple(Vec::new());

    /// Whether it is, or is made of, one that was reported.
    pub(crate) fn is_unknown(&self) -> bool {
        self.any(&|part| *part == Self::UNKNOWN)
    }

    /// The types it is directly made of.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Plain(_) | Self::Duration | Self::Own(_) => Vec::new(),
            Self::List(part) | Self::Option(part) => vec![part],
            Self::Result(ok, err) => ok.iter().chain(err).map(AsRef::as_ref).collect(),
            Self::Tuple(parts) => parts.iter().collect(),
            Self::Map(_, key, value) => vec![key, value],
        }
    }

    /// Whether `found` holds for it or for something it is made of, own types not looked into.
    pub(crate) fn any(&self, found: &impl Fn(&Self) -> bool) -> bool {
        found(self) || self.parts().into_iter().any(|part| part.any(found))
    }
}

impl Payload {
    /// The types of the values in it.
    pub(crate) fn types(&self) -> Vec<&Type> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Values(types) => types.iter().collect(),
            Self::Fields(fields) => fields.iter().map(|field| &field.ty).collect(),
        }
    }
}

impl Definition {
    /// The cases with named fields, each with the name of its record.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Name, &Case, &[Field])> {
        let cases = match &self.kind {
            Kind::Variant(cases) => cases.as_slice(),
            _ => &[],
        };
        cases.iter().filter_map(|case| match &case.payload {
            Payload::Fields(fields) => Some((self.record(case), case, fields.as_slice())),
            _ => None,
        })
    }

    /// The name of the record in a case.
    pub(crate) fn record(&self, case: &Case) -> Name {
        Name { rust: case.name.rust.clone(), wit: format!("{}-{}", self.name.wit, case.name.wit) }
    }

    /// The types of its fields or payloads.
    pub(crate) fn parts(&self) -> Vec<&Type> {
        match &self.kind {
            Kind::Record(fields) => fields.iter().map(|field| &field.ty).collect(),
            Kind::Unnamed(types) => types.iter().collect(),
            Kind::Enum(cases) | Kind::Variant(cases) => cases.iter().flat_map(|case| case.payload.types()).collect(),
        }
    }
}
