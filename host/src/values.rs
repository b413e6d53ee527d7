//! Typed values: between serde, JSON, WAVE, shell and query literals, canonical key bytes, and wasmtime's `Val`.
//!
//! Everything here is directed by a [`Shape`], which is read once from a component's type when the component is
//! loaded. Nothing here knows of instances, pools, HTTP or the command line, and nothing here calls a guest.
//!
//! ```text
//!  Rust value ──┐                                              ┌── Rust value
//!  JSON text  ──┤ to_val     ┌───────┐ into_val      from_val   ├── JSON text
//!  WAVE text  ──┼───────────►│ Value │────────► Val ──────────► ┼── WAVE text
//!  literal    ──┘            └───┬───┘   (guest)                └── `serde_json::Value`
//!                                └──────► canonical (pool key)
//! ```

pub(crate) mod arguments;
pub(crate) mod canonical;
pub(crate) mod describe;
pub(crate) mod error;
mod from_val;
mod from_val_parts;
pub(crate) mod inputs;
pub(crate) mod json;
pub(crate) mod literal;
mod names;
pub(crate) mod shape;
mod to_arguments;
mod to_val;
mod to_val_parts;
pub(crate) mod wave;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;

use wasmtime::component::Val;

pub(crate) use arguments::{Signature, Source, What};
pub(crate) use error::{Limit, Path, ValueError, ValueErrorKind};
pub(crate) use from_val::from_value;
pub(crate) use names::same;
pub(crate) use shape::{NotCallable, Shape};
pub(crate) use to_val::to_value;

/// A value on its way into a guest or out of it.
///
/// A top-level `list<u8>`, or an option of one, stays plain bytes, because `Val::List` takes 40 bytes for each
/// byte. Everything else is a [`Val`], records with their fields in the order of the declaration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Anything that is not bytes.
    Val(Val),
    /// A `list<u8>`.
    Bytes(Vec<u8>),
    /// An `option<list<u8>>`.
    OptionBytes(Option<Vec<u8>>),
}

/// What a value may hold on its way in.
///
/// Nesting needs no limit here: a value is never deeper than its type, and [`Shape::new`] bounds that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Limits {
    /// Elements of any one list passed as [`Val`]; 1,000,000 by default, `max-list` in the manifest.
    pub(crate) max_list: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_list: 1_000_000 }
    }
}

impl Limits {
    /// Refuses a list that has reached `len` elements, if that is more than `max_list`.
    fn check_list(&self, len: usize, path: &Path<'_>) -> Result<(), ValueError> {
        if len <= self.max_list {
            return Ok(());
        }
        let max = self.max_list;
        let message = format!("needs a list of at most {max} elements, got at least {len}; the setting is `max-list`");
        Err(ValueError::new(ValueErrorKind::TooLarge, path, message).with_limit(Limit {
            setting: Some("max-list"),
            limit: max as u64,
            value: len as u64,
        }))
    }
}

impl Value {
    /// The value of [`Shape::Unit`]: what a function without a result returns.
    ///
    /// The component model has no empty tuple, so this `Val` stands for nothing else.
    pub(crate) fn unit() -> Self {
        Self::Val(Val::Tuple(Vec::new()))
    }

    /// Takes what a guest returned, turning a top-level list of `u8` into plain bytes.
    pub(crate) fn from_val(val: Val, shape: &Shape) -> Self {
        match (shape, val) {
            (Shape::Bytes, Val::List(list)) => Self::Bytes(bytes_of(list)),
            (Shape::Option(inner), Val::Option(option)) if **inner == Shape::Bytes => {
                Self::OptionBytes(option.map(|val| match *val {
                    Val::List(list) => bytes_of(list),
                    _ => Vec::new(),
                }))
            }
            (_, val) => Self::Val(val),
        }
    }

    /// Gives the value as wasmtime's `Val`, for a call that is not typed.
    ///
    /// # Errors
    /// Bytes become a list with one `Val` each, so they are held to `max_list`.
    pub(crate) fn into_val(self, limits: &Limits, path: &Path<'_>) -> Result<Val, ValueError> {
        let list = |bytes: Vec<u8>| {
            limits.check_list(bytes.len(), path)?;
            Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
        };
        match self {
            Self::Val(val) => Ok(val),
            Self::Bytes(bytes) => list(bytes),
            Self::OptionBytes(None) => Ok(Val::Option(None)),
            Self::OptionBytes(Some(bytes)) => Ok(Val::Option(Some(Box::new(list(bytes)?)))),
        }
    }

    /// The bytes of the value itself, as a binary body would carry it: text and bytes by their length, numbers by their
    /// width. It is what a limit on bodies counts.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Val(val) => val_payload_bytes(val),
            Self::Bytes(bytes) => bytes.len(),
            Self::OptionBytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
        }
    }

    /// The value inside `some`.
    fn some(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::OptionBytes(Some(bytes)),
            Self::Val(val) => Self::Val(Val::Option(Some(Box::new(val)))),
            Self::OptionBytes(bytes) => Self::Val(Val::Option(Some(Box::new(Val::Option(
                bytes.map(|bytes| Box::new(Val::List(bytes.into_iter().map(Val::U8).collect()))),
            ))))),
        }
    }

    /// The `none` of an option of `inner`.
    fn none(inner: &Shape) -> Self {
        if *inner == Shape::Bytes { Self::OptionBytes(None) } else { Self::Val(Val::Option(None)) }
    }
}

fn bytes_of(list: Vec<Val>) -> Vec<u8> {
    list.into_iter().filter_map(|val| if let Val::U8(byte) = val { Some(byte) } else { None }).collect()
}

fn val_payload_bytes(val: &Val) -> usize {
    let payload = |val: &Option<Box<Val>>| 1 + val.as_deref().map_or(0, val_payload_bytes);
    match val {
        Val::Bool(_) | Val::S8(_) | Val::U8(_) => 1,
        Val::S16(_) | Val::U16(_) => 2,
        Val::S32(_) | Val::U32(_) | Val::Float32(_) | Val::Char(_) | Val::Enum(_) => 4,
        Val::String(text) => text.len(),
        Val::List(vals) | Val::FixedLengthList(vals) | Val::Tuple(vals) => vals.iter().map(val_payload_bytes).sum(),
        Val::Map(pairs) => pairs.iter().map(|(key, val)| val_payload_bytes(key) + val_payload_bytes(val)).sum(),
        Val::Record(fields) => fields.iter().map(|(_, val)| val_payload_bytes(val)).sum(),
        Val::Variant(_, val) => payload(val),
        Val::Option(val) | Val::Result(Ok(val) | Err(val)) => payload(val),
        Val::Flags(names) => names.len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_val_takes_40_bytes_which_is_why_bytes_are_kept_apart() {
        assert_eq!(size_of::<Val>(), 40);
        assert_eq!(Value::Bytes(vec![0; 1000]).payload_bytes(), 1000);
        let val = Value::Bytes(vec![0; 1000]).into_val(&Limits::default(), &Path::Root).unwrap();
        assert_eq!(Value::Val(val).payload_bytes(), 1000);
    }

    #[test]
    fn bytes_survive_the_way_through_a_val() {
        let option = Shape::Option(Box::new(Shape::Bytes));
        for (shape, value) in [
            (&Shape::Bytes, Value::Bytes(vec![1, 2])),
            (&option, Value::OptionBytes(Some(vec![3]))),
            (&option, Value::OptionBytes(None)),
        ] {
            let val = value.clone().into_val(&Limits::default(), &Path::Root).unwrap();
            assert_eq!(Value::from_val(val, shape), value);
        }
    }

    #[test]
    fn bytes_passed_as_a_list_are_held_to_max_list() {
        let error = Value::Bytes(vec![0; 11]).into_val(&Limits { max_list: 10 }, &Path::Name("data")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`data` needs a list of at most 10 elements, got at least 11; the setting is `max-list`"
        );
        assert_eq!(error.limit(), Some(Limit { setting: Some("max-list"), limit: 10, value: 11 }));
    }
}
