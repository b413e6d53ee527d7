//! Values as they are typed on a command line or in a query: scalars, strings and enums as they stand, the rest as WAVE
//! or JSON; on a command line bytes may be bare base64, too.
//!
//! An option of such a literal is given as the literal, since leaving it out already says `none`.

use wasmtime::component::Val;

use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::shape::Shape;
use super::to_val::float;
use super::{Limits, Value, describe, json, wave};

/// Reads a word of a command line.
///
/// What is not a literal is WAVE, or JSON where WAVE does not fit, or the base64 of bytes; if nothing does, the error is the
/// one that understood more of the text. An option of a literal other than a string may also be WAVE: `some(5)`, `none`.
///
/// # Errors
/// If the text does not fit the shape.
pub(crate) fn from_shell(text: &str, shape: &Shape, limits: &Limits, path: Path<'_>) -> Result<Value, ValueError> {
    let literal_error = match literal(text, shape) {
        Some(Ok(value)) => return Ok(value),
        None => None,
        Some(Err(Mismatch)) if !shape.is_option() => return Err(mismatch(text, shape, path)),
        Some(Err(Mismatch)) => Some(mismatch(text, shape, path)),
    };
    let wave_error = match wave::read(text, shape, limits, path) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let json_error = match json::read(text.as_bytes(), shape, limits, path) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if is_bytes(shape) && text.starts_with('"') {
        return Err(json_error);
    }
    // Whoever writes a list means WAVE; all else is base64, or should have been.
    if is_bytes(shape) && !text.starts_with('[') && !text.starts_with("some(") {
        let quoted = serde_json::Value::from(text).to_string();
        return json::read(quoted.as_bytes(), shape, limits, path);
    }
    let understood = |error: &ValueError| error.kind() != ValueErrorKind::Syntax;
    Err(match literal_error {
        Some(error) => error,
        None if understood(&wave_error) || !understood(&json_error) => wave_error,
        None => json_error,
    })
}

fn is_bytes(shape: &Shape) -> bool {
    match shape {
        Shape::Option(inner) => **inner == Shape::Bytes,
        shape => *shape == Shape::Bytes,
    }
}

/// Reads the value of one key of a query, percent-decoded. What is not a literal is JSON.
///
/// # Errors
/// If the text does not fit the shape.
pub(crate) fn from_query(text: &str, shape: &Shape, limits: &Limits, path: Path<'_>) -> Result<Value, ValueError> {
    match literal(text, shape) {
        Some(Ok(value)) => Ok(value),
        Some(Err(Mismatch)) => Err(mismatch(text, shape, path)),
        None => json::read(text.as_bytes(), shape, limits, path),
    }
}

struct Mismatch;

fn mismatch(text: &str, shape: &Shape, path: Path<'_>) -> ValueError {
    let shape = if let Shape::Option(inner) = shape { inner } else { shape };
    let message = match shape {
        Shape::Enum(names) if !text.is_empty() => format!("has no case {}; {}", Got::Word(text), names.hint(text)),
        _ => format!("needs {}, got {}", describe::plain(shape), Got::Text(text)),
    };
    ValueError::new(ValueErrorKind::IllTyped, &path, message)
}

/// The text taken as it stands; `None` if the shape is not that of a literal.
fn literal(text: &str, shape: &Shape) -> Option<Result<Value, Mismatch>> {
    let val = match shape {
        Shape::Option(inner) if !inner.is_option() => return Some(literal(text, inner)?.map(Value::some)),
        Shape::String => Some(Val::String(text.to_owned())),
        Shape::Bool => match text {
            "true" => Some(Val::Bool(true)),
            "false" => Some(Val::Bool(false)),
            _ => None,
        },
        Shape::Int(int) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
            if decimal { text.parse().ok().and_then(|number| int.val(number)) } else { None }
        }
        Shape::F32 | Shape::F64 => text
            .parse::<f64>()
            .ok()
            // Rust reads a number that is too large as infinity.
            .filter(|number| !number.is_infinite() || text.to_ascii_lowercase().contains("inf"))
            .and_then(|number| float(shape, number)),
        Shape::Char => {
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none()).map(Val::Char)
        }
        Shape::Enum(names) => names.position(text).map(|case| shape.case_val(case, Val::Bool(false))),
        _ => return None,
    };
    Some(val.map(Value::Val).ok_or(Mismatch))
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::super::shape::Int;
    use super::*;

    fn shell(text: &str, shape: &Shape) -> Result<Value, String> {
        from_shell(text, shape, &Limits::default(), Path::Name("x")).map_err(|error| error.to_string())
    }

    fn query(text: &str, shape: &Shape) -> Result<Value, String> {
        from_query(text, shape, &Limits::default(), Path::Name("x")).map_err(|error| error.to_string())
    }

    fn option(shape: Shape) -> Shape {
        Shape::Option(Box::new(shape))
    }

    #[test]
    fn scalars_strings_and_enums_are_taken_as_they_stand() {
        let color = Shape::Enum(Names::from_iter(["dark-red", "green"]));
        for read in [shell, query] {
            assert_eq!(read("\"5\"", &Shape::String), Ok(Value::Val(Val::String("\"5\"".into()))));
            assert_eq!(read("", &Shape::String), Ok(Value::Val(Val::String(String::new()))));
            assert_eq!(read("-7", &Shape::Int(Int::S8)), Ok(Value::Val(Val::S8(-7))));
            assert_eq!(read("1e3", &Shape::F64), Ok(Value::Val(Val::Float64(1000.0))));
            assert_eq!(read("-inf", &Shape::F32), Ok(Value::Val(Val::Float32(f32::NEG_INFINITY))));
            assert_eq!(read("'", &Shape::Char), Ok(Value::Val(Val::Char('\''))));
            assert_eq!(read("dark_red", &color), Ok(Value::Val(Val::Enum("dark-red".into()))));
            let some = |val| Ok(Value::Val(Val::Option(Some(Box::new(val)))));
            assert_eq!(read("none", &option(Shape::String)), some(Val::String("none".into())));
            assert_eq!(read("5", &option(Shape::Int(Int::U8))), some(Val::U8(5)));
        }
    }

    #[test]
    fn nothing_is_coerced_or_trimmed() {
        let int = "`x` needs a whole number from 0 to 255, got ";
        for (text, got) in [("1.0", "\"1.0\""), (" 1", "\" 1\""), ("+1", "\"+1\""), ("256", "\"256\""), ("", "\"\"")] {
            assert_eq!(shell(text, &Shape::Int(Int::U8)), Err(format!("{int}{got}")));
            assert_eq!(query(text, &option(Shape::Int(Int::U8))), Err(format!("{int}{got}")));
        }
        assert!(shell("1", &Shape::Bool).is_err());
        assert!(shell("1e999", &Shape::F64).is_err());
        assert!(shell("1e39", &Shape::F32).is_err());
        assert!(shell("ab", &Shape::Char).is_err());
    }

    #[test]
    fn on_the_shell_the_rest_is_wave_or_json() {
        let list = Shape::List(Box::new(option(Shape::Int(Int::U8))));
        let expected = Ok(Value::Val(Val::List(vec![Val::Option(Some(Box::new(Val::U8(1)))), Val::Option(None)])));
        assert_eq!(shell("[1, none]", &list), expected);
        assert_eq!(shell("[1, null]", &list), expected);
        assert_eq!(query("[1, null]", &list), expected);
        assert!(query("[1, none]", &list).is_err());
        assert_eq!(shell("\"aGk=\"", &Shape::Bytes), Ok(Value::Bytes(b"hi".to_vec())));
        assert_eq!(shell("[104, 105]", &Shape::Bytes), Ok(Value::Bytes(b"hi".to_vec())));
        assert_eq!(shell("none", &option(Shape::Int(Int::U8))), Ok(Value::Val(Val::Option(None))));
    }

    #[test]
    fn on_the_shell_bytes_may_be_bare_base64() {
        for (text, bytes) in [("AAE=", &[0, 1][..]), ("1234", &[215, 109, 248]), ("true", &[182, 187, 158]), ("", &[])]
        {
            assert_eq!(shell(text, &Shape::Bytes), Ok(Value::Bytes(bytes.to_vec())), "{text}");
            assert_eq!(shell(text, &option(Shape::Bytes)), Ok(Value::OptionBytes(Some(bytes.to_vec()))), "{text}");
            assert!(query(text, &Shape::Bytes).is_err());
        }
        assert_eq!(shell("none", &option(Shape::Bytes)), Ok(Value::OptionBytes(None)));
        assert_eq!(shell("some([104])", &option(Shape::Bytes)), Ok(Value::OptionBytes(Some(b"h".to_vec()))));
        let needs = format!("`x` needs {}, got ", describe::plain(&Shape::Bytes));
        for (text, got) in [("AAE", "\"AAE\""), ("\"AAE\"", "\"AAE\""), ("a b", "\"a b\"")] {
            assert_eq!(shell(text, &Shape::Bytes), Err(format!("{needs}{got}")));
        }
        assert_eq!(
            shell("[0, 300]", &Shape::Bytes),
            Err("`x[1]` needs a whole number from 0 to 255, got `300`".into())
        );
    }

    #[test]
    fn a_case_that_is_a_word_of_wave_is_told_its_percent_sign() {
        let names = || Names::from_iter(["ok", "some", "far"]);
        let event = Shape::Variant(names(), Box::new([Shape::Unit, Shape::Int(Int::U8), Shape::Unit]));
        let enums = Shape::List(Box::new(Shape::Enum(names())));
        let needs =
            |written| Err(format!("needs a `%` before a case of this name, which is a word of WAVE, too: `{written}`"));
        let told =
            |text, shape: &Shape| shell(text, shape).map_err(|error| error.split_once("` ").unwrap().1.to_owned());
        for (text, shape, written, value) in [
            ("some(3)", &event, "%some(3)", Val::Variant("some".into(), Some(Box::new(Val::U8(3))))),
            ("ok", &event, "%ok", Val::Variant("ok".into(), None)),
            ("[far, ok]", &enums, "%ok", Val::List(vec![Val::Enum("far".into()), Val::Enum("ok".into())])),
        ] {
            assert_eq!(told(text, shape), needs(written));
            let text = text.replace(&written[1..], written);
            assert_eq!(shell(&text, shape), Ok(Value::Val(value)), "{text}");
        }
        assert!(told("none", &event).unwrap_err().starts_with("needs a value of type `variant"), "it is no case");
        assert_eq!(shell(r#"{"some": 3}"#, &event), shell("%some(3)", &event));
    }

    #[test]
    fn of_two_errors_the_one_that_understood_the_text_is_told() {
        let list = Shape::List(Box::new(Shape::Int(Int::U16)));
        assert_eq!(shell("[1, x]", &list), Err("`x[1]` needs a whole number from 0 to 65535, got `x`".into()));
        let point = Shape::Record(Names::from_iter(["a"]), Box::new([Shape::Int(Int::U8)]));
        assert_eq!(shell(r#"{"a": 300}"#, &point), Err("`x.a` needs a whole number from 0 to 255, got `300`".into()));
        assert!(shell("[1,", &list).unwrap_err().starts_with("`x` is not WAVE: "));
        assert!(shell("[1] 2", &list).unwrap_err().starts_with("`x` is not WAVE: "));
    }
}
