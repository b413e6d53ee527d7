//! `inspect`: what it tells, to people and to programs.

use serde_json::Value;
use wasmhost_tests::{guest, wasmhost};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&wasmhost(&[&["inspect", "--json"], arguments].concat()).ok()).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn classes_hooks_methods_and_settings_with_their_origin() {
    wasmhost(&["build", "examples/parameterized"]).ok();
    let report = json(&["examples/parameterized"]);
    let class = &report["classes"][0];
    assert_eq!(class["name"], "my-class");
    assert_eq!(names(&class["parameters"]), ["foo", "bar"]);
    assert_eq!(class["parameters"][1]["default"], 10);
    assert_eq!(names(&class["hooks"]), ["enter"]);
    assert_eq!(class["methods"][0]["signature"], "baz: func(qux: string) -> string");
    assert_eq!(class["methods"][0]["web"], "GET /");
    let origin = |key: &str| {
        let settings = class["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"))["origin"].clone()
    };
    assert_eq!(origin("parameters.bar"), "file");
    assert_eq!(origin("memory"), "default");
    let imports = report["components"][0]["imports"].as_array().unwrap();
    assert!(!imports.is_empty() && imports.iter().all(|import| import["provided"] == true));

    let text = wasmhost(&["inspect", "examples/parameterized"]).ok();
    for line in [
        "class my-class",
        "foo: string",
        "bar: s64 = 10",
        "baz: func(qux: string) -> string",
        "web GET /",
        "wasmhost.toml",
    ] {
        assert!(text.contains(line), "`{line}` is not in: {text}");
    }
}

#[test]
fn near_misses_docs_and_settings_of_the_components_own_section() {
    let file = guest("two-classes");
    let report = json(&[file.to_str().unwrap()]);
    let classes = report["classes"].as_array().unwrap();
    let class = |name: &str| classes.iter().find(|class| class["name"] == name).unwrap();
    let misses = class("near-misses")["near_misses"].as_array().unwrap();
    let missed: Vec<_> = misses.iter().map(|miss| miss["hook"].as_str().unwrap()).collect();
    for hook in ["build", "enter", "exit"] {
        assert!(missed.contains(&hook), "{misses:?}");
    }
    assert!(misses.iter().all(|miss| !miss["reason"].as_str().unwrap().is_empty()));
    assert!(names(&class("near-misses")["methods"]).contains(&"enter"), "a near miss is a method");
    let greeter = class("greeter");
    assert_eq!(greeter["docs"], "Greets people.");
    let greet = &greeter["methods"].as_array().unwrap().iter().find(|method| method["name"] == "greet").unwrap();
    assert_eq!(
        (greet["docs"].as_str(), greet["web"].as_str()),
        (Some("Greets one person by name."), Some("GET /greet/{name}"))
    );
    let idle = greeter["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == "idle-timeout").unwrap();
    assert_eq!((idle["origin"].as_str(), idle["value"].as_str()), (Some("section"), Some("5s")));
}

#[test]
fn what_cannot_be_called_says_why_and_the_rest_of_the_class_works() {
    let types = guest("types");
    let report = json(&[&format!("{}::counters", types.display())]);
    let class = &report["classes"][0];
    let uncallable = class["uncallable"].as_array().unwrap();
    assert!(
        uncallable
            .iter()
            .any(|function| function["name"] == "open" && function["reason"].as_str().unwrap().contains("resource")),
        "{uncallable:?}"
    );
    assert_eq!(names(&class["methods"]), ["total"]);
    let total = wasmhost(&["run", &format!("{}::counters.total", types.display()), "--starts", "[1, 2]"]).ok();
    assert!(total.trim().parse::<u32>().is_ok(), "{total}");
    let error = wasmhost(&["run", &format!("{}::counters.open", types.display()), "--start", "1"]).failed(2);
    assert!(error.contains("cannot be called") && error.contains("resource"), "{error}");

    let asynchronous = json(&[&format!("{}::probe", guest("hooks-async").display())]);
    let reasons = asynchronous["classes"][0]["uncallable"].to_string();
    assert!(reasons.contains("stream") && reasons.contains("future"), "{reasons}");
    assert_eq!(asynchronous["components"][0]["engine"], "async");
}

#[test]
fn entrypoints_are_shown_and_are_no_methods() {
    wasmhost(&["build", "examples/entrypoint"]).ok();
    let report = json(&["examples/entrypoint"]);
    assert_eq!(report["entrypoints"][0]["kind"], "main");
    assert_eq!(names(&report["entrypoints"][0]["arguments"]), ["foo", "bar"]);
    assert_eq!(report["entrypoints"][0]["docs"], "Runs `f`, repeats a text, and frames what came of it.");
    assert_eq!(report["entrypoints"][0]["arguments"][0]["docs"], "How often.");
    let classes = report["classes"].as_array().unwrap();
    assert!(classes.iter().any(|class| names(&class["methods"]) == ["repeat"]), "{classes:?}");
    assert!(classes.iter().all(|class| !names(&class["methods"]).contains(&"main")), "{classes:?}");
    assert_eq!(json(&[guest("cli").to_str().unwrap()])["entrypoints"][0]["kind"], "command");
}

#[test]
fn an_app_that_cannot_run_here_can_still_be_looked_at() {
    wasmhost(&["build", "examples/etl-pipeline"]).ok();
    let report = json(&["examples/etl-pipeline"]);
    let problem = report["classes"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("--allow-mount"), "{problem}");
    assert!(wasmhost(&["inspect", "examples/etl-pipeline"]).ok().contains("cannot be started here"));
}

#[test]
fn the_checked_in_schema_is_the_one_of_the_types_that_parse() {
    let path = wasmhost_tests::root().join("host/wasmhost.schema.json");
    let generated = serde_json::to_string_pretty(&wasmhost::manifest_schema()).unwrap() + "\n";
    if std::env::var_os("WASMHOST_BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    assert!(checked_in == generated, "`{}` is out of date: run the tests with WASMHOST_BLESS=1", path.display());
}
