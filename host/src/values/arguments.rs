//! The arguments of a function, or the parameters of a class, by name: which there are, and how callers give them.
//!
//! Every name that is unknown, repeated, missing or ill-typed is an error; nothing is dropped. Where the names come
//! from, a body, a query or a command line, is the caller's affair.

use serde::Serialize;

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::shape::Shape;
use super::to_arguments::ToArguments;
use super::to_val::Context;
use super::{Limits, Value, describe, json, literal, to_value};

/// What the names stand for, in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Argument,
    Parameter,
}

impl What {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Parameter => "parameter",
        }
    }
}

/// Arguments in the order of their declaration, with their types and defaults.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(super) what: What,
    pub(super) names: Names,
    pub(super) shapes: Box<[Shape]>,
    defaults: Box<[Option<Value>]>,
}

/// One argument as a caller gave it.
#[derive(Debug, Clone)]
#[allow(
    dead_code,
    reason = "the fronts that take queries and values arrive with serving; the rules of each are settled here"
)]
pub(crate) enum Source<'a> {
    Value(Value),
    Json(&'a [u8]),
    Shell(&'a str),
    /// Percent-decoded.
    Query(&'a str),
}

#[expect(clippy::wrong_self_convention, reason = "it is the arguments that come from what is named, not the signature")]
impl Signature {
    pub(crate) fn from_shapes<'a>(what: What, shapes: impl IntoIterator<Item = (&'a str, Shape)>) -> Self {
        let (names, shapes): (Vec<_>, Vec<_>) = shapes.into_iter().unzip();
        let defaults = vec![None; names.len()].into();
        Self { what, names: names.into_iter().collect(), shapes: shapes.into(), defaults }
    }

    /// Sets the default of an argument, as a manifest gives it.
    ///
    /// # Errors
    /// If there is no such argument, or the default does not fit it.
    pub(crate) fn set_default<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
        limits: &Limits,
    ) -> Result<(), ValueError> {
        let index = self.position(name)?;
        let path = Path::Name(self.names.name(index));
        self.defaults[index] = Some(to_value(value, &self.shapes[index], limits, path)?);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names and shapes in the order of their declaration.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Shape)> {
        self.names.iter().zip(&self.shapes)
    }

    /// The shape of an argument, with `_` = `-` in its name.
    pub(crate) fn shape(&self, name: &str) -> Option<&Shape> {
        self.names.position(name).map(|index| &self.shapes[index])
    }

    /// The default of an argument, with `_` = `-` in its name.
    pub(crate) fn default_of(&self, name: &str) -> Option<&Value> {
        self.names.position(name).and_then(|index| self.defaults[index].as_ref())
    }

    /// Takes arguments from a Rust value: a struct or map by name, a tuple or list by position, `()` for none.
    ///
    /// # Errors
    /// As described for this module.
    pub(crate) fn from_serde<T: Serialize + ?Sized>(
        &self,
        arguments: &T,
        limits: &Limits,
    ) -> Result<Vec<Value>, ValueError> {
        Context::new(limits).run(|cx| arguments.serialize(ToArguments { signature: self, cx }))
    }

    /// Takes arguments from a JSON document: an object by name, a list by position, `null` for none.
    ///
    /// # Errors
    /// As described for this module, or if the text is not JSON.
    #[allow(dead_code, reason = "bodies of requests arrive with serving")]
    pub(crate) fn from_json(&self, text: &[u8], limits: &Limits) -> Result<Vec<Value>, ValueError> {
        json::read_with(text, limits, Path::Root, |json, cx| {
            serde_transcode::transcode(json, ToArguments { signature: self, cx })
        })
    }

    /// Takes arguments one by one, each under its name.
    ///
    /// # Errors
    /// As described for this module.
    pub(crate) fn from_named<'a, N: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = (N, Source<'a>)>,
        limits: &Limits,
    ) -> Result<Vec<Value>, ValueError> {
        let mut given = Given::new(self);
        for (name, source) in arguments {
            let index = given.position(name.as_ref())?;
            let (shape, path) = (&self.shapes[index], Path::Name(self.names.name(index)));
            given.values[index] = Some(match source {
                Source::Value(value) => value,
                Source::Json(text) => json::read(text, shape, limits, path)?,
                Source::Shell(text) => literal::from_shell(text, shape, limits, path)?,
                Source::Query(text) => literal::from_query(text, shape, limits, path)?,
            });
        }
        given.finish()
    }

    fn position(&self, name: &str) -> Result<usize, ValueError> {
        self.names.position(name).ok_or_else(|| {
            let hint = if self.is_empty() { "there are none".into() } else { self.names.hint(name) };
            let message = format!("unknown {} {}; {hint}", self.what.word(), Got::Word(name));
            ValueError::new(ValueErrorKind::Unknown, &Path::Root, message)
        })
    }
}

/// The arguments given so far.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) signature: &'a Signature,
    pub(super) values: Vec<Option<Value>>,
}

impl<'a> Given<'a> {
    pub(super) fn new(signature: &'a Signature) -> Self {
        Self { signature, values: vec![None; signature.len()] }
    }

    /// Where the argument of this name belongs, if it was not given before.
    pub(super) fn position(&self, name: &str) -> Result<usize, ValueError> {
        let index = self.signature.position(name)?;
        if self.values[index].is_some() {
            let message = format!("{} {} is given twice", self.signature.what.word(), Got::Word(name));
            return Err(ValueError::new(ValueErrorKind::Repeated, &Path::Root, message));
        }
        Ok(index)
    }

    /// Fills in defaults, then `none`.
    pub(super) fn finish(self) -> Result<Vec<Value>, ValueError> {
        if self.values.iter().all(Option::is_some) {
            return Ok(self.values.into_iter().map_while(|value| value).collect());
        }
        let signature = self.signature;
        let mut missing = Vec::new();
        let mut values = Vec::with_capacity(signature.len());
        for (index, (value, (name, shape))) in self.values.into_iter().zip(signature.iter()).enumerate() {
            match (value.or_else(|| signature.defaults[index].clone()), shape) {
                (Some(value), _) => values.push(value),
                (None, Shape::Option(inner)) => values.push(Value::none(inner)),
                (None, shape) => missing.push(format!("`{name}` ({})", describe::plain(shape))),
            }
        }
        if missing.is_empty() {
            return Ok(values);
        }
        let plural = if missing.len() == 1 { "" } else { "s" };
        let message = format!("missing {}{plural} {}", signature.what.word(), missing.join(", "));
        Err(ValueError::new(ValueErrorKind::Missing, &Path::Root, message))
    }
}
