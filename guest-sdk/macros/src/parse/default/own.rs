//! Defaults of types with `#[derive(Value)]`: written as Rust writes such a value.

use serde_json::{Map, Value as Json, json};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprStruct, Ident, Member, Path, Token};

use super::super::types::spelled;
use crate::model::{Case, Definition, Field, Kind, Payload, Type};

/// Reads a default of the type that `definition` defines.
///
/// # Errors
///
/// If it is no value of it; the message says what would be.
pub(super) fn json(written: &Expr, definition: &Definition, types: &[Definition]) -> Result<Json, String> {
    let path = match written {
        Expr::Path(path) => &path.path,
        Expr::Struct(item) => &item.path,
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => &path.path,
            _ => return Err(no_value(written, definition)),
        },
        _ => return Err(no_value(written, definition)),
    };
    let last = last(path);
    match (&definition.kind, written) {
        (Kind::Record(fields), Expr::Struct(item)) if last == Some(&definition.name.rust) => {
            object(item, fields, types)
        }
        (Kind::Unnamed(inner), Expr::Call(call)) if last == Some(&definition.name.rust) => {
            list(&call.args, inner, types).unwrap_or_else(|| Err(no_value(written, definition)))
        }
        (Kind::Enum(cases) | Kind::Variant(cases), _) => {
            let case = cases.iter().find(|case| Some(&case.name.rust) == last).ok_or_else(|| {
                let name = &definition.name.rust;
                let known: Vec<_> = cases.iter().map(|case| format!("`{name}::{}`", case.name.rust)).collect();
                format!("`{}` is no case of `{name}`; it has {}", spelled(path), known.join(", "))
            })?;
            of_case(written, case, types).unwrap_or_else(|| Err(no_value(written, definition)))
        }
        _ => Err(no_value(written, definition)),
    }
}

/// A case; nothing if what is written after its name is not what is in it.
fn of_case(written: &Expr, case: &Case, types: &[Definition]) -> Option<Result<Json, String>> {
    let name = &case.name.wit;
    let payload = match (&case.payload, written) {
        (Payload::Nothing, Expr::Path(_)) => return Some(Ok(Json::from(name.as_str()))),
        (Payload::Values(inner), Expr::Call(call)) => list(&call.args, inner, types)?,
        (Payload::Fields(fields), Expr::Struct(item)) => object(item, fields, types),
        _ => return None,
    };
    Some(payload.map(|payload| json!({ name: payload })))
}

fn object(written: &ExprStruct, fields: &[Field], types: &[Definition]) -> Result<Json, String> {
    if let Some(rest) = &written.rest {
        return Err(format!("`..{}` is not known to a macro; write all fields", spelled(rest)));
    }
    let mut object = Map::new();
    for field in fields {
        let name = &field.name.rust;
        let value =
            written.fields.iter().find(|value| matches!(&value.member, Member::Named(member) if member == name));
        let value = value.ok_or_else(|| format!("the field `{name}` is missing"))?;
        let value = super::json(&value.expr, &field.ty, types).map_err(|message| format!("`{name}`: {message}"))?;
        object.insert(field.name.wit.clone(), value);
    }
    // What the type has not, the compiler cannot say: it never sees the default.
    let is_known =
        |member: &Member| fields.iter().any(|field| matches!(member, Member::Named(name) if *name == field.name.rust));
    match written.fields.iter().find(|value| !is_known(&value.member)) {
        Some(value) => Err(format!("there is no field `{}`", spelled(&value.member))),
        None => Ok(Json::Object(object)),
    }
}

/// Values without names: one is what it is, several are a list; nothing if their number is another.
fn list(written: &Punctuated<Expr, Token![,]>, inner: &[Type], types: &[Definition]) -> Option<Result<Json, String>> {
    if written.len() != inner.len() {
        return None;
    }
    let mut values = written.iter().zip(inner).map(|(value, ty)| super::json(value, ty, types));
    Some(if inner.len() == 1 { values.next()? } else { values.collect() })
}

fn last(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|segment| &segment.ident)
}

fn no_value(written: &Expr, definition: &Definition) -> String {
    let name = &definition.name.rust;
    let example = match &definition.kind {
        Kind::Record(_) => format!("{name} {{ … }}"),
        Kind::Unnamed(_) => format!("{name}(…)"),
        Kind::Enum(cases) | Kind::Variant(cases) => {
            let case = cases.first().map(|case| (&case.name.rust, &case.payload));
            let payload = match case {
                Some((_, Payload::Values(_))) => "(…)",
                Some((_, Payload::Fields(_))) => " { … }",
                _ => "",
            };
            format!("{name}::{}{payload}", case.map(|(case, _)| case.to_string()).unwrap_or_default())
        }
    };
    format!("`{}` is no `{name}`; write one, such as `{example}`", spelled(written))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::section;
    use crate::testing::class;

    const TYPES: &str = "
        #[derive(Value)] struct Point { x: i32, light_blue: Option<Color> }
        #[derive(Value)] enum Color { Red, DarkGreen }
        #[derive(Value)] struct Id(u64);
        #[derive(Value)] struct Pair(Id, bool);
        #[derive(Value)] enum Shape { Nothing, Circle(f64), Line(Id, Id), Text { body: String } }
    ";

    /// The default of a method's argument, in the manifest.
    fn read(ty: &str, default: &str) -> serde_json::Value {
        let module = format!("mod m {{ {TYPES} #[method] fn f(#[default({default})] a: {ty}) {{}} }}");
        let document: serde_json::Value = serde_json::from_str(&section::document(&class("", &module))).unwrap();
        document["class"]["m"]["method"]["f"]["arguments"]["a"].clone()
    }

    #[test]
    fn a_default_is_written_as_rust_writes_the_value() {
        for (ty, default, expected) in [
            ("Color", "Color::DarkGreen", json!("dark-green")),
            ("Point", "Point { light_blue: Some(Color::Red), x: -1 }", json!({ "x": -1, "light-blue": "red" })),
            ("Id", "Id(7)", json!(7)),
            ("Pair", "Pair(Id(7), true)", json!([7, true])),
            ("Shape", "Shape::Nothing", json!("nothing")),
            ("Shape", "Shape::Circle(1.5)", json!({ "circle": 1.5 })),
            ("Shape", "Shape::Line(Id(1), Id(2))", json!({ "line": [1, 2] })),
            ("Vec<Shape>", "[Shape::Text { body: \"x\" }]", json!([{ "text": { "body": "x" } }])),
        ] {
            assert_eq!(read(ty, default), expected, "{default}");
        }
    }
}
