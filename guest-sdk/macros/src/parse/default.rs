//! Defaults: from the literal in `#[default(…)]` to JSON, by the type that it is a default of.

use serde_json::{Number, Value as Json, json};
use syn::{Expr, Lit, UnOp};

use super::types::spelled;
use crate::model::{Definition, Plain, Type};

mod own;

/// Reads the default `written` of a parameter with the type `ty`.
///
/// # Errors
///
/// If it is none of that type; the message says what would be.
pub(crate) fn json(written: &Expr, ty: &Type, types: &[Definition]) -> Result<Json, String> {
    match (ty, written) {
        (_, Expr::Paren(inner)) => json(&inner.expr, ty, types),
        (_, Expr::Group(inner)) => json(&inner.expr, ty, types),
        (Type::Plain(plain), _) => scalar(written, *plain),
        (Type::Duration, _) => text(written).and_then(|text| nanoseconds(&text)).map(Json::from).ok_or_else(|| {
            format!("`{}` is no duration; write it as a text with a unit, such as `\"30s\"`", spelled(written))
        }),
        (Type::Option(_), Expr::Path(path)) if path.path.is_ident("None") => Ok(Json::Null),
        (Type::Option(inner), Expr::Call(call)) if spelled(&call.func) == "Some" && call.args.len() == 1 => {
            let value = json(&call.args[0], inner, types)?;
            // Inside of another option, `Some(None)` has to differ from `None`.
            Ok(if matches!(**inner, Type::Option(_)) { json!({ "some": value }) } else { value })
        }
        (Type::Option(_), _) => Err(format!("`{}` is no `Option`; write `None` or `Some(…)`", spelled(written))),
        (Type::List(part), Expr::Array(array)) if **part != Type::Plain(Plain::U8) => {
            array.elems.iter().map(|element| json(element, part, types)).collect()
        }
        (Type::List(part), Expr::Lit(_) | Expr::Array(_)) if **part == Type::Plain(Plain::U8) => {
            Err("bytes have no default; take an `Option` of them".to_owned())
        }
        (Type::List(_), _) => Err(format!("`{}` is no list; write `[…]`", spelled(written))),
        (Type::Tuple(parts), Expr::Tuple(tuple)) if tuple.elems.len() == parts.len() => {
            tuple.elems.iter().zip(parts).map(|(element, part)| json(element, part, types)).collect()
        }
        (Type::Tuple(parts), _) => {
            Err(format!("`{}` is no tuple of {} values; write `(…)`", spelled(written), parts.len()))
        }
        (Type::Own(name), _) => {
            let definition = types.iter().find(|definition| definition.name.rust == *name);
            let definition = definition.ok_or_else(|| format!("`{name}` has mistakes of its own"))?;
            own::json(written, definition, types)
        }
        (Type::Map(..) | Type::Result(..), _) => {
            Err("maps and results have no default; take an `Option` of them".to_owned())
        }
    }
}

fn scalar(written: &Expr, plain: Plain) -> Result<Json, String> {
    let (is_negative, literal) = match written {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => (true, &*unary.expr),
        other => (false, other),
    };
    let literal = match literal {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    };
    let value = match (plain, literal, is_negative) {
        (Plain::Bool, Some(Lit::Bool(bool)), false) => Some(Json::from(bool.value)),
        (Plain::Char, Some(Lit::Char(char)), false) => Some(Json::from(char.value().to_string())),
        (Plain::String, Some(Lit::Str(text)), false) => Some(Json::from(text.value())),
        (Plain::F32 | Plain::F64, Some(Lit::Float(number)), _) => float(number.base10_digits(), is_negative),
        (Plain::F32 | Plain::F64, Some(Lit::Int(number)), _) => float(number.base10_digits(), is_negative),
        (_, Some(Lit::Int(number)), _) => whole(number.base10_digits(), is_negative, plain),
        _ => None,
    };
    value.ok_or_else(|| format!("`{}` is no {}", spelled(written), described(plain)))
}

fn float(digits: &str, is_negative: bool) -> Option<Json> {
    let number: f64 = digits.parse().ok()?;
    Number::from_f64(if is_negative { -number } else { number }).map(Json::Number)
}

fn whole(digits: &str, is_negative: bool, plain: Plain) -> Option<Json> {
    let number: i128 = digits.parse().ok()?;
    let number = if is_negative { -number } else { number };
    let (least, most) = range(plain)?;
    if !(least..=most).contains(&number) {
        return None;
    }
    u64::try_from(number).map(Json::from).or_else(|_| i64::try_from(number).map(Json::from)).ok()
}

fn range(plain: Plain) -> Option<(i128, i128)> {
    Some(match plain {
        Plain::S8 => (i8::MIN.into(), i8::MAX.into()),
        Plain::S16 => (i16::MIN.into(), i16::MAX.into()),
        Plain::S32 => (i32::MIN.into(), i32::MAX.into()),
        Plain::S64 => (i64::MIN.into(), i64::MAX.into()),
        Plain::U8 => (0, u8::MAX.into()),
        Plain::U16 => (0, u16::MAX.into()),
        Plain::U32 => (0, u32::MAX.into()),
        Plain::U64 => (0, u64::MAX.into()),
        Plain::Bool | Plain::F32 | Plain::F64 | Plain::Char | Plain::String => return None,
    })
}

fn described(plain: Plain) -> String {
    if let Some((least, most)) = range(plain) {
        return format!("whole number from {least} to {most}");
    }
    match plain {
        Plain::Bool => "`bool`; write `true` or `false`",
        Plain::Char => "`char`; write one, such as `'a'`",
        Plain::String => "`String`; write a text in quotes, such as `\"default\"`",
        _ => "number; write one, such as `10.3`",
    }
    .to_owned()
}

/// The text of a string literal.
pub(crate) fn text(written: &Expr) -> Option<String> {
    match written {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// A whole number and a unit, as manifests write durations.
fn nanoseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str, ty: &Type) -> Result<Json, String> {
        json(&syn::parse_str(written).unwrap(), ty, &[])
    }

    #[test]
    fn a_default_is_read_by_its_type() {
        let option = |ty| Type::Option(Box::new(ty));
        for (written, ty, expected) in [
            ("100", Type::Plain(Plain::S64), json!(100)),
            ("-1", Type::Plain(Plain::S8), json!(-1)),
            ("18446744073709551615", Type::Plain(Plain::U64), json!(u64::MAX)),
            ("10.3", Type::Plain(Plain::F64), json!(10.3)),
            ("-2", Type::Plain(Plain::F32), json!(-2.0)),
            ("'x'", Type::Plain(Plain::Char), json!("x")),
            ("\"default\"", Type::Plain(Plain::String), json!("default")),
            ("\"30s\"", Type::Duration, json!(30_000_000_000_u64)),
            ("None", option(Type::Plain(Plain::U8)), json!(null)),
            ("Some(3)", option(Type::Plain(Plain::U8)), json!(3)),
            ("Some(None)", option(option(Type::Plain(Plain::U8))), json!({ "some": null })),
            ("[1, 2]", Type::List(Box::new(Type::Plain(Plain::U16))), json!([1, 2])),
            ("(1, true)", Type::Tuple(vec![Type::Plain(Plain::U8), Type::Plain(Plain::Bool)]), json!([1, true])),
        ] {
            assert_eq!(read(written, &ty), Ok(expected), "{written}");
        }
    }

    #[test]
    fn a_default_of_another_type_says_what_is_expected() {
        for (written, ty, expected) in [
            ("\"100\"", Type::Plain(Plain::S64), "whole number"),
            ("256", Type::Plain(Plain::U8), "from 0 to 255"),
            ("-1", Type::Plain(Plain::U8), "from 0 to 255"),
            ("1.5", Type::Plain(Plain::S64), "whole number"),
            ("7", Type::Plain(Plain::String), "in quotes"),
            ("-true", Type::Plain(Plain::Bool), "`true` or `false`"),
            ("30", Type::Duration, "\"30s\""),
            ("3", Type::Option(Box::new(Type::Plain(Plain::U8))), "`Some(…)`"),
            ("b\"x\"", Type::List(Box::new(Type::Plain(Plain::U8))), "take an `Option`"),
        ] {
            let message = read(written, &ty).unwrap_err();
            assert!(message.contains(expected), "{written}: {message}");
        }
    }
}
