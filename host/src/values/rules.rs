//! The rules between Rust values, JSON and types, one by one, and the texts of the errors.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wasmtime::component::Val;

use super::names::Names;
use super::shape::Int;
use super::{Limits, Path, Shape, Signature, Source, Value, ValueErrorKind, What, from_value, json, to_value};

const S32: Shape = Shape::Int(Int::S32);
const U8: Shape = Shape::Int(Int::U8);

fn names<const N: usize>(names: [&str; N]) -> Names {
    names.into_iter().collect()
}

fn option(inner: Shape) -> Shape {
    Shape::Option(Box::new(inner))
}

fn list(element: Shape) -> Shape {
    Shape::List(Box::new(element))
}

fn result(ok: Shape, err: Shape) -> Shape {
    Shape::Result(Box::new(ok), Box::new(err))
}

fn map(key: Shape, value: Shape) -> Shape {
    Shape::Map(Box::new(key), Box::new(value))
}

fn item() -> Shape {
    Shape::Record(names(["item-label", "score", "note"]), Box::new([Shape::String, Shape::F64, option(Shape::String)]))
}

fn event() -> Shape {
    Shape::Variant(
        names(["not-found", "moved-to", "at", "placed"]),
        Box::new([Shape::Unit, Shape::String, Shape::Tuple(Box::new([S32, S32])), item()]),
    )
}

/// Reads JSON text; the error as text.
fn read(text: &str, shape: &Shape) -> Result<Val, String> {
    let value = json::read(text.as_bytes(), shape, &Limits::default(), Path::Name("x"));
    value.and_then(|value| value.into_val(&Limits::default(), &Path::Root)).map_err(|error| error.to_string())
}

fn error(text: &str, shape: &Shape) -> String {
    read(text, shape).expect_err("this must not be read")
}

/// The JSON form of a Rust value of this shape, which must also come back as the same Rust value.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(rust: &T, shape: &Shape) -> String {
    let value = to_value(rust, shape, &Limits::default(), Path::Root).unwrap();
    let text = String::from_utf8(json::write(&value, shape).unwrap()).unwrap();
    assert_eq!(json::read(text.as_bytes(), shape, &Limits::default(), Path::Root).unwrap(), value, "{text}");
    assert_eq!(&from_value::<T>(value, shape).unwrap(), rust);
    text
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    item_label: String,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn an_item() -> Item {
    Item { item_label: "a".into(), score: 1.5, note: None }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    NotFound,
    MovedTo(String),
    At(i32, i32),
    Placed { item_label: String, score: f64, note: Option<String> },
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Color {
    DarkRed,
    Green,
}

#[test]
fn rust_structs_are_records_with_their_own_spelling_of_names() {
    assert_eq!(both_ways(&an_item(), &item()), r#"{"item-label":"a","score":1.5,"note":null}"#);
    assert_eq!(
        read(r#"{"item_label": "a", "score": 1}"#, &item()),
        read(r#"{"score": 1.0, "item-label": "a"}"#, &item())
    );
}

#[test]
fn rust_enums_are_variants_and_enums() {
    assert_eq!(both_ways(&Event::NotFound, &event()), r#""not-found""#);
    assert_eq!(both_ways(&Event::MovedTo("b".into()), &event()), r#"{"moved-to":"b"}"#);
    assert_eq!(both_ways(&Event::At(1, -2), &event()), r#"{"at":[1,-2]}"#);
    let placed = Event::Placed { item_label: "a".into(), score: 0.5, note: Some("n".into()) };
    assert_eq!(both_ways(&placed, &event()), r#"{"placed":{"item-label":"a","score":0.5,"note":"n"}}"#);
    let color = Shape::Enum(names(["dark-red", "green"]));
    assert_eq!(both_ways(&Color::DarkRed, &color), r#""dark-red""#);
    assert_eq!(both_ways(&vec![Some(Color::Green), None], &list(option(color))), r#"["green",null]"#);
}

#[test]
fn results_are_ok_or_err() {
    let shape = result(S32, Shape::String);
    assert_eq!(both_ways(&Ok::<_, String>(5), &shape), r#"{"ok":5}"#);
    assert_eq!(both_ways(&Err::<i32, _>(String::from("no")), &shape), r#"{"err":"no"}"#);
    assert_eq!(both_ways(&Ok::<_, ()>(()), &result(Shape::Unit, Shape::Unit)), r#"{"ok":null}"#);
    assert_eq!(both_ways(&Some(Ok::<_, ()>(())), &option(result(Shape::Unit, Shape::Unit))), r#"{"ok":null}"#);
}

#[test]
fn an_option_in_an_option_keeps_none_and_some_none_apart() {
    let shape = option(option(S32));
    for (rust, text) in [(None, "null"), (Some(None), r#"{"some":null}"#), (Some(Some(5)), r#"{"some":5}"#)] {
        assert_eq!(both_ways::<Option<Option<i32>>>(&rust, &shape), text);
    }
    let thrice = option(option(option(Shape::Bytes)));
    assert_eq!(both_ways(&Some(Some(None::<Vec<u8>>)), &thrice), r#"{"some":{"some":null}}"#);
    assert_eq!(
        error("5", &shape),
        r#"`x` needs null, or {"some": …} around a whole number from -2147483648 to 2147483647, or null, got `5`"#
    );
}

#[test]
fn bytes_are_base64_in_text_and_bytes_in_rust() {
    let hi = Ok(Val::List(vec![Val::U8(104), Val::U8(105)]));
    assert_eq!(both_ways(&b"hi".to_vec(), &Shape::Bytes), r#""aGk=""#);
    assert_eq!(both_ways(&Some(b"hi".to_vec()), &option(Shape::Bytes)), r#""aGk=""#);
    assert_eq!(both_ways(&(b"hi".to_vec(), 1), &Shape::Tuple(Box::new([Shape::Bytes, S32]))), r#"["aGk=",1]"#);
    assert_eq!(read(r#""aGk=""#, &Shape::Bytes), hi);
    assert_eq!(error(r#""aGk""#, &Shape::Bytes), r#"`x` needs bytes, as a base64 string, got "aGk""#);

    #[derive(Debug, PartialEq)]
    struct Raw(Vec<u8>);
    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl serde::de::Visitor<'_> for Visitor {
                type Value = Raw;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes, moved")
                }
                fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
                    Ok(Raw(bytes))
                }
            }
            deserializer.deserialize_byte_buf(Visitor)
        }
    }
    assert_eq!(both_ways(&Raw(b"hi".to_vec()), &Shape::Bytes), r#""aGk=""#);
    assert_eq!(both_ways(&vec![Raw(b"hi".to_vec())], &list(Shape::Bytes)), r#"["aGk="]"#);
}

#[test]
fn whole_numbers_are_exact() {
    let u64_shape = Shape::Int(Int::U64);
    assert_eq!(both_ways(&u64::MAX, &u64_shape), "18446744073709551615");
    assert_eq!(read(r#""18446744073709551615""#, &u64_shape), Ok(Val::U64(u64::MAX)));
    assert_eq!(read(r#""-5""#, &Shape::Int(Int::S64)), Ok(Val::S64(-5)));
    let s8 = Shape::Int(Int::S8);
    for (text, got) in [("1.5", "`1.5`"), ("1.0", "`1.0`"), ("128", "`128`"), ("true", "`true`"), (r#""7""#, r#""7""#)]
    {
        assert_eq!(error(text, &s8), format!("`x` needs a whole number from -128 to 127, got {got}"));
    }
    for text in [r#""+5""#, r#"" 5""#, r#""""#, r#""-""#, r#""1e3""#] {
        assert!(read(text, &u64_shape).is_err(), "{text}");
    }
    assert!(read("1", &Shape::Bool).is_err());
    assert_eq!(error("5", &Shape::String), "`x` needs a string, got `5`");
}

#[test]
fn floats_that_are_no_number_are_strings_in_json() {
    assert_eq!(both_ways(&f64::NEG_INFINITY, &Shape::F64), r#""-Infinity""#);
    let nan = to_value(&f32::NAN, &Shape::F32, &Limits::default(), Path::Root).unwrap();
    assert_eq!(json::write(&nan, &Shape::F32).unwrap(), br#""NaN""#);
    assert!(from_value::<f32>(nan, &Shape::F32).unwrap().is_nan());
    assert_eq!(both_ways(&0.1_f32, &Shape::F32), "0.1");
    assert_eq!(read("3", &Shape::F32), Ok(Val::Float32(3.0)));
    assert_eq!(error("1e39", &Shape::F32), "`x` needs a number, got `1e39`");
    assert!(read(r#""1.5""#, &Shape::F64).is_err());
    // A reader that is off by one in the last digit would give equal parameters two pools.
    assert_eq!(
        read("5.162364250564572e-119", &Shape::F64),
        Ok(Val::Float64(5.162364250564572e-119)),
        "`serde_json` needs its feature `float_roundtrip`"
    );
}

#[test]
fn characters_are_strings_of_one() {
    assert_eq!(both_ways(&'ä', &Shape::Char), r#""ä""#);
    assert_eq!(error(r#""ab""#, &Shape::Char), r#"`x` needs a single character, got "ab""#);
    assert!(read(r#""""#, &Shape::Char).is_err());
}

#[test]
fn flags_are_a_list_of_names() {
    let shape = Shape::Flags(names(["can-read", "can-write"]));
    assert_eq!(
        read(r#"["can_write", "can-read"]"#, &shape),
        Ok(Val::Flags(vec!["can-read".into(), "can-write".into()]))
    );
    assert_eq!(both_ways(&vec![String::from("can-read")], &shape), r#"["can-read"]"#);
    assert_eq!(error(r#"["can-read", "can_read"]"#, &shape), "`x` has the flag `can_read` twice");
    assert_eq!(
        error(r#"["can-reed"]"#, &shape),
        "`x` has no flag `can-reed`; did you mean `can-read`? known: `can-read`, `can-write`"
    );
}

#[test]
fn maps_are_objects_if_their_keys_are_strings() {
    let by_name = map(Shape::String, S32);
    assert_eq!(both_ways(&BTreeMap::from([(String::from("a"), 1)]), &by_name), r#"{"a":1}"#);
    assert_eq!(both_ways(&BTreeMap::from([(Color::Green, 1)]), &by_name), r#"{"Green":1}"#);
    let by_number = map(U8, Shape::String);
    assert_eq!(both_ways(&HashMap::from([(7_u8, String::from("a"))]), &by_number), r#"[[7,"a"]]"#);
    assert_eq!(both_ways(&vec![(7_u8, String::from("a"))], &by_number), r#"[[7,"a"]]"#);
    assert_eq!(error(r#"{"a": 1, "a": 2}"#, &by_name), "`x` has a key twice");
    assert_eq!(
        error(r#"{"a": "b"}"#, &by_name),
        r#"`x.a` needs a whole number from -2147483648 to 2147483647, got "b""#
    );
    assert_eq!(
        error(r#"[[1, "a"], [300, "b"]]"#, &by_number),
        "`x[1][0]` needs a whole number from 0 to 255, got `300`"
    );
}

#[test]
fn fields_that_are_unknown_repeated_or_missing_are_errors_with_their_place() {
    let shape = list(item());
    let at = |text: &str| error(&format!(r#"[{{"item-label": "", "score": 0}}, {text}]"#), &shape);
    assert_eq!(at(r#"{"item-label": "a"}"#), "`x[1]` lacks the field `score`: a number");
    assert_eq!(at(r#"{"item-label": 5}"#), "`x[1].item-label` needs a string, got `5`");
    assert_eq!(
        at(r#"{"item-lable": "a"}"#),
        "`x[1]` has no field `item-lable`; did you mean `item-label`? known: `item-label`, `note`, `score`"
    );
    assert_eq!(at(r#"{"score": 1, "score": 1}"#), "`x[1]` has the field `score` twice");
    assert_eq!(at("null"), "`x[1]` needs an object with the fields `item-label`, `score`, `note`, got null");
}

#[test]
fn cases_are_exactly_one() {
    assert_eq!(
        error(r#"{"gone": 1}"#, &event()),
        "`x` has no case `gone`; known: `moved-to`, `placed`, `not-found`, `at`"
    );
    assert_eq!(
        error(r#""moved-to""#, &event()),
        r#"`x` needs a value in the case `moved-to`: {"moved-to": …} with a string"#
    );
    assert_eq!(error(r#"{"moved-to": "a", "at": [1, 2]}"#, &event()), "`x` needs exactly one case, got `at` as well");
    assert!(read("{}", &event()).is_err());
    assert!(read(r#"{"Moved-To": "a"}"#, &event()).is_err(), "PascalCase is for Rust enums only");
    assert_eq!(error(r#"{"at": [1]}"#, &event()), "`x.at` needs a list of exactly 2 (`tuple<s32, s32>`), got 1");
    assert_eq!(
        error(r#"{"at": [1, 2, 3]}"#, &event()),
        "`x.at` needs a list of exactly 2 (`tuple<s32, s32>`), got more"
    );
}

#[test]
fn lists_stop_at_max_list() {
    let limits = Limits { max_list: 2 };
    for (shape, text) in [
        (list(U8), "[1, 2, 3]"),
        (map(Shape::String, U8), r#"{"a": 1, "b": 2, "c": 3}"#),
        (list(Shape::Bytes), r#"["AAAA"]"#),
    ] {
        let error = json::read(text.as_bytes(), &shape, &limits, Path::Root).unwrap_err();
        assert_eq!(error.kind(), ValueErrorKind::TooLarge, "{error}");
        assert_eq!(error.limit().unwrap().setting, Some("max-list"));
    }
    assert!(json::read(br#""AAAA""#, &Shape::Bytes, &limits, Path::Root).is_ok(), "bytes alone are no list of values");
}

#[test]
fn text_that_goes_on_or_ends_early_is_no_json() {
    assert_eq!(error("[1, 2", &list(U8)), "`x` is not JSON: EOF while parsing a list at line 1 column 5");
    assert_eq!(error("1 2", &U8), "`x` is not JSON: trailing characters at line 1 column 3");
    assert_eq!(error("", &U8), "`x` is not JSON: EOF while parsing a value at line 1 column 0");
}

#[test]
fn a_target_that_does_not_fit_says_where() {
    let value =
        json::read(br#"[{"item-label": "a", "score": 1}]"#, &list(item()), &Limits::default(), Path::Root).unwrap();
    #[derive(Debug, Deserialize)]
    struct Wrong {
        #[expect(dead_code, reason = "never filled")]
        item_label: u32,
    }
    let error = from_value::<Vec<Wrong>>(value, &list(item())).unwrap_err();
    assert_eq!(error.to_string(), r#"`[0].item_label` invalid type: string "a", expected u32"#);
}

fn signature() -> Signature {
    let mut signature = Signature::from_shapes(
        What::Argument,
        [("user-name", Shape::String), ("size", U8), ("data", option(Shape::Bytes))],
    );
    signature.set_default("size", &json!(3), &Limits::default()).unwrap();
    signature
}

fn filled(name: &str, size: u8, data: Option<&[u8]>) -> Vec<Value> {
    vec![Value::Val(Val::String(name.into())), Value::Val(Val::U8(size)), Value::OptionBytes(data.map(<[u8]>::to_vec))]
}

#[test]
fn arguments_come_by_name_or_by_position_and_defaults_fill_the_rest() {
    #[derive(Serialize)]
    struct Arguments {
        user_name: &'static str,
        data: Option<Vec<u8>>,
    }
    let limits = Limits::default();
    let signature = signature();
    let by_struct = signature.from_serde(&Arguments { user_name: "a", data: Some(b"hi".to_vec()) }, &limits);
    assert_eq!(by_struct.unwrap(), filled("a", 3, Some(b"hi")));
    assert_eq!(signature.from_serde(&("a", 4), &limits).unwrap(), filled("a", 4, None));
    let text = br#"{"data": "aGk=", "user-name": "a"}"#;
    assert_eq!(signature.from_json(text, &limits).unwrap(), filled("a", 3, Some(b"hi")));
    let named = [("size", Source::Shell("5")), ("user_name", Source::Query("b")), ("data", Source::Json(b"null"))];
    assert_eq!(signature.from_named(named, &limits).unwrap(), filled("b", 5, None));
    let none = Signature::from_shapes(What::Argument, []);
    assert!(none.from_serde(&(), &limits).unwrap().is_empty());
    assert!(none.from_json(b"null", &limits).unwrap().is_empty());
}

#[test]
fn arguments_that_are_unknown_repeated_missing_or_ill_typed_are_errors() {
    let limits = Limits::default();
    let signature = signature();
    let json_error = |text: &str| signature.from_json(text.as_bytes(), &limits).unwrap_err().to_string();
    assert_eq!(
        json_error(r#"{"user-nam": "a"}"#),
        "unknown argument `user-nam`; did you mean `user-name`? known: `user-name`, `size`, `data`"
    );
    assert_eq!(json_error(r#"{"user-name": "a", "user_name": "a"}"#), "argument `user_name` is given twice");
    assert_eq!(json_error("{}"), "missing argument `user-name` (a string)");
    assert_eq!(json_error("null"), "missing argument `user-name` (a string)");
    assert_eq!(
        json_error(r#"{"user-name": "a", "size": "b"}"#),
        r#"`size` needs a whole number from 0 to 255, got "b""#
    );
    assert_eq!(json_error(r#"["a", 1, null, 2]"#), "takes 3 arguments, got more");
    assert_eq!(json_error("5"), "needs the arguments as an object by name, or as a list in their order, got `5`");
    assert_eq!(json_error("{"), "is not JSON: EOF while parsing an object at line 1 column 1");
    let none = Signature::from_shapes(What::Parameter, []);
    assert_eq!(
        none.from_json(br#"{"a": 1}"#, &limits).unwrap_err().to_string(),
        "unknown parameter `a`; there are none"
    );
}
