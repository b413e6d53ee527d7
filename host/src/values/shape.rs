//! A value's type as this host works with it: read once from wasmtime's `Type`, then borrowed by everything else.
//!
//! Wasmtime's `Type` hands out each field as a new handle holding two `Arc`s, which is dear on the path of a call. A
//! shape is a plain tree with its names in it. A type that has a shape can be called; whether it has one, and why not,
//! is settled here. It knows no values.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use wasmtime::component::{Type, Val};

use super::names::Names;

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// No value at all: a function without a result, a case without a payload. WIT writes `_` or nothing.
    Unit,
    Bool,
    Int(Int),
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`, apart from other lists because it is bytes on every way in and out.
    Bytes,
    List(Box<Shape>),
    FixedList(Box<Shape>, usize),
    /// The key and the value.
    Map(Box<Shape>, Box<Shape>),
    Record(Names, Box<[Shape]>),
    Tuple(Box<[Shape]>),
    /// The cases and their payloads, [`Shape::Unit`] where there is none.
    Variant(Names, Box<[Shape]>),
    Enum(Names),
    Option(Box<Shape>),
    /// Ok and err, [`Shape::Unit`] where there is no payload.
    Result(Box<Shape>, Box<Shape>),
    Flags(Names),
}

/// The integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Int {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

/// Why a type cannot be called through this host, in plain words: "holds a stream".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotCallable(pub(crate) String);

/// How deep a type may nest. It bounds every recursion over a value.
pub(crate) const MAX_TYPE_DEPTH: usize = 64;

/// How many types and names a type may have, counted as a tree. A component of a few kilobytes can name types that
/// are trees of millions.
pub(crate) const MAX_TYPE_PARTS: usize = 10_000;

impl Shape {
    /// Reads a type.
    ///
    /// # Errors
    /// The reason if it holds a resource, stream, future or error-context anywhere, or is too deep or too large.
    pub(crate) fn new(ty: &Type) -> Result<Self, NotCallable> {
        Reader { parts: 0 }.read(ty, 0)
    }

    /// Reads the type of a result, which a function may not have.
    pub(crate) fn of_result(ty: Option<&Type>) -> Result<Self, NotCallable> {
        ty.map_or(Ok(Self::Unit), Self::new)
    }

    /// Whether `none` and absence are the same: an option that is not spelled `{"some": …}`.
    pub(crate) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    /// The payload of a case of a variant, result or enum.
    pub(super) fn payload(&self, case: usize) -> &Self {
        match self {
            Self::Variant(_, payloads) => &payloads[case],
            Self::Result(ok, _) if case == 0 => ok,
            Self::Result(_, err) => err,
            _ => &Self::Unit,
        }
    }

    /// A case of a variant, enum or result as a `Val`; `payload` is unused where the case has none.
    pub(super) fn case_val(&self, case: usize, payload: Val) -> Val {
        let payload = (*self.payload(case) != Self::Unit).then(|| Box::new(payload));
        match self {
            Self::Variant(names, _) => Val::Variant(names.name(case).to_owned(), payload),
            Self::Enum(names) => Val::Enum(names.name(case).to_owned()),
            _ if case == 0 => Val::Result(Ok(payload)),
            _ => Val::Result(Err(payload)),
        }
    }
}

impl Int {
    pub(crate) fn range(self) -> RangeInclusive<i128> {
        match self {
            Self::S8 => i8::MIN.into()..=i8::MAX.into(),
            Self::U8 => u8::MIN.into()..=u8::MAX.into(),
            Self::S16 => i16::MIN.into()..=i16::MAX.into(),
            Self::U16 => u16::MIN.into()..=u16::MAX.into(),
            Self::S32 => i32::MIN.into()..=i32::MAX.into(),
            Self::U32 => u32::MIN.into()..=u32::MAX.into(),
            Self::S64 => i64::MIN.into()..=i64::MAX.into(),
            Self::U64 => u64::MIN.into()..=u64::MAX.into(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
        }
    }

    /// The number as a value of this type, if it is in range.
    pub(super) fn val(self, number: i128) -> Option<Val> {
        Some(match self {
            Self::S8 => Val::S8(number.try_into().ok()?),
            Self::U8 => Val::U8(number.try_into().ok()?),
            Self::S16 => Val::S16(number.try_into().ok()?),
            Self::U16 => Val::U16(number.try_into().ok()?),
            Self::S32 => Val::S32(number.try_into().ok()?),
            Self::U32 => Val::U32(number.try_into().ok()?),
            Self::S64 => Val::S64(number.try_into().ok()?),
            Self::U64 => Val::U64(number.try_into().ok()?),
        })
    }
}

struct Reader {
    parts: usize,
}

impl Reader {
    fn read(&mut self, ty: &Type, depth: usize) -> Result<Shape, NotCallable> {
        if depth >= MAX_TYPE_DEPTH {
            return Err(NotCallable(format!("is nested more than {MAX_TYPE_DEPTH} deep")));
        }
        self.count()?;
        let depth = depth + 1;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::S8 => Shape::Int(Int::S8),
            Type::U8 => Shape::Int(Int::U8),
            Type::S16 => Shape::Int(Int::S16),
            Type::U16 => Shape::Int(Int::U16),
            Type::S32 => Shape::Int(Int::S32),
            Type::U32 => Shape::Int(Int::U32),
            Type::S64 => Shape::Int(Int::S64),
            Type::U64 => Shape::Int(Int::U64),
            Type::Float32 => Shape::F32,
            Type::Float64 => Shape::F64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => match list.ty() {
                Type::U8 => Shape::Bytes,
                element => Shape::List(Box::new(self.read(&element, depth)?)),
            },
            Type::FixedLengthList(list) => {
                let len = usize::try_from(list.len()).unwrap_or(usize::MAX);
                Shape::FixedList(Box::new(self.read(&list.ty(), depth)?), len)
            }
            Type::Map(map) => {
                Shape::Map(Box::new(self.read(&map.key(), depth)?), Box::new(self.read(&map.value(), depth)?))
            }
            Type::Record(record) => {
                let names = self.names(record.fields().map(|field| field.name))?;
                let fields = record.fields().map(|field| self.read(&field.ty, depth));
                Shape::Record(names, fields.collect::<Result<_, _>>()?)
            }
            Type::Tuple(tuple) => {
                Shape::Tuple(tuple.types().map(|ty| self.read(&ty, depth)).collect::<Result<_, _>>()?)
            }
            Type::Variant(variant) => {
                let names = self.names(variant.cases().map(|case| case.name))?;
                let payloads = variant.cases().map(|case| self.read_payload(case.ty, depth));
                Shape::Variant(names, payloads.collect::<Result<_, _>>()?)
            }
            Type::Enum(cases) => Shape::Enum(self.names(cases.names())?),
            Type::Option(option) => Shape::Option(Box::new(self.read(&option.ty(), depth)?)),
            Type::Result(result) => Shape::Result(
                Box::new(self.read_payload(result.ok(), depth)?),
                Box::new(self.read_payload(result.err(), depth)?),
            ),
            Type::Flags(flags) => Shape::Flags(self.names(flags.names())?),
            Type::Own(_) | Type::Borrow(_) => return Err(NotCallable("holds a resource".into())),
            Type::Stream(_) => return Err(NotCallable("holds a stream".into())),
            Type::Future(_) => return Err(NotCallable("holds a future".into())),
            Type::ErrorContext => return Err(NotCallable("holds an error-context".into())),
        })
    }

    fn read_payload(&mut self, ty: Option<Type>, depth: usize) -> Result<Shape, NotCallable> {
        ty.map_or(Ok(Shape::Unit), |ty| self.read(&ty, depth))
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Names, NotCallable> {
        names.map(|name| self.count().map(|()| name)).collect()
    }

    fn count(&mut self) -> Result<(), NotCallable> {
        self.parts += 1;
        if self.parts > MAX_TYPE_PARTS {
            return Err(NotCallable(format!("has more than {MAX_TYPE_PARTS} parts")));
        }
        Ok(())
    }
}
