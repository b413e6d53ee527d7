//! The arguments of a function, or the parameters of a class, by name: which there are, and how callers give them.
//!
//! Every name that is unknown, repeated, missing or ill-typed is an error; nothing is dropped. Where the names come
//! from, a body, a query or a command line, is the caller's affair.

use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct, Serializer};
use wasmtime::component::{Type, Val};

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::shape::{NotCallable, Shape};
use super::to_val::{Context, ToVal};
use super::{Limits, Value, describe, json, literal, to_value};

/// What the names stand for, in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Argument,
    Parameter,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Parameter => "parameter",
        }
    }
}

/// Arguments in the order of their declaration, with their types and defaults.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    what: What,
    names: Names,
    shapes: Box<[Shape]>,
    defaults: Box<[Option<Value>]>,
}

/// One argument as a caller gave it.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    Value(Value),
    Json(&'a [u8]),
    Shell(&'a str),
    /// Percent-decoded.
    Query(&'a str),
}

impl Signature {
    /// Reads the parameters of a component's function.
    ///
    /// # Errors
    /// If one of them cannot be passed; the reason names it.
    pub(crate) fn new<'a>(
        what: What,
        params: impl IntoIterator<Item = (&'a str, Type)>,
    ) -> Result<Self, NotCallable> {
        let shapes = params.into_iter().map(|(name, ty)| match Shape::new(&ty) {
            Ok(shape) => Ok((name, shape)),
            Err(NotCallable(reason)) => Err(NotCallable(format!("{} `{name}` {reason}", what.word()))),
        });
        Ok(Self::from_shapes(what, shapes.collect::<Result<Vec<_>, _>>()?))
    }

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
            let message = match self.is_empty() {
                true => format!("unknown {} {}; there are none", self.what.word(), Got::Word(name)),
                false => format!("unknown {} {}; {}", self.what.word(), Got::Word(name), self.names.hint(name)),
            };
            ValueError::new(ValueErrorKind::Unknown, &Path::Root, message)
        })
    }
}

/// The arguments given so far.
struct Given<'a> {
    signature: &'a Signature,
    values: Vec<Option<Value>>,
}

impl<'a> Given<'a> {
    fn new(signature: &'a Signature) -> Self {
        Self { signature, values: vec![None; signature.len()] }
    }

    /// Where the argument of this name belongs, if it was not given before.
    fn position(&self, name: &str) -> Result<usize, ValueError> {
        let index = self.signature.position(name)?;
        if self.values[index].is_some() {
            let message = format!("{} {} is given twice", self.signature.what.word(), Got::Word(name));
            return Err(ValueError::new(ValueErrorKind::Repeated, &Path::Root, message));
        }
        Ok(index)
    }

    /// Fills in defaults, then `none`.
    fn finish(self) -> Result<Vec<Value>, ValueError> {
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

/// Serializes into all arguments at once.
#[derive(Clone, Copy)]
struct ToArguments<'a> {
    signature: &'a Signature,
    cx: &'a Context<'a>,
}

impl<'a> ToArguments<'a> {
    fn refuse<T>(self, got: Got<'_>) -> Result<T, ValueError> {
        let word = self.signature.what.word();
        let message = format!("needs the {word}s as an object by name, or as a list in their order, got {got}");
        Err(self.cx.fail(ValueError::new(ValueErrorKind::IllTyped, &Path::Root, message)))
    }

    fn collect(self) -> Collect<'a> {
        Collect { to: self, given: Given::new(self.signature), next: 0, name: String::new() }
    }
}

/// Collects arguments by name or by position.
struct Collect<'a> {
    to: ToArguments<'a>,
    given: Given<'a>,
    next: usize,
    name: String,
}

impl Collect<'_> {
    fn set<T: Serialize + ?Sized>(&mut self, index: usize, value: &T) -> Result<(), ValueError> {
        let ToArguments { signature, cx } = self.to;
        let path = Path::Name(signature.names.name(index));
        self.given.values[index] = Some(value.serialize(ToVal { shape: &signature.shapes[index], path, cx })?);
        Ok(())
    }

    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ValueError> {
        let index = self.given.position(name).map_err(|error| self.to.cx.fail(error))?;
        self.set(index, value)
    }

    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let signature = self.to.signature;
        if self.next == signature.len() {
            let plural = if signature.len() == 1 { "" } else { "s" };
            let message = format!("takes {} {}{plural}, got more", signature.len(), signature.what.word());
            return Err(self.to.cx.fail(ValueError::new(ValueErrorKind::Unknown, &Path::Root, message)));
        }
        self.next += 1;
        self.set(self.next - 1, value)
    }

    fn finish(self) -> Result<Vec<Value>, ValueError> {
        let cx = self.to.cx;
        self.given.finish().map_err(|error| cx.fail(error))
    }
}

macro_rules! refuse {
    ($($method:ident($ty:ty): $got:expr),* $(,)?) => {
        $(fn $method(self, value: $ty) -> Result<Vec<Value>, ValueError> { self.refuse($got(value)) })*
    };
}

impl<'a> Serializer for ToArguments<'a> {
    type Ok = Vec<Value>;
    type Error = ValueError;
    type SerializeSeq = Collect<'a>;
    type SerializeTuple = Collect<'a>;
    type SerializeTupleStruct = Collect<'a>;
    type SerializeTupleVariant = Impossible<Vec<Value>, ValueError>;
    type SerializeMap = Collect<'a>;
    type SerializeStruct = Collect<'a>;
    type SerializeStructVariant = Impossible<Vec<Value>, ValueError>;

    refuse! {
        serialize_bool(bool): Got::Bool,
        serialize_i8(i8): |n| Got::Int(i128::from(n)),
        serialize_i16(i16): |n| Got::Int(i128::from(n)),
        serialize_i32(i32): |n| Got::Int(i128::from(n)),
        serialize_i64(i64): |n| Got::Int(i128::from(n)),
        serialize_u8(u8): |n| Got::Int(i128::from(n)),
        serialize_u16(u16): |n| Got::Int(i128::from(n)),
        serialize_u32(u32): |n| Got::Int(i128::from(n)),
        serialize_u64(u64): |n| Got::Int(i128::from(n)),
        serialize_f32(f32): |n| Got::Float(f64::from(n)),
        serialize_f64(f64): Got::Float,
        serialize_str(&str): Got::Text,
        serialize_bytes(&[u8]): |bytes: &[u8]| Got::Bytes(bytes.len()),
    }

    fn serialize_char(self, value: char) -> Result<Vec<Value>, ValueError> {
        self.refuse(Got::Text(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_none(self) -> Result<Vec<Value>, ValueError> {
        self.collect().finish()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<Value>, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Vec<Value>, ValueError> {
        self.collect().finish()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Vec<Value>, ValueError> {
        self.collect().finish()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Vec<Value>, ValueError> {
        self.refuse(Got::Text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<Value>, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<Vec<Value>, ValueError> {
        self.refuse(Got::Text(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Collect<'a>, ValueError> {
        Ok(self.collect())
    }

    fn serialize_tuple(self, _: usize) -> Result<Collect<'a>, ValueError> {
        Ok(self.collect())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Collect<'a>, ValueError> {
        Ok(self.collect())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ValueError> {
        self.refuse(Got::Text(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Collect<'a>, ValueError> {
        Ok(self.collect())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Collect<'a>, ValueError> {
        Ok(self.collect())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ValueError> {
        self.refuse(Got::Text(variant))
    }
}

macro_rules! by_position {
    ($($trait:ident::$method:ident),*) => {
        $(impl $trait for Collect<'_> {
            type Ok = Vec<Value>;
            type Error = ValueError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> { self.next(value) }
            fn end(self) -> Result<Vec<Value>, ValueError> { self.finish() }
        })*
    };
}

by_position! { SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field }

impl SerializeStruct for Collect<'_> {
    type Ok = Vec<Value>;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
        self.named(name, value)
    }

    fn end(self) -> Result<Vec<Value>, ValueError> {
        self.finish()
    }
}

impl SerializeMap for Collect<'_> {
    type Ok = Vec<Value>;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let to = ToVal { shape: &Shape::String, path: Path::Root, cx: self.to.cx };
        if let Value::Val(Val::String(name)) = key.serialize(to)? {
            self.name = name;
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let name = std::mem::take(&mut self.name);
        self.named(&name, value)
    }

    fn end(self) -> Result<Vec<Value>, ValueError> {
        self.finish()
    }
}
