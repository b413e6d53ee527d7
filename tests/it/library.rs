//! The library with real guests: values of every type, loading, inspecting, two classes of one component.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasmhost::{ErrorKind, Instance};
use wasmhost_tests::{TestHost, example, guest};

async fn echo(host: &TestHost) -> Instance {
    let app = host.host.load(guest("types")).await.unwrap();
    app.class("echo").unwrap().bind(&()).unwrap().start().await.unwrap()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    age: u8,
    nick_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Nothing,
    Circle(f64),
    Polygon(Vec<(f32, f32)>),
    Named(Person),
}

#[tokio::test]
async fn rust_values_go_in_and_come_out() {
    let host = TestHost::new();
    let instance = echo(&host).await;
    macro_rules! echoes {
        ($($method:literal: $ty:ty = $value:expr;)+) => {$(
            let value: $ty = $value;
            let back: $ty = instance.call($method, &(&value,)).await.unwrap_or_else(|error| panic!("{}: {error}", $method));
            assert_eq!(back, value, "{}", $method);
        )+};
    }
    let ann = Person { name: "Ann".to_owned(), age: 7, nick_name: None };
    echoes! {
        "echo-bool": bool = true;
        "echo-s8": i8 = i8::MIN;
        "echo-s64": i64 = i64::MIN;
        "echo-u64": u64 = u64::MAX;
        "echo-f32": f32 = 1.5;
        "echo-f64": f64 = f64::INFINITY;
        "echo-char": char = '🦀';
        "echo-string": String = "h€llo".to_owned();
        "echo-list": Vec<i32> = vec![1, -2, 3];
        "echo-list-of-lists": Vec<Vec<String>> = vec![vec![], vec!["a".to_owned()]];
        "echo-list-of-tuples": Vec<(String, u32)> = vec![("a".to_owned(), 1)];
        "echo-option": Option<u32> = Some(1);
        "echo-option": Option<u32> = None;
        "echo-option-option": Option<Option<u32>> = Some(None);
        "echo-option-option": Option<Option<u32>> = Some(Some(3));
        "echo-option-option": Option<Option<u32>> = None;
        "echo-tuple": (u32, String, bool) = (1, "b".to_owned(), false);
        "echo-record": Person = ann.clone();
        "echo-option-record": Option<Person> = Some(ann.clone());
        "echo-variant": Shape = Shape::Nothing;
        "echo-variant": Shape = Shape::Circle(2.5);
        "echo-variant": Shape = Shape::Polygon(vec![(0.0, 1.0)]);
        "echo-variant": Shape = Shape::Named(ann.clone());
        "echo-bytes": Vec<u8> = vec![0, 255, 7];
        "echo-bytes-option": Option<Vec<u8>> = Some(vec![1]);
        "echo-string-option": Option<String> = None;
    }
    let pair: (Vec<u8>, Vec<u8>) = instance.call("echo-bytes-pair", &(vec![1u8], vec![2u8, 3])).await.unwrap();
    assert_eq!(pair, (vec![1], vec![2, 3]));
    let mixed: (Vec<u8>, String) = instance.call("echo-bytes-and-string", &(vec![1u8], "x")).await.unwrap();
    assert_eq!(mixed, (vec![1], "x".to_owned()));
    let (result,): (Result<u32, String>,) = instance.call("echo-result", &(Err::<u32, _>("no"),)).await.unwrap();
    assert_eq!(result, Err("no".to_owned()));
    assert_eq!(instance.call::<_, u32>("unwrap-result", &(Ok::<_, String>(4),)).await.unwrap(), 4);
    let error = instance.call::<_, u32>("unwrap-result", &(Err::<u32, _>("no"),)).await.unwrap_err();
    assert_eq!((error.kind(), error.value()), (ErrorKind::ReturnedError, Some(&json!("no"))));
}

#[tokio::test]
async fn the_same_call_by_name_by_position_and_as_json() {
    #[derive(Serialize)]
    struct Parameters {
        foo: &'static str,
        bar: i64,
    }
    let host = TestHost::new();
    let manifest = wasmhost_tests::root().join("examples/parameterized");
    let _ = example("parameterized");
    let class = host.host.load(manifest).await.unwrap().class("my-class").unwrap();
    let by_struct = class.bind(&Parameters { foo: "x", bar: 10 }).unwrap();
    let by_json = class.bind(&json!({"bar": 10, "foo": "x"})).unwrap();
    let by_default = class.bind(&("x",)).or_else(|_| class.bind(&json!({"foo": "x"}))).unwrap();
    assert_eq!(by_struct.key(), by_json.key());
    assert_eq!(by_struct.key(), by_default.key(), "a default left out is the same pool");
    assert_ne!(by_struct.key(), class.bind(&json!({"foo": "x", "bar": 7})).unwrap().key());
    for bound in [by_struct, by_json] {
        let text: String = bound.call("baz", &json!({"qux": "q"})).await.unwrap();
        assert_eq!(text, "This code is running in instance pool (x, 10), with input qux=q");
    }
}

#[tokio::test]
async fn every_method_takes_json_and_gives_it_back() {
    let host = TestHost::new();
    let instance = echo(&host).await;
    let values = [
        ("echo-s64", json!(-9_007_199_254_740_993_i64)),
        ("echo-f64", json!("NaN")),
        ("echo-char", json!("é")),
        ("echo-bytes", json!("AP8H")),
        ("echo-option-option", json!({"some": null})),
        ("echo-flags", json!(["read", "run-as-root"])),
        ("echo-enum", json!("light-blue")),
        ("echo-variant", json!({"circle": 1.5})),
        ("echo-variant", json!("nothing")),
        ("echo-record", json!({"name": "a", "age": 1, "nick-name": null})),
        ("echo-list-of-tuples", json!([["a", 1]])),
    ];
    for (method, value) in values {
        let back: Value = instance.call(method, &json!({"value": value})).await.unwrap();
        assert_eq!(back, value, "{method}");
    }
    let error = instance.call::<_, Value>("echo-u8", &json!({"value": 256})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(error.message().contains("`value` needs a whole number from 0 to 255, got `256`"), "{error}");
    assert!(instance.is_ready().await, "a refused argument costs no instance");
}

#[tokio::test]
async fn a_component_has_a_class_for_each_interface_and_unknown_names_are_told_the_nearest() {
    let host = TestHost::new();
    let app = host.host.load(guest("two-classes")).await.unwrap();
    let mut names: Vec<_> = app.classes().map(|class| class.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["greeter", "near-misses"]);
    let error = app.class("greter").unwrap_err();
    assert!(error.message().contains("did you mean `greeter`?"), "{error}");
    // A near miss is a method of its own class, whatever its name says.
    let near_misses = app.class("near-misses").unwrap().bind(&()).unwrap().start().await.unwrap();
    assert_eq!(near_misses.call::<_, u32>("enter", &(7,)).await.unwrap(), 7);
    assert_eq!(near_misses.call::<_, String>("build", &()).await.unwrap(), "built");
}

#[tokio::test]
async fn an_instance_keeps_its_state_and_shares_none() {
    let host = TestHost::new();
    let class = host.host.load(guest("hooks")).await.unwrap().class("probe").unwrap();
    let bound = class.bind(&("",)).unwrap();
    let (one, other) = (bound.start().await.unwrap(), bound.start().await.unwrap());
    for calls in 1..4u32 {
        assert_eq!(one.call::<_, u32>("count", &()).await.unwrap(), calls);
    }
    assert_eq!(other.call::<_, u32>("count", &()).await.unwrap(), 1);
    assert_ne!(one.id(), other.id());
    assert!(one.memory_bytes().unwrap() > 0);
}

#[tokio::test]
async fn a_component_can_come_from_memory() {
    let host = TestHost::new();
    let bytes = std::fs::read(guest("hooks")).unwrap();
    let app = host.host.load_bytes("in-memory", bytes).await.unwrap();
    let text: String = app.class("probe").unwrap().bind(&("",)).unwrap().call("echo", &("hi",)).await.unwrap();
    assert_eq!(text, "hi");
    let error = host.host.load_bytes("In Memory", Vec::new()).await.unwrap_err();
    assert!(error.message().contains("`in-memory`"), "{error}");
}

#[tokio::test]
async fn a_class_of_a_clashing_name_is_addressed_in_full_or_renamed() {
    let host = TestHost::new();
    let (one, other) = (guest("hooks"), guest("hooks-async"));
    let manifest = |rename: &str| {
        let path = host.dir().join("wasmhost.toml");
        let text = format!(
            "version = 1\nname = \"two\"\n{rename}\n[component.one]\nsource = {:?}\n[component.other]\nsource = {:?}\n",
            one.display(),
            other.display()
        );
        std::fs::write(&path, text).unwrap();
        path
    };
    let app = host.host.load(manifest("")).await.unwrap();
    let names: Vec<_> = app.classes().map(|class| class.name().to_owned()).collect();
    assert_eq!(names, ["test:hooks/probe", "test:hooks-async/probe"]);
    let app = host.host.load(manifest("rename = { \"test:hooks/probe\" = \"first\" }")).await.unwrap();
    let names: Vec<_> = app.classes().map(|class| class.name().to_owned()).collect();
    assert_eq!(names, ["first", "probe"]);
    let error = host.host.load(manifest("rename = { \"test:hoks/probe\" = \"first\" }")).await.unwrap_err();
    assert!(error.message().contains("did you mean `test:hooks/probe`?"), "{error}");
}

#[tokio::test]
async fn a_core_module_without_wit_is_told_how_to_become_a_component() {
    let host = TestHost::new();
    let error = host.host.load_bytes("module", b"\0asm\x01\0\0\0".to_vec()).await.unwrap_err();
    assert!(error.message().contains("--target wasm32-wasip2"), "{error}");
}
