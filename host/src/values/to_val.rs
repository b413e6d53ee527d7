//! Builds a [`Value`] of a given shape from anything that is `Serialize`.
//!
//! One serializer serves Rust values from embedders and, by transcoding, text: the two spell options, cases and bytes
//! differently, and both spellings are understood here. What it must not know is which of the two it is reading.
//! Lists and objects are collected in `to_val_parts`.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use wasmtime::component::Val;

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::{Names, only_position, same_words};
use super::shape::{Int, Shape};
use super::to_val_parts::{Object, Sequence, Wrap};
use super::{Limits, Value, describe};

/// Builds a value of `shape` from any Rust value.
///
/// # Errors
/// If the value does not fit exactly; nothing is coerced.
pub(crate) fn to_value<T: Serialize + ?Sized>(
    value: &T,
    shape: &Shape,
    limits: &Limits,
    path: Path<'_>,
) -> Result<Value, ValueError> {
    Context::new(limits).run(|cx| value.serialize(ToVal { shape, path, cx }))
}

/// What one conversion shares.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) limits: &'a Limits,
    /// The first error. Serializers and transcoders in between may turn an error into its text and back, which loses
    /// path and kind, so the error itself waits here until the conversion has been unwound.
    error: RefCell<Option<ValueError>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, error: RefCell::new(None) }
    }

    /// Runs a conversion and gives its error as it was made.
    pub(super) fn run<T>(self, convert: impl FnOnce(&Self) -> Result<T, ValueError>) -> Result<T, ValueError> {
        convert(&self).map_err(|error| self.error.take().unwrap_or(error))
    }

    pub(super) fn fail(&self, error: ValueError) -> ValueError {
        let text = error.to_string();
        self.error.replace(Some(error));
        ValueError::custom(text)
    }

    /// Whether the conversion failed for a reason of ours, rather than because the text is malformed.
    pub(super) fn has_failed(&self) -> bool {
        self.error.borrow().is_some()
    }
}

/// The serializer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToVal<'a> {
    pub(super) shape: &'a Shape,
    pub(super) path: Path<'a>,
    pub(super) cx: &'a Context<'a>,
}

impl<'a> ToVal<'a> {
    /// Goes into an option that is transparent; the flag says that the value must be put into `some`.
    ///
    /// An option directly inside an option is not transparent: `none` and `some(none)` would look the same.
    fn peel(self) -> (Self, bool) {
        match self.shape {
            Shape::Option(inner) if !inner.is_option() => (Self { shape: inner, ..self }, true),
            _ => (self, false),
        }
    }

    pub(super) fn fail(&self, kind: ValueErrorKind, message: impl Into<String>) -> ValueError {
        self.cx.fail(ValueError::new(kind, &self.path, message))
    }

    pub(super) fn mismatch(&self, got: Got<'_>) -> ValueError {
        self.fail(ValueErrorKind::IllTyped, format!("needs {}, got {got}", describe::plain(self.shape)))
    }

    /// A leaf of the value: `read` gives `None` if it is not of the shape it is handed.
    fn leaf(self, got: Got<'_>, read: impl FnOnce(&Shape) -> Option<Val>) -> Result<Value, ValueError> {
        let (inner, some) = self.peel();
        let value = Value::Val(read(inner.shape).ok_or_else(|| self.mismatch(got))?);
        Ok(if some { value.some() } else { value })
    }

    fn int(self, number: i128) -> Result<Value, ValueError> {
        // The usual case, without what an option or an error would need.
        if let Shape::Int(int) = self.shape
            && let Some(val) = int.val(number)
        {
            return Ok(Value::Val(val));
        }
        self.leaf(Got::Int(number), |shape| match shape {
            Shape::Int(int) => int.val(number),
            Shape::F64 | Shape::F32 => float(shape, number as f64),
            _ => None,
        })
    }

    /// The case that `name` means. Only the names of Rust variants may be in PascalCase.
    pub(super) fn case(&self, name: &str, of_rust: bool) -> Result<usize, ValueError> {
        let find = |names: &Names| if of_rust { names.position_of_variant(name) } else { names.position(name) };
        let (found, hint) = match self.shape {
            Shape::Variant(names, _) | Shape::Enum(names) => (find(names), names),
            Shape::Result(..) => {
                let found = only_position(["ok", "err"].into_iter(), |known| {
                    known == name || (of_rust && same_words(known, name))
                });
                (found, &Names::from_iter(["ok", "err"]))
            }
            _ => return Err(self.mismatch(Got::Text(name))),
        };
        found.ok_or_else(|| {
            let got = Got::Word(name);
            self.fail(ValueErrorKind::Unknown, format!("has no case {got}; {}", hint.hint(name)))
        })
    }

    /// A case without a payload.
    pub(super) fn bare_case(&self, name: &str, of_rust: bool) -> Result<Val, ValueError> {
        let case = self.case(name, of_rust)?;
        match self.shape.payload(case) {
            Shape::Unit => Ok(self.shape.case_val(case, Val::Bool(false))),
            payload => Err(self.fail(
                ValueErrorKind::Missing,
                format!("needs a value in the case `{name}`: {{\"{name}\": …}} with {}", describe::plain(payload)),
            )),
        }
    }

    /// A part of this value, as a `Val`.
    pub(super) fn part<T: Serialize + ?Sized>(
        &self,
        shape: &Shape,
        path: Path<'_>,
        value: &T,
    ) -> Result<Val, ValueError> {
        let cx: &Context<'_> = self.cx;
        match value.serialize(ToVal { shape, path, cx })? {
            Value::Val(val) => Ok(val),
            bytes => bytes.into_val(cx.limits, &path).map_err(|error| cx.fail(error)),
        }
    }

    fn text(self, text: &str) -> Result<Value, ValueError> {
        let (inner, some) = self.peel();
        let val = match inner.shape {
            Shape::String => Val::String(text.to_owned()),
            Shape::Bytes => {
                let bytes = BASE64.decode(text).map_err(|_| self.mismatch(Got::Text(text)))?;
                return Ok(if some { Value::OptionBytes(Some(bytes)) } else { Value::Bytes(bytes) });
            }
            Shape::Variant(..) | Shape::Enum(_) => inner.bare_case(text, false)?,
            shape => scalar_from_text(shape, text).ok_or_else(|| self.mismatch(Got::Text(text)))?,
        };
        let value = Value::Val(val);
        Ok(if some { value.some() } else { value })
    }

    fn sequence(self, len: Option<usize>) -> Result<Sequence<'a>, ValueError> {
        let (inner, some) = self.peel();
        Sequence::new(inner, Wrap { some, case: None }, len)
    }

    fn object(self) -> Result<Object<'a>, ValueError> {
        let (inner, some) = self.peel();
        Object::new(inner, Wrap { some, case: None })
    }

    /// Goes into the payload of the case that a variant of a Rust enum means.
    fn into_case(self, variant: &str) -> Result<(Self, Wrap<'a>), ValueError> {
        let (inner, some) = self.peel();
        let case = inner.case(variant, true)?;
        let to = Self { shape: inner.shape.payload(case), ..inner };
        Ok((to, Wrap { some, case: Some((inner.shape, case)) }))
    }
}

/// The scalars that JSON has no literal for: characters, 64-bit integers as decimal strings, floats that are no number.
fn scalar_from_text(shape: &Shape, text: &str) -> Option<Val> {
    match shape {
        Shape::Char => {
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none()).map(Val::Char)
        }
        Shape::Int(int @ (Int::S64 | Int::U64)) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if decimal { int.val(text.parse().ok()?) } else { None }
        }
        Shape::F32 | Shape::F64 => match text {
            "NaN" => float(shape, f64::NAN),
            "Infinity" => float(shape, f64::INFINITY),
            "-Infinity" => float(shape, f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A float, or nothing where a finite number would become infinite as `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what giving it a decimal means")]
pub(super) fn float(shape: &Shape, number: f64) -> Option<Val> {
    match shape {
        Shape::F64 => Some(Val::Float64(number)),
        Shape::F32 => Some(number as f32).filter(|n| n.is_finite() || !number.is_finite()).map(Val::Float32),
        _ => None,
    }
}

macro_rules! ints {
    ($($method:ident: $ty:ty),*) => {
        $(fn $method(self, number: $ty) -> Result<Value, ValueError> { self.int(number.into()) })*
    };
}

impl<'a> Serializer for ToVal<'a> {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Sequence<'a>;
    type SerializeTuple = Sequence<'a>;
    type SerializeTupleStruct = Sequence<'a>;
    type SerializeTupleVariant = Sequence<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    ints! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    // Bytes in a plain `Vec<u8>` come one by one, millions of them: they go by no longer way than this.
    #[inline]
    fn serialize_u8(self, byte: u8) -> Result<Value, ValueError> {
        match self.shape {
            Shape::Int(Int::U8) => Ok(Value::Val(Val::U8(byte))),
            _ => self.int(byte.into()),
        }
    }

    fn serialize_u128(self, number: u128) -> Result<Value, ValueError> {
        match i128::try_from(number) {
            Ok(number) => self.int(number),
            Err(_) => Err(self.mismatch(Got::Word(&number.to_string()))),
        }
    }

    fn serialize_bool(self, value: bool) -> Result<Value, ValueError> {
        self.leaf(Got::Bool(value), |shape| (*shape == Shape::Bool).then_some(Val::Bool(value)))
    }

    fn serialize_f32(self, number: f32) -> Result<Value, ValueError> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<Value, ValueError> {
        self.leaf(Got::Float(number), |shape| float(shape, number))
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        let got = value.to_string();
        self.leaf(Got::Text(&got), |shape| (*shape == Shape::Char).then_some(Val::Char(value)))
    }

    fn serialize_str(self, text: &str) -> Result<Value, ValueError> {
        self.text(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        match self.peel() {
            (ToVal { shape: Shape::Bytes, .. }, false) => Ok(Value::Bytes(bytes.to_vec())),
            (ToVal { shape: Shape::Bytes, .. }, true) => Ok(Value::OptionBytes(Some(bytes.to_vec()))),
            _ => Err(self.mismatch(Got::Bytes(bytes.len()))),
        }
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        match self.shape {
            Shape::Option(inner) => Ok(Value::none(inner)),
            Shape::Unit => Ok(Value::unit()),
            _ => Err(self.mismatch(Got::Null)),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        match self.shape {
            Shape::Option(inner) if inner.is_option() => {
                let val = self.part(inner, self.path, value)?;
                Ok(Value::Val(Val::Option(Some(Box::new(val)))))
            }
            Shape::Option(inner) => value.serialize(Self { shape: inner, ..self }).map(Value::some),
            _ => value.serialize(self),
        }
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        let (inner, some) = self.peel();
        let value = Value::Val(match inner.shape {
            // An enum is also how Rust spells a choice of strings, and keys of maps.
            Shape::String => Val::String(variant.to_owned()),
            _ => inner.bare_case(variant, true)?,
        });
        Ok(if some { value.some() } else { value })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let (to, wrap) = self.into_case(variant)?;
        let payload = self.part(to.shape, Path::Field(&self.path, variant), value)?;
        Ok(wrap.around(payload))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Sequence<'a>, ValueError> {
        self.sequence(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Sequence<'a>, ValueError> {
        self.sequence(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Sequence<'a>, ValueError> {
        self.sequence(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Sequence<'a>, ValueError> {
        let (to, wrap) = self.into_case(variant)?;
        Sequence::new(to, wrap, Some(len))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, ValueError> {
        self.object()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, ValueError> {
        self.object()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, ValueError> {
        let (to, wrap) = self.into_case(variant)?;
        Object::new(to, wrap)
    }
}
