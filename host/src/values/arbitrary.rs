//! Random types and values for property tests, and the way from a random type to wasmtime's own reading of it.

use std::fmt::Write as _;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Type, Val};
use wasmtime::{Config, Engine};

use super::names::Names;
use super::shape::{Int, Shape};
use super::{Value, canonical, describe};

/// Names, with some that mean something else in WAVE.
fn names(max: usize) -> impl Strategy<Value = Names> {
    let word = prop_oneof![
        8 => "[a-z][a-z0-9]{0,3}(-[a-z][a-z0-9]{0,2}){0,2}",
        1 => proptest::sample::select(vec!["some", "none", "ok", "err", "true", "false", "inf", "nan"])
            .prop_map(String::from),
    ];
    btree_set(word, 1..=max).prop_map(|names| names.iter().map(String::as_str).collect())
}

fn int() -> impl Strategy<Value = Int> {
    use Int::{S8, S16, S32, S64, U8, U16, U32, U64};
    proptest::sample::select(vec![S8, U8, S16, U16, S32, U32, S64, U64])
}

/// Any type a value can have.
pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let key = || prop_oneof![Just(Shape::Bool), int().prop_map(Shape::Int), Just(Shape::Char), Just(Shape::String)];
    let leaf = prop_oneof![
        Just(Shape::Bool),
        int().prop_map(Shape::Int),
        Just(Shape::F32),
        Just(Shape::F64),
        Just(Shape::Char),
        Just(Shape::String),
        Just(Shape::Bytes),
        names(5).prop_map(Shape::Enum),
        names(10).prop_map(Shape::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let payload = || prop_oneof![1 => Just(Shape::Unit), 3 => inner.clone()];
        let payload = &payload;
        let boxed = || inner.clone().prop_map(Box::new);
        let members = |max: usize| names(max).prop_flat_map(|names| (vec(Just(()), names.len()), Just(names)));
        let (fields, payloads) = (inner.clone(), payload().boxed());
        prop_oneof![
            // A list of bytes has a shape of its own.
            boxed().prop_map(|element| match *element {
                Shape::Int(Int::U8) => Shape::Bytes,
                _ => Shape::List(element),
            }),
            (boxed(), 1..4_usize).prop_map(|(element, len)| Shape::FixedList(element, len)),
            (key(), boxed()).prop_map(|(key, value)| Shape::Map(Box::new(key), value)),
            members(4).prop_flat_map(move |(units, names)| {
                vec(fields.clone(), units.len()).prop_map(move |shapes| Shape::Record(names.clone(), shapes.into()))
            }),
            vec(inner.clone(), 1..4).prop_map(|shapes| Shape::Tuple(shapes.into())),
            members(4).prop_flat_map(move |(units, names)| {
                vec(payloads.clone(), units.len()).prop_map(move |shapes| Shape::Variant(names.clone(), shapes.into()))
            }),
            boxed().prop_map(Shape::Option),
            boxed().prop_map(|inner| Shape::Option(Box::new(Shape::Option(inner)))),
            (payload(), payload()).prop_map(|(ok, err)| Shape::Result(Box::new(ok), Box::new(err))),
        ]
    })
}

/// Any value of a type.
pub(super) fn value(shape: &Shape) -> BoxedStrategy<Value> {
    let of = shape.clone();
    val(shape).prop_map(move |val| Value::from_val(val, &of)).boxed()
}

/// A type and a value of it.
pub(super) fn typed_value() -> impl Strategy<Value = (Shape, Value)> {
    shape().prop_flat_map(|shape| (Just(shape.clone()), value(&shape)))
}

fn payload(shape: &Shape) -> BoxedStrategy<Option<Box<Val>>> {
    match shape {
        Shape::Unit => Just(None).boxed(),
        shape => val(shape).prop_map(|val| Some(Box::new(val))).boxed(),
    }
}

fn val(shape: &Shape) -> BoxedStrategy<Val> {
    match shape {
        Shape::Unit => Just(Val::Tuple(Vec::new())).boxed(),
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::Int(int) => {
            let int = *int;
            let (min, max) = (*int.range().start(), *int.range().end());
            let near = prop_oneof![1 => Just(min), 1 => Just(max), 2 => 0..3_i128, 4 => min..=max];
            near.prop_map(move |number| int.val(number).unwrap()).boxed()
        }
        Shape::F32 => proptest::num::f32::ANY.prop_map(Val::Float32).boxed(),
        Shape::F64 => proptest::num::f64::ANY.prop_map(Val::Float64).boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => {
            let text = vec(prop_oneof!["[a\"'\\\\{}\\[\\]/]", "\\PC"], 0..6).prop_map(|parts| parts.concat());
            prop_oneof![text, any::<String>()].prop_map(Val::String).boxed()
        }
        Shape::Bytes => vec(any::<u8>().prop_map(Val::U8), 0..6).prop_map(Val::List).boxed(),
        Shape::List(element) => vec(val(element), 0..4).prop_map(Val::List).boxed(),
        Shape::FixedList(element, len) => vec(val(element), *len).prop_map(Val::FixedLengthList).boxed(),
        Shape::Map(key, value) => {
            let key_shape = (**key).clone();
            let distinct = move |pairs: Vec<(Val, Val)>| {
                let mut kept: Vec<(Val, Val)> = Vec::new();
                for pair in pairs {
                    kept.push(pair);
                    if canonical::has_repeated_key(&key_shape, &kept) {
                        kept.pop();
                    }
                }
                Val::Map(kept)
            };
            vec((val(key), val(value)), 0..4).prop_map(distinct).boxed()
        }
        Shape::Record(names, shapes) => {
            let names: Vec<String> = names.iter().map(String::from).collect();
            let vals: Vec<_> = shapes.iter().map(val).collect();
            vals.prop_map(move |vals| Val::Record(names.iter().cloned().zip(vals).collect())).boxed()
        }
        Shape::Tuple(shapes) => shapes.iter().map(val).collect::<Vec<_>>().prop_map(Val::Tuple).boxed(),
        Shape::Variant(names, payloads) => {
            let cases = names.iter().zip(payloads).map(|(name, shape)| {
                let name = name.to_owned();
                payload(shape).prop_map(move |val| Val::Variant(name.clone(), val)).boxed()
            });
            proptest::strategy::Union::new(cases).boxed()
        }
        Shape::Enum(names) => {
            let names: Vec<String> = names.iter().map(String::from).collect();
            proptest::sample::select(names).prop_map(Val::Enum).boxed()
        }
        Shape::Option(inner) => proptest::option::of(val(inner)).prop_map(|val| Val::Option(val.map(Box::new))).boxed(),
        Shape::Result(ok, err) => prop_oneof![
            payload(ok).prop_map(|ok| Val::Result(Ok(ok))),
            payload(err).prop_map(|err| Val::Result(Err(err)))
        ]
        .boxed(),
        Shape::Flags(names) => {
            let names: Vec<String> = names.iter().map(String::from).collect();
            let set = vec(any::<bool>(), names.len());
            set.prop_map(move |set| {
                Val::Flags(names.iter().zip(set).filter(|(_, set)| *set).map(|(name, _)| name.clone()).collect())
            })
            .boxed()
        }
    }
}

/// Changes a value a little, at a place that `choices` leads to, keeping its type.
pub(super) fn nudge(val: &mut Val, choices: &mut impl Iterator<Item = usize>) {
    let choice = choices.next().unwrap_or(0);
    match val {
        Val::Bool(value) => *value = !*value,
        Val::S8(number) => *number = number.wrapping_add(1),
        Val::U8(number) => *number = number.wrapping_add(1),
        Val::S16(number) => *number = number.wrapping_add(256),
        Val::U16(number) => *number = number.wrapping_add(1),
        Val::S32(number) => *number = number.wrapping_neg(),
        Val::U32(number) => *number = number.swap_bytes(),
        Val::S64(number) => *number = number.wrapping_neg(),
        Val::U64(number) => *number = number.wrapping_add(1 << 32),
        Val::Float32(number) => *number = -*number,
        Val::Float64(number) => *number = -*number,
        Val::Char(value) => *value = if *value == 'a' { 'b' } else { 'a' },
        Val::String(text) if choice.is_multiple_of(2) => drop(text.pop()),
        Val::String(text) => text.push('\0'),
        Val::List(vals) if choice.is_multiple_of(3) => drop(vals.pop()),
        Val::List(vals) if choice % 3 == 1 => vals.extend(vals.last().cloned()),
        Val::List(vals) | Val::Tuple(vals) | Val::FixedLengthList(vals) if !vals.is_empty() => {
            let index = choice % vals.len();
            nudge(&mut vals[index], choices);
        }
        Val::Map(pairs) if choice.is_multiple_of(3) => drop(pairs.pop()),
        Val::Map(pairs) if choice % 3 == 1 => pairs.reverse(),
        Val::Map(pairs) if !pairs.is_empty() => {
            let index = choice % pairs.len();
            nudge(&mut pairs[index].1, choices);
        }
        Val::Record(fields) => {
            let index = choice % fields.len();
            nudge(&mut fields[index].1, choices);
        }
        Val::Option(option) if choice.is_multiple_of(3) => *option = None,
        Val::Flags(names) => drop(names.pop()),
        Val::Variant(_, Some(val)) | Val::Option(Some(val)) | Val::Result(Ok(Some(val)) | Err(Some(val))) => {
            nudge(val, choices)
        }
        _ => {}
    }
}

/// The type as wasmtime reads it from a component.
pub(super) fn wasmtime_type(shape: &Shape) -> Type {
    let mut declared = String::new();
    let name = spell(shape, &mut declared);
    wasmtime_type_of(&declared, &name)
}

/// The type `name` as wasmtime reads it from an interface with these declarations.
pub(super) fn wasmtime_type_of(declarations: &str, name: &str) -> Type {
    let source = format!("package t:t; interface i {{ {declarations} f: func(x: {name}); }}");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("t.wit", &source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    let binary = wit_component::encode(&resolve, package).unwrap();
    let mut config = Config::new();
    config.wasm_component_model_map(true).wasm_component_model_fixed_length_lists(true);
    config.wasm_component_model_async(true).wasm_component_model_error_context(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, binary).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    let item = |item: Option<ComponentItem>| item.expect("an encoded package nests its interface twice");
    let ComponentItem::Component(outer) = item(component.component_type().exports(&engine).next().map(|(_, e)| e.ty))
    else {
        panic!("a package is a component of components")
    };
    let ComponentItem::ComponentInstance(interface) = item(outer.exports(&engine).next().map(|(_, e)| e.ty)) else {
        panic!("an interface is an instance")
    };
    let ComponentItem::ComponentFunc(func) = item(interface.get_export(&engine, "f").map(|e| e.ty)) else {
        panic!("f is a function")
    };
    func.params().next().unwrap().1
}

/// Spells a type in WIT, declaring the types that must have names.
fn spell(shape: &Shape, declared: &mut String) -> String {
    let (keyword, names, shapes): (_, _, &[Shape]) = match shape {
        Shape::List(element) => return format!("list<{}>", spell(element, declared)),
        Shape::FixedList(element, len) => return format!("list<{}, {len}>", spell(element, declared)),
        Shape::Map(key, value) => return format!("map<{}, {}>", spell(key, declared), spell(value, declared)),
        Shape::Option(inner) => return format!("option<{}>", spell(inner, declared)),
        Shape::Result(ok, err) if **err == Shape::Unit && **ok == Shape::Unit => return "result".into(),
        Shape::Result(ok, err) if **err == Shape::Unit => return format!("result<{}>", spell(ok, declared)),
        Shape::Result(ok, err) => return format!("result<{}, {}>", spell(ok, declared), spell(err, declared)),
        Shape::Tuple(shapes) => {
            let shapes: Vec<_> = shapes.iter().map(|shape| spell(shape, declared)).collect();
            return format!("tuple<{}>", shapes.join(", "));
        }
        Shape::Record(names, shapes) => ("record", names, shapes),
        Shape::Variant(names, shapes) => ("variant", names, shapes),
        Shape::Enum(names) => ("enum", names, &[]),
        Shape::Flags(names) => ("flags", names, &[]),
        leaf => return describe::wit(leaf),
    };
    let mut members = String::new();
    for (index, name) in names.iter().enumerate() {
        let _ = match (keyword, shapes.get(index)) {
            ("record", Some(shape)) => write!(members, "%{name}: {}, ", spell(shape, declared)),
            (_, None | Some(Shape::Unit)) => write!(members, "%{name}, "),
            (_, Some(shape)) => write!(members, "%{name}({}), ", spell(shape, declared)),
        };
    }
    let name = format!("declared{}", declared.matches(';').count() + declared.matches('}').count());
    let _ = write!(declared, "{keyword} {name} {{ {members} }} ");
    name
}
