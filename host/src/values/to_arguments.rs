//! Serializes a whole set of arguments: an object by name, a list by position, nothing for none.
//!
//! It takes only the outermost level of a value apart; each argument is read by `to_val`.

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct, Serializer,
};
use wasmtime::component::Val;

use super::Value;
use super::arguments::{Given, Signature};
use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::shape::Shape;
use super::to_val::{Context, ToVal};

/// Serializes into all arguments at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToArguments<'a> {
    pub(super) signature: &'a Signature,
    pub(super) cx: &'a Context<'a>,
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
#[derive(Debug)]
pub(super) struct Collect<'a> {
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
