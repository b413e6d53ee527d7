//! Values as WAVE, the text form of the component model.
//!
//! `wasm-wave` parses the text, up to 100 deep, and writes the leaves; the way between its syntax tree and a value is
//! ours, because its own ignores fields that a record does not have and knows neither maps nor lists of fixed length.
//! WAVE has no syntax for those two yet: here a map is a list of pairs, `[("a", 1)]`, and a list of fixed length is
//! a list.

use std::fmt::Write as _;

use wasm_wave::ast::Node;
use wasm_wave::lex::Keyword;
use wasm_wave::untyped::UntypedValue;
use wasm_wave::writer::Writer;
use wasmtime::component::Val;

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::shape::Shape;
use super::to_val::float;
use super::to_val_parts::flags;
use super::{Limits, Value, canonical, describe};

/// Reads one value of `shape`; `path` is what errors call it.
///
/// # Errors
/// If the text is not WAVE, does not fit the shape, or goes on after the value.
pub(crate) fn read(text: &str, shape: &Shape, limits: &Limits, path: Path<'_>) -> Result<Value, ValueError> {
    let untyped = UntypedValue::parse(text)
        .map_err(|error| ValueError::new(ValueErrorKind::Syntax, &path, format!("is not WAVE: {error}")))?;
    let val = Reader { source: text, limits }.read(untyped.node(), shape, path)?;
    Ok(Value::from_val(val, shape))
}

struct Reader<'a> {
    source: &'a str,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn read(&self, node: &Node, shape: &Shape, path: Path<'_>) -> Result<Val, ValueError> {
        let source = self.source;
        let mismatch = || self.mismatch(node, shape, path);
        // What `wasm-wave` says about a node that does not fit its type adds nothing to this.
        let or_mismatch = |_| mismatch();
        Ok(match shape {
            Shape::Unit => return Err(mismatch()),
            Shape::Bool => Val::Bool(node.as_bool().map_err(or_mismatch)?),
            Shape::Int(int) => int.val(node.as_number(source).map_err(or_mismatch)?).ok_or_else(mismatch)?,
            Shape::F32 | Shape::F64 => {
                let number: f64 = node.as_number(source).map_err(or_mismatch)?;
                let infinite = number.is_infinite() && !source[node.span()].ends_with("inf");
                float(shape, number).filter(|_| !infinite).ok_or_else(mismatch)?
            }
            Shape::Char => Val::Char(node.as_char(source).map_err(or_mismatch)?),
            Shape::String => Val::String(node.as_str(source).map_err(or_mismatch)?.into_owned()),
            Shape::Bytes => self.list(node, &Shape::Int(super::shape::Int::U8), shape, path)?,
            Shape::List(element) => self.list(node, element, shape, path)?,
            Shape::FixedList(element, len) => match self.list(node, element, shape, path)? {
                Val::List(vals) if vals.len() == *len => Val::FixedLengthList(vals),
                _ => return Err(mismatch()),
            },
            Shape::Map(key, value) => self.map(node, (key, value), shape, path)?,
            Shape::Tuple(shapes) => {
                let nodes = node.as_tuple().map_err(or_mismatch)?;
                if nodes.len() != shapes.len() {
                    return Err(mismatch());
                }
                let vals = nodes.zip(shapes).enumerate();
                Val::Tuple(
                    vals.map(|(index, (node, shape))| self.read(node, shape, Path::Index(&path, index)))
                        .collect::<Result<_, _>>()?,
                )
            }
            Shape::Record(names, shapes) => self.record(node, names, shapes, shape, path)?,
            Shape::Enum(names) => {
                let name = node.as_enum(source).map_err(or_mismatch)?;
                shape.case_val(self.position(names, name, "case", path)?, Val::Bool(false))
            }
            Shape::Variant(names, payloads) => {
                let (name, payload) = node.as_variant(source).map_err(or_mismatch)?;
                let case = self.position(names, name, "case", path)?;
                self.case(shape, case, payload, &payloads[case], Path::Field(&path, name), &mismatch)?
            }
            Shape::Result(ok, err) => match (node.as_result(), &**ok) {
                (Ok(Ok(payload)), _) => self.case(shape, 0, payload, ok, Path::Field(&path, "ok"), &mismatch)?,
                (Ok(Err(payload)), _) => self.case(shape, 1, payload, err, Path::Field(&path, "err"), &mismatch)?,
                (Err(_), Shape::Unit | Shape::Option(_) | Shape::Result(..)) => return Err(mismatch()),
                // WAVE lets `ok(…)` and `some(…)` be left out around values that are not themselves of these types.
                (Err(_), ok) => shape.case_val(0, self.read(node, ok, path)?),
            },
            Shape::Option(inner) => match (node.as_option(), &**inner) {
                (Ok(None), _) => Val::Option(None),
                (Ok(Some(node)), _) => Val::Option(Some(Box::new(self.read(node, inner, path)?))),
                (Err(_), Shape::Option(_) | Shape::Result(..)) => return Err(mismatch()),
                (Err(_), _) => Val::Option(Some(Box::new(self.read(node, inner, path)?))),
            },
            Shape::Flags(names) => {
                let mut set = vec![false; names.len()];
                for name in node.as_flags(source).map_err(or_mismatch)? {
                    set[self.position(names, name.trim_start_matches('%'), "flag", path)?] = true;
                }
                flags(names, &set)
            }
        })
    }

    fn mismatch(&self, node: &Node, shape: &Shape, path: Path<'_>) -> ValueError {
        let text = &self.source[node.span()];
        let got = Got::Word(text);
        let message = match shape {
            Shape::Variant(names, _) | Shape::Enum(names) if is_case_without_percent(text, names) => {
                let written = format!("%{text}");
                format!("needs a `%` before a case of this name, which is a word of WAVE, too: {}", Got::Word(&written))
            }
            Shape::Bool | Shape::Int(_) | Shape::F32 | Shape::F64 | Shape::Enum(_) => {
                format!("needs {}, got {got}", describe::plain(shape))
            }
            Shape::String => format!("needs a string in double quotes, got {got}"),
            Shape::Char => format!("needs a character in single quotes, got {got}"),
            _ => format!("needs a value of type `{}`, got {got}", describe::wit(shape)),
        };
        ValueError::new(ValueErrorKind::IllTyped, &path, message)
    }

    fn position(&self, names: &Names, name: &str, what: &str, path: Path<'_>) -> Result<usize, ValueError> {
        names.position(name).ok_or_else(|| {
            let message = format!("has no {what} {}; {}", Got::Word(name), names.hint(name));
            ValueError::new(ValueErrorKind::Unknown, &path, message)
        })
    }

    fn list(&self, node: &Node, element: &Shape, shape: &Shape, path: Path<'_>) -> Result<Val, ValueError> {
        let nodes = node.as_list().map_err(|_| self.mismatch(node, shape, path))?;
        self.limits.check_list(nodes.len(), &path)?;
        let vals = nodes.enumerate().map(|(index, node)| self.read(node, element, Path::Index(&path, index)));
        Ok(Val::List(vals.collect::<Result<_, _>>()?))
    }

    fn map(&self, node: &Node, of: (&Shape, &Shape), shape: &Shape, path: Path<'_>) -> Result<Val, ValueError> {
        let nodes = node.as_list().map_err(|_| self.mismatch(node, shape, path))?;
        self.limits.check_list(nodes.len(), &path)?;
        let mut pairs = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.enumerate() {
            let path = Path::Index(&path, index);
            let mut pair = node.as_tuple().map_err(|_| self.mismatch(node, shape, path))?;
            let (Some(key), Some(value), None) = (pair.next(), pair.next(), pair.next()) else {
                return Err(self.mismatch(node, shape, path));
            };
            pairs.push((self.read(key, of.0, Path::Key(&path))?, self.read(value, of.1, path)?));
        }
        if canonical::has_repeated_key(of.0, &pairs) {
            return Err(ValueError::new(ValueErrorKind::Repeated, &path, "has a key twice"));
        }
        Ok(Val::Map(pairs))
    }

    fn record(
        &self,
        node: &Node,
        names: &Names,
        shapes: &[Shape],
        shape: &Shape,
        path: Path<'_>,
    ) -> Result<Val, ValueError> {
        let mut vals: Vec<Option<Val>> = vec![None; names.len()];
        for (name, node) in node.as_record(self.source).map_err(|_| self.mismatch(node, shape, path))? {
            let index = self.position(names, name, "field", path)?;
            // The parser refuses names that are repeated.
            vals[index] = Some(self.read(node, &shapes[index], Path::Field(&path, names.name(index)))?);
        }
        let fields = vals.into_iter().zip(names.iter().zip(shapes)).map(|(val, (name, shape))| match (val, shape) {
            (Some(val), _) => Ok((name.to_owned(), val)),
            (None, Shape::Option(_)) => Ok((name.to_owned(), Val::Option(None))),
            (None, shape) => {
                let message = format!("lacks the field `{name}`: {}", describe::plain(shape));
                Err(ValueError::new(ValueErrorKind::Missing, &path, message))
            }
        });
        Ok(Val::Record(fields.collect::<Result<_, _>>()?))
    }

    fn case(
        &self,
        shape: &Shape,
        case: usize,
        payload: Option<&Node>,
        of: &Shape,
        path: Path<'_>,
        mismatch: &dyn Fn() -> ValueError,
    ) -> Result<Val, ValueError> {
        match (payload, of) {
            (None, Shape::Unit) => Ok(shape.case_val(case, Val::Bool(false))),
            (Some(node), of) if *of != Shape::Unit => Ok(shape.case_val(case, self.read(node, of, path)?)),
            _ => Err(mismatch()),
        }
    }
}

/// Whether the text is a case, `some(3)` or `ok`, that WAVE reads as its own word because no `%` stands before it.
fn is_case_without_percent(text: &str, names: &Names) -> bool {
    let word = text.split('(').next().unwrap_or(text).trim_end();
    Keyword::decode(word).is_some() && names.position(word).is_some()
}

/// Writes a value as WAVE; the unit value is the empty text.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Val(_) if *value == Value::unit() => {}
        Value::Val(val) => write_val(&mut out, val),
        Value::Bytes(bytes) => write_bytes(&mut out, bytes),
        Value::OptionBytes(None) => out.push_str("none"),
        Value::OptionBytes(Some(bytes)) => {
            out.push_str("some(");
            write_bytes(&mut out, bytes);
            out.push(')');
        }
    }
    out
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    items(out, ('[', ']'), bytes, |out, byte| {
        let _ = write!(out, "{byte}");
    });
}

fn write_val(out: &mut String, val: &Val) {
    match val {
        Val::List(vals) | Val::FixedLengthList(vals) => items(out, ('[', ']'), vals, write_val),
        Val::Tuple(vals) => items(out, ('(', ')'), vals, write_val),
        Val::Map(pairs) => items(out, ('[', ']'), pairs, |out, (key, val)| {
            items(out, ('(', ')'), [key, val], write_val);
        }),
        Val::Record(fields) => {
            let present: Vec<_> = fields.iter().filter(|(_, val)| !matches!(val, Val::Option(None))).collect();
            if present.is_empty() {
                return out.push_str("{:}");
            }
            items(out, ('{', '}'), present, |out, (name, val)| {
                out.push_str(name);
                out.push_str(": ");
                write_val(out, val);
            });
        }
        Val::Variant(name, val) => {
            if Keyword::decode(name).is_some() {
                out.push('%');
            }
            write_case(out, name, val.as_deref());
        }
        Val::Option(None) => out.push_str("none"),
        Val::Option(val) => write_case(out, "some", val.as_deref()),
        Val::Result(Ok(val)) => write_case(out, "ok", val.as_deref()),
        Val::Result(Err(val)) => write_case(out, "err", val.as_deref()),
        // The shortest form that reads back; the writer of `wasm-wave` would spell out three hundred zeros.
        Val::Float32(number) if number.is_finite() => {
            let _ = write!(out, "{number:?}");
        }
        Val::Float64(number) if number.is_finite() => {
            let _ = write!(out, "{number:?}");
        }
        leaf => {
            let _ = Writer::new(out).write_value(leaf);
        }
    }
}

fn write_case(out: &mut String, name: &str, val: Option<&Val>) {
    out.push_str(name);
    if let Some(val) = val {
        items(out, ('(', ')'), [val], write_val);
    }
}

fn items<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
    out.push(close);
}
