//! Values as canonical bytes: two lists of parameters have the same bytes exactly if they are the same.
//!
//! The bytes are the key of a pool. All keys of a pool are encoded by one signature, so the types themselves are left
//! out. Numbers are little-endian and of fixed width; cases are their index; flags are bits; lists, maps, strings and
//! bytes have their length in front; maps are sorted by their encoded keys. `-0.0` is `0.0`, and NaN, which equals
//! nothing, is refused. This module knows nothing of pools.

use wasmtime::component::Val;

use super::error::{Limit, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::shape::{Int, Shape};
use super::{Signature, Value, describe};

/// The most that all parameters together may take, encoded.
pub(crate) const MAX_KEY_BYTES: usize = 16 * 1024;

/// Room for most keys, so that they are written without moving.
const TYPICAL_KEY_BYTES: usize = 64;

/// Encodes the parameters of a pool, given in the order of their declaration.
///
/// # Errors
/// NaN or a repeated key of a map, by the parameter's name, and parameters of more than [`MAX_KEY_BYTES`].
pub(crate) fn encode(signature: &Signature, values: &[Value]) -> Result<Vec<u8>, ValueError> {
    let mut key = Vec::with_capacity(TYPICAL_KEY_BYTES);
    for ((name, shape), value) in signature.iter().zip(values) {
        let path = Path::Name(name);
        match (value, shape) {
            (Value::Val(val), _) => encode_val(&mut key, val, shape, path)?,
            (Value::Bytes(bytes), Shape::Bytes) => encode_bytes(&mut key, bytes),
            (Value::OptionBytes(option), Shape::Option(_)) => {
                key.push(option.is_some().into());
                option.iter().for_each(|bytes| encode_bytes(&mut key, bytes));
            }
            _ => return Err(does_not_fit(shape, path)),
        }
    }
    if key.len() <= MAX_KEY_BYTES {
        return Ok(key);
    }
    let message =
        format!("the total size of the parameters is {} bytes, more than the limit of {MAX_KEY_BYTES}", key.len());
    Err(ValueError::new(ValueErrorKind::TooLarge, &Path::Root, message).with_limit(Limit {
        setting: None,
        limit: MAX_KEY_BYTES as u64,
        value: key.len() as u64,
    }))
}

/// Makes equal parameters the same: `-0.0` becomes `0.0`, and maps are sorted as in the key, so that whichever of two
/// equal callers starts an instance, it is entered with the same values.
pub(crate) fn normalize(signature: &Signature, values: &mut [Value]) {
    for ((_, shape), value) in signature.iter().zip(values) {
        if let Value::Val(val) = value {
            normalize_val(val, shape);
        }
    }
}

/// Whether two entries of a map have one key.
pub(super) fn has_repeated_key(shape: &Shape, pairs: &[(Val, Val)]) -> bool {
    let mut keys = pairs.iter().map(|(key, _)| key_bytes(key, shape)).collect::<Vec<_>>();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

fn key_bytes(key: &Val, shape: &Shape) -> Vec<u8> {
    let mut bytes = Vec::new();
    // WIT allows no floats in keys, so this cannot meet a NaN.
    let _ = encode_val(&mut bytes, key, shape, Path::Root);
    bytes
}

fn encode_val(out: &mut Vec<u8>, val: &Val, shape: &Shape, path: Path<'_>) -> Result<(), ValueError> {
    match (val, shape) {
        (_, Shape::Unit) => {}
        (Val::Bool(value), _) => out.push((*value).into()),
        (Val::S8(number), _) => out.extend(number.to_le_bytes()),
        (Val::U8(number), _) => out.push(*number),
        (Val::S16(number), _) => out.extend(number.to_le_bytes()),
        (Val::U16(number), _) => out.extend(number.to_le_bytes()),
        (Val::S32(number), _) => out.extend(number.to_le_bytes()),
        (Val::U32(number), _) => out.extend(number.to_le_bytes()),
        (Val::S64(number), _) => out.extend(number.to_le_bytes()),
        (Val::U64(number), _) => out.extend(number.to_le_bytes()),
        (Val::Float32(number), _) if number.is_nan() => return Err(nan(path)),
        (Val::Float64(number), _) if number.is_nan() => return Err(nan(path)),
        // Adding zero turns -0.0 into 0.0 and leaves everything else.
        (Val::Float32(number), _) => out.extend((number + 0.0).to_le_bytes()),
        (Val::Float64(number), _) => out.extend((number + 0.0).to_le_bytes()),
        (Val::Char(value), _) => out.extend(u32::from(*value).to_le_bytes()),
        (Val::String(text), _) => encode_bytes(out, text.as_bytes()),
        (Val::List(vals), Shape::List(element)) => {
            encode_len(out, vals.len());
            encode_all(out, vals.iter().map(|val| (val, &**element)), path)?;
        }
        (Val::List(vals), Shape::Bytes) => {
            encode_len(out, vals.len());
            encode_all(out, vals.iter().map(|val| (val, &Shape::Int(Int::U8))), path)?;
        }
        (Val::FixedLengthList(vals), Shape::FixedList(element, _)) => {
            encode_all(out, vals.iter().map(|val| (val, &**element)), path)?;
        }
        (Val::Tuple(vals), Shape::Tuple(shapes)) => encode_all(out, vals.iter().zip(shapes), path)?,
        (Val::Record(fields), Shape::Record(_, shapes)) => {
            for ((name, val), shape) in fields.iter().zip(shapes) {
                encode_val(out, val, shape, Path::Field(&path, name))?;
            }
        }
        (Val::Map(pairs), Shape::Map(key_shape, value_shape)) => {
            let mut entries = Vec::with_capacity(pairs.len());
            for (key, val) in pairs {
                let (mut key_out, mut val_out) = (Vec::new(), Vec::new());
                encode_val(&mut key_out, key, key_shape, Path::Key(&path))?;
                encode_val(&mut val_out, val, value_shape, Path::Key(&path))?;
                entries.push((key_out, val_out));
            }
            entries.sort_unstable();
            if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(ValueError::new(ValueErrorKind::Repeated, &path, "has a key twice"));
            }
            encode_len(out, entries.len());
            out.extend(entries.into_iter().flat_map(|(key, val)| [key, val]).flatten());
        }
        (Val::Enum(name), Shape::Enum(names)) => {
            encode_case(out, names, name, shape, path)?;
        }
        (Val::Variant(name, val), Shape::Variant(names, payloads)) => {
            let case = encode_case(out, names, name, shape, path)?;
            encode_payload(out, val.as_deref(), &payloads[case], Path::Field(&path, name))?;
        }
        (Val::Option(val), Shape::Option(inner)) => {
            out.push(val.is_some().into());
            encode_payload(out, val.as_deref(), inner, path)?;
        }
        (Val::Result(result), Shape::Result(ok, err)) => {
            out.push(result.is_err().into());
            let (val, shape) = match result {
                Ok(val) => (val, ok),
                Err(val) => (val, err),
            };
            encode_payload(out, val.as_deref(), shape, path)?;
        }
        (Val::Flags(set), Shape::Flags(names)) => {
            let mut bits = vec![0_u8; names.len().div_ceil(8)];
            for name in set {
                let flag = names.position(name).ok_or_else(|| does_not_fit(shape, path))?;
                bits[flag / 8] |= 1 << (flag % 8);
            }
            out.extend(bits);
        }
        _ => return Err(does_not_fit(shape, path)),
    }
    Ok(())
}

fn encode_all<'a>(
    out: &mut Vec<u8>,
    vals: impl Iterator<Item = (&'a Val, &'a Shape)>,
    path: Path<'_>,
) -> Result<(), ValueError> {
    vals.enumerate().try_for_each(|(index, (val, shape))| encode_val(out, val, shape, Path::Index(&path, index)))
}

fn encode_payload(out: &mut Vec<u8>, val: Option<&Val>, shape: &Shape, path: Path<'_>) -> Result<(), ValueError> {
    val.map_or(Ok(()), |val| encode_val(out, val, shape, path))
}

fn encode_case(
    out: &mut Vec<u8>,
    names: &Names,
    name: &str,
    shape: &Shape,
    path: Path<'_>,
) -> Result<usize, ValueError> {
    let case = names.position(name).ok_or_else(|| does_not_fit(shape, path))?;
    encode_len(out, case);
    Ok(case)
}

fn encode_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    encode_len(out, bytes.len());
    out.extend(bytes);
}

/// LEB128, of which there is one for each number.
fn encode_len(out: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        out.push(len.to_le_bytes()[0] | 0x80);
        len >>= 7;
    }
    out.push(len.to_le_bytes()[0]);
}

fn nan(path: Path<'_>) -> ValueError {
    ValueError::new(
        ValueErrorKind::IllTyped,
        &path,
        "is NaN, which equals nothing and so can be no part of a parameter",
    )
}

fn does_not_fit(shape: &Shape, path: Path<'_>) -> ValueError {
    ValueError::new(ValueErrorKind::IllTyped, &path, format!("is not of its type `{}`", describe::wit(shape)))
}

fn normalize_val(val: &mut Val, shape: &Shape) {
    match (val, shape) {
        (Val::Float32(number), _) => *number += 0.0,
        (Val::Float64(number), _) => *number += 0.0,
        (Val::List(vals), Shape::List(element)) | (Val::FixedLengthList(vals), Shape::FixedList(element, _)) => {
            vals.iter_mut().for_each(|val| normalize_val(val, element));
        }
        (Val::Tuple(vals), Shape::Tuple(shapes)) => {
            vals.iter_mut().zip(shapes).for_each(|(val, shape)| normalize_val(val, shape));
        }
        (Val::Record(fields), Shape::Record(_, shapes)) => {
            fields.iter_mut().zip(shapes).for_each(|((_, val), shape)| normalize_val(val, shape));
        }
        (Val::Map(pairs), Shape::Map(key_shape, value_shape)) => {
            pairs.iter_mut().for_each(|(_, val)| normalize_val(val, value_shape));
            pairs.sort_by_cached_key(|(key, _)| key_bytes(key, key_shape));
        }
        (Val::Variant(name, Some(val)), Shape::Variant(names, payloads)) => {
            if let Some(case) = names.position(name) {
                normalize_val(val, &payloads[case]);
            }
        }
        (Val::Option(Some(val)), Shape::Option(inner)) => normalize_val(val, inner),
        (Val::Result(Ok(Some(val))), Shape::Result(shape, _))
        | (Val::Result(Err(Some(val))), Shape::Result(_, shape)) => normalize_val(val, shape),
        (Val::Flags(set), Shape::Flags(names)) => set.sort_by_key(|name| names.position(name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::What;
    use super::*;

    fn one(shape: Shape) -> Signature {
        Signature::from_shapes(What::Parameter, [("x", shape)])
    }

    #[test]
    fn minus_zero_is_zero_in_the_key_and_in_the_value() {
        let signature = one(Shape::List(Box::new(Shape::F64)));
        let list = |number| vec![Value::Val(Val::List(vec![Val::Float64(number)]))];
        assert_eq!(encode(&signature, &list(-0.0)).unwrap(), encode(&signature, &list(0.0)).unwrap());
        let mut values = list(-0.0);
        normalize(&signature, &mut values);
        assert_eq!(values, list(0.0), "wasmtime tells -0.0 from 0.0");
    }

    #[test]
    fn nan_is_refused_by_the_name_of_the_parameter() {
        let signature = one(Shape::Option(Box::new(Shape::F32)));
        let nan = Value::Val(Val::Option(Some(Box::new(Val::Float32(f32::NAN)))));
        let error = encode(&signature, &[nan]).unwrap_err();
        assert_eq!(error.to_string(), "`x` is NaN, which equals nothing and so can be no part of a parameter");
    }

    #[test]
    fn a_key_over_the_limit_is_refused_with_its_size() {
        let signature = one(Shape::Bytes);
        assert_eq!(encode(&signature, &[Value::Bytes(vec![0; MAX_KEY_BYTES - 2])]).unwrap().len(), MAX_KEY_BYTES);
        let error = encode(&signature, &[Value::Bytes(vec![0; MAX_KEY_BYTES])]).unwrap_err();
        assert_eq!(error.to_string(), "the total size of the parameters is 16387 bytes, more than the limit of 16384");
        assert_eq!(error.limit(), Some(Limit { setting: None, limit: 16384, value: 16387 }));
    }

    #[test]
    fn the_order_of_a_map_does_not_matter_and_a_repeated_key_is_refused() {
        let signature = one(Shape::Map(Box::new(Shape::String), Box::new(Shape::Bool)));
        let pair = |key: &str, val| (Val::String(key.into()), Val::Bool(val));
        let map = |pairs: Vec<_>| vec![Value::Val(Val::Map(pairs))];
        let (mut ab, mut ba) =
            (map(vec![pair("a", true), pair("b", false)]), map(vec![pair("b", false), pair("a", true)]));
        assert_eq!(encode(&signature, &ab).unwrap(), encode(&signature, &ba).unwrap());
        normalize(&signature, &mut ab);
        normalize(&signature, &mut ba);
        assert_eq!(ab, ba);
        let error = encode(&signature, &map(vec![pair("a", true), pair("a", true)])).unwrap_err();
        assert_eq!(error.to_string(), "`x` has a key twice");
    }

    #[test]
    fn strings_cannot_run_into_each_other() {
        let signature = Signature::from_shapes(What::Parameter, [("a", Shape::String), ("b", Shape::String)]);
        let key = |a: &str, b: &str| {
            encode(&signature, &[Value::Val(Val::String(a.into())), Value::Val(Val::String(b.into()))]).unwrap()
        };
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
