//! Reads a [`Value`] of a given shape into anything that is `Deserialize`.
//!
//! A typed target says what it expects, and gets the Rust form: `Result`, `Option<Option<T>>`, bytes, enums, floats
//! that are no number. A target that takes anything, such as `serde_json::Value` or a serializer of JSON, gets the JSON
//! form, with names as WIT spells them. There is no third form and no switch between the two.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use wasmtime::component::Val;

use super::error::ValueError;
use super::from_val_parts::{Case, Elements, Entries};
use super::names::{Names, only_position, same, same_words};
use super::shape::Shape;
use super::{Value, describe};

/// Reads a value into a Rust type. Long strings and bytes are moved, not copied.
///
/// # Errors
/// If `T` does not fit the shape, or refuses the value.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value, shape: &Shape) -> Result<T, ValueError> {
    match value {
        Value::Val(Val::String(text)) => T::deserialize(FromVal { from: From::String(text), shape }),
        Value::Val(val) => T::deserialize(FromVal { from: From::Val(&val), shape }),
        Value::Bytes(bytes) | Value::OptionBytes(Some(bytes)) => {
            T::deserialize(FromVal { from: From::Bytes(bytes.into()), shape })
        }
        Value::OptionBytes(None) => T::deserialize(FromVal { from: From::None, shape }),
    }
}

/// The deserializer.
#[derive(Debug)]
pub(super) struct FromVal<'a> {
    from: From<'a>,
    shape: &'a Shape,
}

#[derive(Debug)]
enum From<'a> {
    Val(&'a Val),
    /// A name, or a case without a payload.
    Str(&'a str),
    String(String),
    /// A `list<u8>`, or the `some` of an option of one.
    Bytes(Cow<'a, [u8]>),
    None,
    Unit,
    /// An entry of a map, as a pair.
    Entry(&'a (Val, Val)),
}

impl<'a> FromVal<'a> {
    pub(super) fn new(value: &'a Value, shape: &'a Shape) -> Self {
        let from = match value {
            Value::Val(val) => From::Val(val),
            Value::Bytes(bytes) | Value::OptionBytes(Some(bytes)) => From::Bytes(bytes.into()),
            Value::OptionBytes(None) => From::None,
        };
        Self { from, shape }
    }

    fn val(val: &'a Val, shape: &'a Shape) -> Self {
        Self { from: From::Val(val), shape }
    }

    pub(super) fn name(name: &'a str) -> Self {
        Self { from: From::Str(name), shape: &Shape::String }
    }

    fn payload(payload: Option<&'a Val>, shape: &'a Shape) -> Self {
        Self { from: payload.map_or(From::Unit, From::Val), shape }
    }

    /// Goes into an option for a target that is no `Option`.
    fn peel(mut self) -> Self {
        while let Shape::Option(inner) = self.shape {
            match self.from {
                From::Val(Val::Option(Some(val))) => self = Self::val(val, inner),
                From::Bytes(_) => self.shape = inner,
                _ => break,
            }
        }
        self
    }

    /// What to call this key in an error.
    pub(super) fn key_name(&self) -> &'a str {
        match self.from {
            From::Str(name) => name,
            From::Val(Val::String(name)) => name,
            _ => "[key]",
        }
    }

    /// The bytes, if this is a `list<u8>`.
    fn bytes(&self) -> Option<Cow<'a, [u8]>> {
        match (&self.from, self.shape) {
            (From::Bytes(bytes), _) => Some(bytes.clone()),
            (From::Val(Val::List(list)), Shape::Bytes) => {
                Some(list.iter().filter_map(|val| if let Val::U8(byte) = val { Some(*byte) } else { None }).collect())
            }
            _ => None,
        }
    }

    fn does_not_fit(&self) -> ValueError {
        ValueError::custom(format!("is not of its type `{}`", describe::wit(self.shape)))
    }
}

impl<'de> Deserializer<'de> for FromVal<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let val = match self.from {
            From::Val(val) => val,
            From::Str(text) => return visitor.visit_borrowed_str(text),
            From::String(text) => return visitor.visit_string(text),
            From::Bytes(bytes) => return visitor.visit_string(BASE64.encode(bytes)),
            From::None => return visitor.visit_none(),
            From::Unit => return visitor.visit_unit(),
            From::Entry(_) => return self.deserialize_seq(visitor),
        };
        match (val, self.shape) {
            (_, Shape::Unit) => visitor.visit_unit(),
            (Val::Bool(value), _) => visitor.visit_bool(*value),
            (Val::S8(number), _) => visitor.visit_i8(*number),
            (Val::U8(number), _) => visitor.visit_u8(*number),
            (Val::S16(number), _) => visitor.visit_i16(*number),
            (Val::U16(number), _) => visitor.visit_u16(*number),
            (Val::S32(number), _) => visitor.visit_i32(*number),
            (Val::U32(number), _) => visitor.visit_u32(*number),
            (Val::S64(number), _) => visitor.visit_i64(*number),
            (Val::U64(number), _) => visitor.visit_u64(*number),
            (Val::Float32(number), _) => visit_float(widen(*number), visitor),
            (Val::Float64(number), _) => visit_float(*number, visitor),
            (Val::Char(value), _) => visitor.visit_char(*value),
            (Val::String(text) | Val::Enum(text) | Val::Variant(text, None), _) => visitor.visit_borrowed_str(text),
            (Val::Option(None), _) => visitor.visit_none(),
            (Val::Option(Some(val)), Shape::Option(inner)) if inner.is_option() => {
                visitor.visit_map(Entries::one("some", Self::val(val, inner)))
            }
            (Val::Option(Some(val)), Shape::Option(inner)) => Self::val(val, inner).deserialize_any(visitor),
            (Val::List(_), Shape::Bytes) => visitor.visit_string(BASE64.encode(self.bytes().unwrap_or_default())),
            (Val::Record(_), _) => self.deserialize_map(visitor),
            (Val::Map(_), Shape::Map(key, _)) if **key == Shape::String => self.deserialize_map(visitor),
            (Val::Variant(name, Some(val)), Shape::Variant(names, payloads)) => {
                let Some(case) = names.position(name) else { return Err(self.does_not_fit()) };
                visitor.visit_map(Entries::one(name, Self::val(val, &payloads[case])))
            }
            (Val::Result(Ok(val)), Shape::Result(ok, _)) => {
                visitor.visit_map(Entries::one("ok", Self::payload(val.as_deref(), ok)))
            }
            (Val::Result(Err(val)), Shape::Result(_, err)) => {
                visitor.visit_map(Entries::one("err", Self::payload(val.as_deref(), err)))
            }
            (Val::List(_) | Val::FixedLengthList(_) | Val::Tuple(_) | Val::Flags(_) | Val::Map(_), _) => {
                self.deserialize_seq(visitor)
            }
            _ => Err(self.does_not_fit()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match (&self.from, self.shape) {
            (From::None | From::Unit | From::Val(Val::Option(None)), _) => visitor.visit_none(),
            (From::Val(Val::Option(Some(val))), Shape::Option(inner)) => visitor.visit_some(Self::val(val, inner)),
            (From::Bytes(_), Shape::Option(inner)) => visitor.visit_some(Self { shape: inner, ..self }),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let this = self.peel();
        if let Some(bytes) = this.bytes() {
            return visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()));
        }
        match (&this.from, this.shape) {
            (From::Val(Val::List(vals)), Shape::List(shape))
            | (From::Val(Val::FixedLengthList(vals)), Shape::FixedList(shape, _)) => {
                visitor.visit_seq(Elements::new(vals.iter().map(|val| Self::val(val, shape))))
            }
            (From::Val(Val::Tuple(vals)), Shape::Tuple(shapes)) => {
                visitor.visit_seq(Elements::new(vals.iter().zip(shapes).map(|(val, shape)| Self::val(val, shape))))
            }
            (From::Val(Val::Flags(names)), Shape::Flags(_)) => {
                visitor.visit_seq(Elements::new(names.iter().map(|name| Self::name(name))))
            }
            (From::Val(Val::Map(pairs)), Shape::Map(..)) => {
                let entry = |pair| Self { from: From::Entry(pair), shape: this.shape };
                visitor.visit_seq(Elements::new(pairs.iter().map(entry)))
            }
            (From::Entry((key, val)), Shape::Map(keys, vals)) => {
                visitor.visit_seq(Elements::new([Self::val(key, keys), Self::val(val, vals)].into_iter()))
            }
            (From::Entry(_), _) => Err(this.does_not_fit()),
            (From::Val(Val::List(_) | Val::FixedLengthList(_) | Val::Tuple(_) | Val::Flags(_) | Val::Map(_)), _) => {
                Err(this.does_not_fit())
            }
            _ => this.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let this = self.peel();
        match (&this.from, this.shape) {
            (From::Val(Val::Record(vals)), Shape::Record(_, shapes)) => {
                let field = |(index, (name, val)): (usize, &'de (String, Val))| {
                    (Self::name(rust_field(fields, index, name)), Self::val(val, &shapes[index]))
                };
                visitor.visit_map(Entries::new(vals.iter().enumerate().take(shapes.len()).map(field)))
            }
            (From::Val(Val::Map(pairs)), Shape::Map(keys, vals)) => {
                let entry = |(key, val): &'de (Val, Val)| (Self::val(key, keys), Self::val(val, vals));
                visitor.visit_map(Entries::new(pairs.iter().map(entry)))
            }
            (From::Val(Val::Record(_) | Val::Map(_)), _) => Err(this.does_not_fit()),
            _ => this.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let this = self.peel();
        let payload = |names: &Names, name: &str, payloads: &'de [Shape], val: &'de Option<Box<Val>>| {
            Some(Self::payload(val.as_deref(), &payloads[names.position(name)?]))
        };
        let (name, payload) = match (&this.from, this.shape) {
            (From::Val(Val::Variant(name, val)), Shape::Variant(names, payloads)) => {
                (&**name, payload(names, name, payloads, val).ok_or_else(|| this.does_not_fit())?)
            }
            (From::Val(Val::Result(Ok(val))), Shape::Result(ok, _)) => ("ok", Self::payload(val.as_deref(), ok)),
            (From::Val(Val::Result(Err(val))), Shape::Result(_, err)) => ("err", Self::payload(val.as_deref(), err)),
            (From::Val(Val::Enum(name) | Val::String(name)), _) => (&**name, Self::payload(None, &Shape::Unit)),
            (From::Str(name), _) => (*name, Self::payload(None, &Shape::Unit)),
            (From::String(name), _) => {
                let name = rust_variant(variants, name).to_owned();
                return visitor.visit_enum(serde::de::value::StringDeserializer::new(name));
            }
            _ => return this.deserialize_any(visitor),
        };
        visitor.visit_enum(Case { name: rust_variant(variants, name), payload })
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let this = self.peel();
        match this.from {
            From::Bytes(Cow::Owned(bytes)) => visitor.visit_byte_buf(bytes),
            From::Bytes(Cow::Borrowed(bytes)) => visitor.visit_borrowed_bytes(bytes),
            _ => match this.bytes() {
                Some(bytes) => visitor.visit_byte_buf(bytes.into_owned()),
                None => this.deserialize_any(visitor),
            },
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let this = self.peel();
        match this.from {
            From::Val(Val::Float32(number)) => visitor.visit_f32(*number),
            From::Val(Val::Float64(number)) => visitor.visit_f64(*number),
            _ => this.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string unit unit_struct identifier
    }
}

/// Finite floats are numbers; the others have no number in JSON, and are strings there.
fn visit_float<'de, V: Visitor<'de>>(number: f64, visitor: V) -> Result<V::Value, ValueError> {
    if number.is_finite() {
        visitor.visit_f64(number)
    } else {
        visitor.visit_borrowed_str(match number {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        })
    }
}

/// The double that is written like the float, so that `0.1` does not turn into `0.10000000149011612`.
fn widen(number: f32) -> f64 {
    let wide = f64::from(number);
    if number.fract() == 0.0 || !number.is_finite() { wide } else { number.to_string().parse().unwrap_or(wide) }
}

/// The target's own spelling of a field, or WIT's if it has none.
fn rust_field<'a>(fields: &'static [&'static str], index: usize, name: &'a str) -> &'a str {
    match fields.get(index) {
        Some(field) if same(field, name) => field,
        _ => fields.iter().find(|field| same(field, name)).copied().unwrap_or(name),
    }
}

/// The target's own spelling of a case, or WIT's if it has none.
fn rust_variant<'a>(variants: &'static [&'static str], name: &'a str) -> &'a str {
    let names = || variants.iter().copied();
    let position = names()
        .position(|variant| same(variant, name))
        .or_else(|| only_position(names(), |variant| same_words(variant, name)));
    position.map_or(name, |position| variants[position])
}
