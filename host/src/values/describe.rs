//! Types in words: as WIT spells them, and as a person is told what is needed.

use std::fmt::{self, Write as _};

use super::error::shorten;
use super::names::Names;
use super::shape::Shape;

/// The longest spelling of a type inside an error, in characters.
const MAX_WIT: usize = 80;

/// Spells a type as in WIT, written out: `list<tuple<u8, string>>`, `record { label: string, score: f64 }`.
pub(crate) fn wit(shape: &Shape) -> String {
    Wit(shape).to_string()
}

/// Says what a type needs, in plain words that follow "needs".
pub(crate) fn plain(shape: &Shape) -> String {
    match shape {
        Shape::Unit => "nothing (null)".into(),
        Shape::Bool => "true or false".into(),
        Shape::Int(int) => format!("a whole number from {} to {}", int.range().start(), int.range().end()),
        Shape::F32 | Shape::F64 => "a number".into(),
        Shape::Char => "a single character".into(),
        Shape::String => "a string".into(),
        Shape::Bytes => "bytes, as a base64 string".into(),
        Shape::List(_) => format!("a list (`{}`)", short_wit(shape)),
        Shape::FixedList(_, len) => format!("a list of exactly {len} (`{}`)", short_wit(shape)),
        Shape::Map(key, _) if **key == Shape::String => format!("an object (`{}`)", short_wit(shape)),
        Shape::Map(..) => format!("a list of pairs (`{}`)", short_wit(shape)),
        Shape::Record(names, _) => format!("an object with the fields {}", names.listed()),
        Shape::Tuple(shapes) => format!("a list of exactly {} (`{}`)", shapes.len(), short_wit(shape)),
        Shape::Variant(names, _) => format!("one of the cases {}", names.listed()),
        Shape::Enum(names) => format!("one of {}", names.listed()),
        Shape::Option(inner) if inner.is_option() => format!("null, or {{\"some\": …}} around {}", plain(inner)),
        Shape::Option(inner) => format!("{}, or null", plain(inner)),
        Shape::Result(..) => format!("{{\"ok\": …}} or {{\"err\": …}} (`{}`)", short_wit(shape)),
        Shape::Flags(names) => format!("a list of names out of {}", names.listed()),
    }
}

fn short_wit(shape: &Shape) -> String {
    shorten(&wit(shape), MAX_WIT).into_owned()
}

struct Wit<'a>(&'a Shape);

impl fmt::Display for Wit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Shape::Unit => f.write_str("_"),
            Shape::Bool => f.write_str("bool"),
            Shape::Int(int) => f.write_str(int.name()),
            Shape::F32 => f.write_str("f32"),
            Shape::F64 => f.write_str("f64"),
            Shape::Char => f.write_str("char"),
            Shape::String => f.write_str("string"),
            Shape::Bytes => f.write_str("list<u8>"),
            Shape::List(element) => write!(f, "list<{}>", Wit(element)),
            Shape::FixedList(element, len) => write!(f, "list<{}, {len}>", Wit(element)),
            Shape::Map(key, value) => write!(f, "map<{}, {}>", Wit(key), Wit(value)),
            Shape::Record(names, shapes) => {
                members(f, "record", names, |f, index| write!(f, ": {}", Wit(&shapes[index])))
            }
            Shape::Tuple(shapes) => {
                f.write_str("tuple<")?;
                for (index, shape) in shapes.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Wit(shape))?;
                }
                f.write_char('>')
            }
            Shape::Variant(names, payloads) => members(f, "variant", names, |f, index| match &payloads[index] {
                Shape::Unit => Ok(()),
                payload => write!(f, "({})", Wit(payload)),
            }),
            Shape::Enum(names) => members(f, "enum", names, |_, _| Ok(())),
            Shape::Flags(names) => members(f, "flags", names, |_, _| Ok(())),
            Shape::Option(inner) => write!(f, "option<{}>", Wit(inner)),
            Shape::Result(ok, err) => match (&**ok, &**err) {
                (Shape::Unit, Shape::Unit) => f.write_str("result"),
                (ok, Shape::Unit) => write!(f, "result<{}>", Wit(ok)),
                (ok, err) => write!(f, "result<{}, {}>", Wit(ok), Wit(err)),
            },
        }
    }
}

fn members(
    f: &mut fmt::Formatter<'_>,
    keyword: &str,
    names: &Names,
    rest: impl Fn(&mut fmt::Formatter<'_>, usize) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{keyword} {{ ")?;
    for (index, name) in names.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        f.write_str(name)?;
        rest(f, index)?;
    }
    f.write_str(" }")
}

#[cfg(test)]
mod tests {
    use super::super::shape::Int;
    use super::*;

    fn point() -> Shape {
        Shape::Record(Names::from_iter(["label", "score"]), Box::new([Shape::String, Shape::F64]))
    }

    #[test]
    fn types_are_spelled_as_in_wit() {
        let pair = Shape::Tuple(Box::new([Shape::Int(Int::U8), Shape::String]));
        assert_eq!(wit(&Shape::List(Box::new(pair))), "list<tuple<u8, string>>");
        assert_eq!(wit(&point()), "record { label: string, score: f64 }");
        let unit_or = |err| wit(&Shape::Result(Box::new(Shape::Unit), Box::new(err)));
        assert_eq!((unit_or(Shape::String).as_str(), unit_or(Shape::Unit).as_str()), ("result<_, string>", "result"));
        let variant = Shape::Variant(Names::from_iter(["none", "at"]), Box::new([Shape::Unit, point()]));
        assert_eq!(wit(&variant), "variant { none, at(record { label: string, score: f64 }) }");
        assert_eq!(wit(&Shape::Map(Box::new(Shape::String), Box::new(Shape::Bytes))), "map<string, list<u8>>");
    }

    #[test]
    fn types_are_told_in_plain_words() {
        assert_eq!(plain(&Shape::Int(Int::S8)), "a whole number from -128 to 127");
        assert_eq!(plain(&point()), "an object with the fields `label`, `score`");
        assert_eq!(plain(&Shape::Option(Box::new(Shape::String))), "a string, or null");
        assert_eq!(plain(&Shape::Enum(Names::from_iter(["red", "green"]))), "one of `red`, `green`");
    }
}
