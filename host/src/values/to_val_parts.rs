//! Collects the parts of a compound value: what [`ToVal`] hands out for lists and objects.
//!
//! A sequence becomes a list, tuple, set of flags or map; an object becomes a record, map, case, or the `some` of an
//! option inside an option.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant};
use serde::ser::{SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};
use wasmtime::component::Val;

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::shape::{Int, Shape};
use super::to_val::ToVal;
use super::{Value, canonical, describe};

/// What the collected value goes into: a case, and around that an option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrap<'a> {
    pub(super) some: bool,
    pub(super) case: Option<(&'a Shape, usize)>,
}

impl Wrap<'_> {
    pub(super) fn around(self, val: Val) -> Value {
        let val = match self.case {
            Some((shape, case)) => shape.case_val(case, val),
            None => val,
        };
        if self.some { Value::Val(val).some() } else { Value::Val(val) }
    }
}

/// Room made ahead for a list whose length was announced; more than this is only made as elements arrive.
const MAX_RESERVED: usize = 64 * 1024;

/// Collects a sequence.
#[derive(Debug)]
pub(super) struct Sequence<'a> {
    to: ToVal<'a>,
    wrap: Wrap<'a>,
    items: Items,
}

#[derive(Debug)]
enum Items {
    Bytes(Vec<u8>),
    Vals(Vec<Val>),
    /// A map as a list of pairs, each of the shape kept here.
    Pairs(Shape, Vec<(Val, Val)>),
    /// Which flags are set, in the order of their declaration.
    Flags(Vec<bool>),
}

impl<'a> Sequence<'a> {
    pub(super) fn new(to: ToVal<'a>, wrap: Wrap<'a>, len: Option<usize>) -> Result<Self, ValueError> {
        let room = len.unwrap_or(0).min(MAX_RESERVED);
        let items = match to.shape {
            Shape::Bytes => Items::Bytes(Vec::with_capacity(room)),
            Shape::List(_) | Shape::FixedList(..) | Shape::Tuple(_) => Items::Vals(Vec::with_capacity(room)),
            Shape::Map(key, value) => {
                let pair = Shape::Tuple(Box::new([(**key).clone(), (**value).clone()]));
                Items::Pairs(pair, Vec::with_capacity(room))
            }
            Shape::Flags(names) => Items::Flags(vec![false; names.len()]),
            _ => return Err(to.mismatch(Got::List)),
        };
        Ok(Self { to, wrap, items })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let to = self.to;
        match &mut self.items {
            Items::Bytes(bytes) => {
                let path = Path::Index(&to.path, bytes.len());
                if let Val::U8(byte) = to.part(&Shape::Int(Int::U8), path, value)? {
                    bytes.push(byte);
                }
            }
            Items::Vals(vals) => {
                let index = vals.len();
                let element = match to.shape {
                    Shape::Tuple(shapes) => shapes.get(index),
                    Shape::FixedList(element, len) => (index < *len).then_some(&**element),
                    Shape::List(element) => Some(&**element),
                    _ => None,
                };
                to.cx.limits.check_list(index + 1, &to.path).map_err(|error| to.cx.fail(error))?;
                let element = element.ok_or_else(|| self.wrong_length("more"))?;
                let val = to.part(element, Path::Index(&to.path, index), value)?;
                if let Items::Vals(vals) = &mut self.items {
                    vals.push(val);
                }
            }
            Items::Pairs(pair, pairs) => {
                to.cx.limits.check_list(pairs.len() + 1, &to.path).map_err(|error| to.cx.fail(error))?;
                if let Val::Tuple(parts) = to.part(pair, Path::Index(&to.path, pairs.len()), value)?
                    && let Ok([key, val]) = <[Val; 2]>::try_from(parts)
                {
                    pairs.push((key, val));
                }
            }
            Items::Flags(set) => {
                let Shape::Flags(names) = to.shape else { return Err(to.mismatch(Got::List)) };
                let Val::String(name) = to.part(&Shape::String, to.path, value)? else { return Ok(()) };
                let got = Got::Word(&name);
                let Some(flag) = names.position_of_variant(&name) else {
                    let message = format!("has no flag {got}; {}", names.hint(&name));
                    return Err(to.fail(ValueErrorKind::Unknown, message));
                };
                if std::mem::replace(&mut set[flag], true) {
                    return Err(to.fail(ValueErrorKind::Repeated, format!("has the flag {got} twice")));
                }
            }
        }
        Ok(())
    }

    fn wrong_length(&self, got: &str) -> ValueError {
        self.to.fail(ValueErrorKind::IllTyped, format!("needs {}, got {got}", describe::plain(self.to.shape)))
    }

    fn finish(self) -> Result<Value, ValueError> {
        let val = match (self.items, self.to.shape) {
            (Items::Bytes(bytes), _) if self.wrap.case.is_none() => {
                let value = Value::Bytes(bytes);
                return Ok(if self.wrap.some { value.some() } else { value });
            }
            (Items::Bytes(bytes), _) => {
                let list = Value::Bytes(bytes).into_val(self.to.cx.limits, &self.to.path);
                list.map_err(|error| self.to.cx.fail(error))?
            }
            (Items::Vals(vals), Shape::List(_)) => Val::List(vals),
            (Items::Vals(vals), Shape::FixedList(_, len)) if vals.len() == *len => Val::FixedLengthList(vals),
            (Items::Vals(vals), Shape::Tuple(shapes)) if vals.len() == shapes.len() => Val::Tuple(vals),
            (Items::Vals(vals), shape) => {
                let message = format!("needs {}, got {}", describe::plain(shape), vals.len());
                return Err(self.to.fail(ValueErrorKind::IllTyped, message));
            }
            (Items::Pairs(_, pairs), _) => map(&self.to, pairs)?,
            (Items::Flags(set), Shape::Flags(names)) => flags(names, &set),
            (Items::Flags(_), _) => return Err(self.to.mismatch(Got::List)),
        };
        Ok(self.wrap.around(val))
    }
}

/// The flags that are set, in the order of their declaration.
pub(super) fn flags(names: &Names, set: &[bool]) -> Val {
    Val::Flags(names.iter().zip(set).filter(|(_, set)| **set).map(|(name, _)| name.to_owned()).collect())
}

/// A map, if no key is there twice: guests would see only one of the values.
fn map(to: &ToVal<'_>, pairs: Vec<(Val, Val)>) -> Result<Val, ValueError> {
    if let Shape::Map(key, _) = to.shape
        && canonical::has_repeated_key(key, &pairs)
    {
        return Err(to.fail(ValueErrorKind::Repeated, "has a key twice"));
    }
    Ok(Val::Map(pairs))
}

/// Collects an object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    to: ToVal<'a>,
    wrap: Wrap<'a>,
    members: Members,
}

#[derive(Debug)]
enum Members {
    /// The fields in the order of their declaration, and where the next one is expected.
    Record {
        fields: Vec<(String, Option<Val>)>,
        next: usize,
        name: String,
    },
    Map {
        pairs: Vec<(Val, Val)>,
        key: Option<Val>,
    },
    /// `{"case": payload}`: exactly one member. Also `{"some": …}`.
    Case {
        name: String,
        value: Option<Val>,
    },
}

impl<'a> Object<'a> {
    pub(super) fn new(to: ToVal<'a>, wrap: Wrap<'a>) -> Result<Self, ValueError> {
        let members = match to.shape {
            Shape::Record(names, _) => {
                let fields = std::iter::repeat_with(|| (String::new(), None)).take(names.len()).collect();
                Members::Record { fields, next: 0, name: String::new() }
            }
            Shape::Map(..) => Members::Map { pairs: Vec::new(), key: None },
            Shape::Variant(..) | Shape::Result(..) => Members::Case { name: String::new(), value: None },
            // What is left of the options after peeling is an option of an option.
            Shape::Option(_) => Members::Case { name: String::new(), value: None },
            _ => return Err(to.mismatch(Got::Object)),
        };
        Ok(Self { to, wrap, members })
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let to = self.to;
        match &mut self.members {
            Members::Map { pairs, key: pending } => {
                to.cx.limits.check_list(pairs.len() + 1, &to.path).map_err(|error| to.cx.fail(error))?;
                let Shape::Map(shape, _) = to.shape else { return Err(to.mismatch(Got::Object)) };
                *pending = Some(to.part(shape, Path::Key(&to.path), key)?);
            }
            Members::Record { name, .. } | Members::Case { name, .. } => {
                if let Val::String(key) = to.part(&Shape::String, Path::Key(&to.path), key)? {
                    *name = key;
                }
            }
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let to = self.to;
        match &mut self.members {
            Members::Map { pairs, key } => {
                let Shape::Map(_, shape) = to.shape else { return Err(to.mismatch(Got::Object)) };
                let key = key.take().expect("serde hands over a key before each value");
                let val = match &key {
                    Val::String(name) => to.part(shape, Path::Field(&to.path, name), value)?,
                    _ => to.part(shape, Path::Index(&to.path, pairs.len()), value)?,
                };
                pairs.push((key, val));
                Ok(())
            }
            Members::Record { name, .. } => {
                let name = std::mem::take(name);
                self.field(&name, value)
            }
            Members::Case { name, .. } => {
                let name = std::mem::take(name);
                self.case(&name, value)
            }
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ValueError> {
        let to = self.to;
        let (Members::Record { fields, next, .. }, Shape::Record(names, shapes)) = (&mut self.members, to.shape) else {
            // A Rust struct given for a map or a case: its fields are the members of an object, as in JSON.
            self.key(name)?;
            return self.value(value);
        };
        let got = Got::Word(name);
        let Some(index) = names.position_from(*next, name) else {
            let message = format!("has no field {got}; {}", names.hint(name));
            return Err(to.fail(ValueErrorKind::Unknown, message));
        };
        let known = names.name(index);
        let val = to.part(&shapes[index], Path::Field(&to.path, known), value)?;
        if fields[index].1.replace(val).is_some() {
            return Err(to.fail(ValueErrorKind::Repeated, format!("has the field {got} twice")));
        }
        fields[index].0 = known.to_owned();
        *next = index + 1;
        Ok(())
    }

    fn case<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ValueError> {
        let to = self.to;
        let Members::Case { value: slot, .. } = &mut self.members else { return Err(to.mismatch(Got::Object)) };
        if slot.is_some() {
            let message = format!("needs exactly one case, got {} as well", Got::Word(name));
            return Err(to.fail(ValueErrorKind::Repeated, message));
        }
        let path = Path::Field(&to.path, name);
        *slot = Some(match to.shape {
            Shape::Option(inner) if name == "some" => Val::Option(Some(Box::new(to.part(inner, path, value)?))),
            Shape::Option(_) => return Err(to.mismatch(Got::Object)),
            shape => {
                let case = to.case(name, false)?;
                shape.case_val(case, to.part(shape.payload(case), path, value)?)
            }
        });
        Ok(())
    }

    fn finish(self) -> Result<Value, ValueError> {
        let val = match self.members {
            Members::Map { pairs, .. } => map(&self.to, pairs)?,
            Members::Case { value, .. } => value.ok_or_else(|| self.to.mismatch(Got::Object))?,
            Members::Record { fields, .. } => {
                let Shape::Record(names, shapes) = self.to.shape else { return Err(self.to.mismatch(Got::Object)) };
                let fields = fields.into_iter().enumerate().map(|(index, (name, val))| match (val, &shapes[index]) {
                    (Some(val), _) => Ok((name, val)),
                    (None, Shape::Option(_)) => Ok((names.name(index).to_owned(), Val::Option(None))),
                    (None, shape) => {
                        let message = format!("lacks the field `{}`: {}", names.name(index), describe::plain(shape));
                        Err(self.to.fail(ValueErrorKind::Missing, message))
                    }
                });
                Val::Record(fields.collect::<Result<_, _>>()?)
            }
        };
        Ok(self.wrap.around(val))
    }
}

macro_rules! sequences {
    ($($trait:ident::$method:ident),*) => {
        $(impl $trait for Sequence<'_> {
            type Ok = Value;
            type Error = ValueError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> { self.push(value) }
            fn end(self) -> Result<Value, ValueError> { self.finish() }
        })*
    };
}

sequences! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field
}

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl $trait for Object<'_> {
            type Ok = Value;
            type Error = ValueError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
                self.field(name, value)
            }
            fn end(self) -> Result<Value, ValueError> { self.finish() }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Object<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.value(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.finish()
    }
}
