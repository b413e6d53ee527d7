//! What holds for every type and every value of it.
//!
//! `PROPTEST_CASES` scales the number of cases; the default keeps the whole file at a few seconds.

use proptest::collection::vec;
use proptest::prelude::*;
use wasmtime::component::Val;

use super::arbitrary::{nudge, shape, typed_value, value, wasmtime_type, wasmtime_type_of};
use super::names::Names;
use super::shape::{Int, MAX_TYPE_DEPTH, MAX_TYPE_PARTS};
use super::{Limits, Path, Shape, Signature, Value, ValueErrorKind, What, canonical};
use super::{from_value, json, literal, to_value, wave};

fn cases(default: u32) -> ProptestConfig {
    let given = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(given.unwrap_or(default)) }
}

/// Whether wasmtime's own reading of WAVE knows all of the type.
fn is_plain_wave(shape: &Shape) -> bool {
    match shape {
        Shape::Map(..) | Shape::FixedList(..) => false,
        Shape::List(inner) | Shape::Option(inner) => is_plain_wave(inner),
        Shape::Record(_, shapes) | Shape::Tuple(shapes) | Shape::Variant(_, shapes) => shapes.iter().all(is_plain_wave),
        Shape::Result(ok, err) => is_plain_wave(ok) && is_plain_wave(err),
        _ => true,
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn a_shape_is_what_wasmtime_says_and_its_values_are_what_wasmtime_reads((shape, value) in typed_value()) {
        let ty = wasmtime_type(&shape);
        prop_assert_eq!(&Shape::new(&ty).unwrap(), &shape);
        if is_plain_wave(&shape) {
            let text = wave::write(&value);
            let val = value.into_val(&Limits::default(), &Path::Root).unwrap();
            prop_assert_eq!(wasm_wave::from_str::<Val>(&ty, &text).unwrap(), val, "{}", text);
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn json_comes_back((shape, value) in typed_value()) {
        let text = json::write(&value, &shape).unwrap();
        let back = json::read(&text, &shape, &Limits::default(), Path::Root);
        prop_assert_eq!(back.unwrap(), value, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn wave_comes_back((shape, value) in typed_value()) {
        let text = wave::write(&value);
        prop_assert_eq!(wave::read(&text, &shape, &Limits::default(), Path::Root).unwrap(), value, "{}", text);
    }

    #[test]
    fn the_shell_reads_what_either_writer_wrote((shape, value) in typed_value()) {
        // A literal is not written as a literal by either.
        let inner = if let Shape::Option(inner) = &shape { inner } else { &shape };
        prop_assume!(!matches!(inner, Shape::String | Shape::Char | Shape::Enum(_)));
        let read = |text: &str| literal::from_shell(text, &shape, &Limits::default(), Path::Root);
        let json = String::from_utf8(json::write(&value, &shape).unwrap()).unwrap();
        prop_assert_eq!(read(&wave::write(&value)).unwrap(), value.clone());
        if !matches!(inner, Shape::F32 | Shape::F64) {
            prop_assert_eq!(read(&json).unwrap(), value);
        }
    }

    #[test]
    fn an_untyped_target_gets_exactly_the_json((shape, value) in typed_value()) {
        let untyped: serde_json::Value = from_value(value.clone(), &shape).unwrap();
        let text = String::from_utf8(json::write(&value, &shape).unwrap()).unwrap();
        prop_assert_eq!(untyped.to_string(), text);
        prop_assert_eq!(to_value(&untyped, &shape, &Limits::default(), Path::Root).unwrap(), value);
    }

    #[test]
    fn two_keys_are_equal_exactly_if_the_values_are(
        (shape, a, b) in shape().prop_flat_map(|shape| (Just(shape.clone()), value(&shape), value(&shape))),
        choices in vec(any::<usize>(), 0..8),
        near in any::<bool>(),
    ) {
        let limits = Limits::default();
        let b = if near {
            let mut val = a.clone().into_val(&limits, &Path::Root).unwrap();
            nudge(&mut val, &mut choices.into_iter());
            Value::from_val(val, &shape)
        } else {
            b
        };
        let signature = Signature::from_shapes(What::Parameter, [("x", shape), ("y", Shape::Int(Int::U8))]);
        let end = || Value::Val(Val::U8(7));
        let (mut a, mut b) = ([a, end()], [b, end()]);
        let keys = (canonical::encode(&signature, &a), canonical::encode(&signature, &b));
        canonical::normalize(&signature, &mut a);
        canonical::normalize(&signature, &mut b);
        // NaN is refused.
        if let (Ok(key_a), Ok(key_b)) = keys {
            prop_assert_eq!(&canonical::encode(&signature, &a).unwrap(), &key_a, "normalizing does not move a value");
            prop_assert_eq!(key_a == key_b, a == b);
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic((shape, value) in typed_value(), noise in any::<String>(), cut in any::<usize>()) {
        let json = String::from_utf8(json::write(&value, &shape).unwrap()).unwrap();
        for text in [wave::write(&value), json] {
            let cut = (0..=text.len()).rev().find(|at| *at <= cut % (text.len() + 1) && text.is_char_boundary(*at));
            let (start, end) = text.split_at(cut.unwrap_or(0));
            for text in [start, end, &noise, &format!("{start}{noise}{end}"), &format!("{end}{start}")] {
                let limits = Limits { max_list: 3 };
                let _ = json::read(text.as_bytes(), &shape, &limits, Path::Root);
                let _ = wave::read(text, &shape, &limits, Path::Root);
                let _ = literal::from_shell(text, &shape, &limits, Path::Root);
                let _ = literal::from_query(text, &shape, &limits, Path::Root);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_json_panic(shape in shape(), bytes in vec(any::<u8>(), 0..32)) {
        let _ = json::read(&bytes, &shape, &Limits::default(), Path::Root);
    }
}

/// A type as deep as types may be.
fn deepest(around: impl Fn(Shape) -> Shape) -> Shape {
    (1..MAX_TYPE_DEPTH).fold(Shape::String, |shape, _| around(shape))
}

#[test]
fn endless_nesting_is_an_error_for_every_reader() {
    let list = deepest(|shape| Shape::List(Box::new(shape)));
    let option = deepest(|shape| Shape::Option(Box::new(shape)));
    let record = deepest(|shape| Shape::Record(Names::from_iter(["a"]), Box::new([shape])));
    for open in ["[", "(", "{a:", "{\"a\":", "some(", "ok(", "a(", "{\"some\":", "{", "\"", "'"] {
        let text = open.repeat(100_000);
        for shape in [&list, &option, &record, &Shape::Bool] {
            let limits = Limits::default();
            assert!(json::read(text.as_bytes(), shape, &limits, Path::Root).is_err());
            assert!(wave::read(&text, shape, &limits, Path::Root).is_err());
            assert!(literal::from_shell(&text, shape, &limits, Path::Root).is_err());
        }
    }
}

#[test]
fn the_deepest_type_can_be_written_and_read() {
    let shape = deepest(|shape| Shape::List(Box::new(shape)));
    let val = (1..MAX_TYPE_DEPTH).fold(Val::String("x".into()), |val, _| Val::List(vec![val]));
    let value = Value::Val(val);
    let text = json::write(&value, &shape).unwrap();
    assert_eq!(json::read(&text, &shape, &Limits::default(), Path::Root).unwrap(), value);
    assert_eq!(wave::read(&wave::write(&value), &shape, &Limits::default(), Path::Root).unwrap(), value);
}

#[test]
fn a_type_that_cannot_be_passed_says_why() {
    let reason =
        |declarations: &str, name: &str| Shape::new(&wasmtime_type_of(declarations, name)).unwrap_err().to_string();
    assert_eq!(reason("resource r;", "list<r>"), "holds a resource");
    assert_eq!(reason("resource r;", "option<borrow<r>>"), "holds a resource");
    assert_eq!(reason("record s { a: stream<u8> }", "s"), "holds a stream");
    assert_eq!(reason("", "result<u8, future<string>>"), "holds a future");
    assert_eq!(reason("", "tuple<error-context>"), "holds an error-context");
}

#[test]
fn a_type_that_is_too_large_is_refused_without_being_read_to_its_end() {
    let doubled: String = (1..=16).map(|n| format!("type t{n} = tuple<t{}, t{}>; ", n - 1, n - 1)).collect();
    let ty = wasmtime_type_of(&format!("type t0 = u8; {doubled}"), "t16");
    assert_eq!(Shape::new(&ty).unwrap_err().to_string(), format!("has more than {MAX_TYPE_PARTS} parts"));
    let nested = format!("{}string{}", "list<".repeat(70), ">".repeat(70));
    let error = Shape::new(&wasmtime_type_of("", &nested)).unwrap_err();
    assert_eq!(error.to_string(), format!("is nested more than {MAX_TYPE_DEPTH} deep"));
}

#[test]
fn what_is_no_json_is_told_apart_from_what_does_not_fit() {
    let kind =
        |text: &str| json::read(text.as_bytes(), &Shape::Bool, &Limits::default(), Path::Root).unwrap_err().kind();
    assert_eq!(kind("tru"), ValueErrorKind::Syntax);
    assert_eq!(kind("true false"), ValueErrorKind::Syntax);
    assert_eq!(kind("1"), ValueErrorKind::IllTyped);
}
