//! Values as JSON text, read and written as a stream, without a tree in between.
//!
//! The rules are those of `to_val` and `from_val`; this module only joins them to `serde_json`. Text nested more than
//! 128 deep is refused by `serde_json` itself.

use serde::ser::{Serialize, Serializer};
use serde_json::Deserializer;

use super::error::{Path, ValueError, ValueErrorKind};
use super::from_val::FromVal;
use super::shape::Shape;
use super::to_val::{Context, ToVal};
use super::{Limits, Value};

/// Reads one value of `shape`; `path` is what errors call it.
///
/// # Errors
/// If the text is not JSON, does not fit the shape, or goes on after the value.
pub(crate) fn read(text: &[u8], shape: &Shape, limits: &Limits, path: Path<'_>) -> Result<Value, ValueError> {
    read_with(text, limits, path, |json, cx| serde_transcode::transcode(json, ToVal { shape, path, cx }))
}

/// Reads a whole text with any of our serializers.
pub(super) fn read_with<T>(
    text: &[u8],
    limits: &Limits,
    path: Path<'_>,
    convert: impl FnOnce(&mut Deserializer<serde_json::de::SliceRead<'_>>, &Context<'_>) -> Result<T, ValueError>,
) -> Result<T, ValueError> {
    let not_json =
        |error: &dyn std::fmt::Display| ValueError::new(ValueErrorKind::Syntax, &path, format!("is not JSON: {error}"));
    Context::new(limits).run(|cx| {
        let mut json = Deserializer::from_slice(text);
        let value =
            convert(&mut json, cx).map_err(|error| if cx.has_failed() { error } else { cx.fail(not_json(&error)) })?;
        json.end().map_err(|error| cx.fail(not_json(&error)))?;
        Ok(value)
    })
}

/// Writes a value as JSON.
///
/// # Errors
/// If the value is not of the shape, which is a mistake of the caller.
pub(crate) fn write(value: &Value, shape: &Shape) -> Result<Vec<u8>, ValueError> {
    serde_json::to_vec(&Json { value, shape }).map_err(serde::ser::Error::custom)
}

/// A value that serializes in its JSON form, to be put inside a larger document.
///
/// Two entries of one key, which a guest may return in a map, are both written; readers of JSON take the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a> {
    pub(crate) value: &'a Value,
    pub(crate) shape: &'a Shape,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_transcode::transcode(FromVal::new(self.value, self.shape), serializer)
    }
}
