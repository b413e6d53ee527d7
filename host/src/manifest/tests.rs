//! What the settings module promises as a whole: documents in, manifests, settings and errors out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::class::*;
use super::*;

mod hostile;
mod section;
mod settings;
mod values;

/// Every key there is, as the documentation shows it.
const EXAMPLE: &str = r#"
version = 1
name = "parameterized"                     # the app; default: the directory's name

[component.parameterized]                  # one or more; classes are found by name in all of them
source = "target/wasm32-wasip2/release/parameterized.wasm"
build  = "cargo build --release --target wasm32-wasip2"     # run by `wasmhost build`, and first by run, serve, deploy (unless --no-build)

[class.my-class]
memory = "256MiB"                          # sizes and durations are strings with a unit; a bare number is an error that says so
build-timeout = "120s"
enter-timeout = "30s"
timeout = "300s"                           # one method call
exit-timeout = "30s"
min-instances = 0                          # only for classes without parameters, or listed parameters
buffer-instances = 0
max-instances = 100
idle-timeout = "60s"
max-calls = "50..100"                      # recycle an instance after that many calls; default: never
concurrency = 1                            # calls inside one instance; more only for `async func` methods and 0.3 handlers
max-waiting = 1000
wait-timeout = "30s"
snapshot = "build"                         # "enter" | "off"
hooks = { exit = "shutdown" }              # or false
env = { GREETING = "hi", DATABASE_URI = { from = "DATABASE_URI" } }   # from: the host's environment, only names given by --allow-env
files  = [{ source = "model.bin", path = "/data/model.bin" }]         # travel with the app; read-only
mounts = [{ host = "out", path = "/out", write = true }]              # only under a directory given by --allow-mount
allow-outbound = ["https://api.example.com", "tcp://db.internal:5432"]   # default: nothing
allow-calls = ["other-app"]                # default: its own app alone
parameters = { bar = 10 }                  # defaults
reuse = true                               # warm reuse for a class without hooks (§2)
tmp = "64MiB"                              # a private, bounded /tmp; default: none
max-list = 1000000                         # elements of a list passed as values (§4)
cors = ["https://app.example.com"]         # or "*"; default: off
default = true                             # this class answers at the app's own host name (§8)

[class.my-class.method.baz]
arguments = { qux = "default" }            # defaults
web = "GET /users/{id}/{*rest}"            # verb and path; {name} binds an argument. The only routing syntax, in the SDK too
"#;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text, Path::new("apps/my-app/wasmhost.toml"))
}

/// A manifest that says `settings` of the class `a`; they begin on line 4.
fn with_class(settings: &str) -> String {
    format!("version = 1\ncomponent.a.source = \"a.wasm\"\n[class.a]\n{settings}")
}

fn class(settings: &str) -> ClassSection {
    parse(&with_class(settings)).unwrap().classes.remove("a").unwrap()
}

/// What is wrong with `text`: lines, keys and messages.
fn problems(text: &str) -> Vec<(Option<usize>, String, String)> {
    let error = parse(text).expect_err(text);
    error.problems().iter().map(|p| (p.line, p.key.clone(), p.message.clone())).collect()
}

/// The message about the one thing that is wrong with the class setting on line 4.
#[track_caller]
fn refusal(setting: &str, key: &str) -> String {
    let found = problems(&with_class(setting));
    let [(line, found_key, message)] = found.as_slice() else { panic!("{setting}: {found:?}") };
    assert_eq!((*line, found_key.as_str()), (Some(4), format!("class.a{key}").as_str()), "{setting}: {message}");
    message.clone()
}

fn section(json: &serde_json::Value) -> Section {
    parse_section(json.to_string().as_bytes()).unwrap()
}

#[test]
fn the_documented_example_parses_in_full() {
    let manifest = parse(EXAMPLE).unwrap();
    assert_eq!(manifest.name, "parameterized");
    assert_eq!(manifest.dir, PathBuf::from("apps/my-app"));
    assert_eq!(
        manifest.components,
        [ComponentEntry {
            name: "parameterized".into(),
            source: "apps/my-app/target/wasm32-wasip2/release/parameterized.wasm".into(),
            build: Some("cargo build --release --target wasm32-wasip2".into()),
        }]
    );
    let settings = ClassSettings::resolve("my-class", manifest.classes.get("my-class"), None).unwrap();
    assert_eq!(settings.memory_bytes, 256 << 20);
    assert_eq!(settings.build_timeout, Duration::from_secs(120));
    assert_eq!(settings.timeout, Duration::from_secs(300));
    assert_eq!(settings.max_calls, Some(MaxCalls { least: 50, most: 100 }));
    assert_eq!(settings.hooks.exit.as_deref(), Some("shutdown"));
    assert_eq!(settings.hooks.enter.as_deref(), Some("enter"));
    assert_eq!(settings.env["GREETING"], EnvValue::Text("hi".into()));
    let database = HostVariable { from: "DATABASE_URI".parse().unwrap() };
    assert_eq!(settings.env["DATABASE_URI"], EnvValue::Host(database));
    assert_eq!(settings.files[0].source, PathBuf::from("apps/my-app/model.bin"));
    assert_eq!(settings.mounts[0].host, PathBuf::from("apps/my-app/out"));
    assert!(settings.mounts[0].write);
    assert_eq!(settings.allow_outbound[1].port, outbound::Port::Number(5432));
    assert_eq!(settings.allow_calls.len(), 1);
    assert_eq!(settings.parameters["bar"], json!(10));
    assert_eq!(settings.tmp_bytes, Some(64 << 20));
    assert!(matches!(&settings.cors, Some(Cors::Origins(list)) if list.len() == 1));
    assert!(settings.reuse && settings.is_default);
    let method = &settings.methods["baz"];
    assert_eq!(method.arguments["qux"], json!("default"));
    assert_eq!(method.web.as_ref().unwrap().to_string(), "GET /users/{id}/{*rest}");
}

#[test]
fn every_other_shape_of_a_value_parses() {
    assert_eq!(class("hooks = false").hooks, Some(Hooks::Off(False)));
    let hooks = class("hooks = { build = false, enter = 'start', restore = 'wake' }").hooks.unwrap();
    assert!(matches!(hooks, Hooks::Named(HookNames { build: Some(HookName::Off(False)), exit: None, .. })));
    assert_eq!(class("max-calls = 7").max_calls, Some(MaxCalls { least: 7, most: 7 }));
    assert_eq!(class("cors = '*'").cors, Some(Cors::Any(Star::Star)));
    assert_eq!(class("snapshot = 'enter'").snapshot, Some(SnapshotMode::Enter));
    assert_eq!(class("snapshot = 'off'").snapshot, Some(SnapshotMode::Off));
    let Some(MinInstances::Listed(list)) =
        class("min-instances = [{ parameters = { a = 1 }, count = 2 }]").min_instances
    else {
        panic!("a list was given")
    };
    assert_eq!((list[0].parameters["a"].clone(), list[0].count.get()), (json!(1), 2));
    assert_eq!(class("parameters.a = [1, 2.5, { b = true }]").parameters.unwrap()["a"], json!([1, 2.5, { "b": true }]));
}

#[test]
fn docs_go_with_classes_methods_parameters_and_arguments() {
    let file = class(
        "docs = 'A class.'\nparameter-docs.size = 'How big.'\n[class.a.method.run]\ndocs = 'Runs.'\nargument-docs = { n = 'How often.' }",
    );
    let settings = ClassSettings::resolve("a", Some(&file), None).unwrap();
    assert_eq!(settings.docs.as_deref(), Some("A class."));
    assert_eq!(settings.parameter_docs["size"], "How big.");
    assert_eq!(settings.methods["run"].docs.as_deref(), Some("Runs."));
    assert_eq!(settings.methods["run"].argument_docs["n"], "How often.");
}

#[test]
fn a_name_that_does_not_fit_comes_with_one_that_does() {
    let found = problems("version = 1\nname = \"My_App\"\ncomponent.a.source = 'a'\nclass.Big_Class.reuse = true");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (Some(2), "name"));
    assert!(found[0].2.contains("`My_App`") && found[0].2.ends_with("use `my-app`"), "{}", found[0].2);
    assert_eq!((found[1].0, found[1].1.as_str()), (Some(4), "class.Big_Class"));
    assert!(found[1].2.ends_with("use `big-class`"), "{}", found[1].2);
}

#[test]
fn a_missing_or_other_version_is_told_what_to_write() {
    let found = problems("component.a.source = 'a'");
    assert_eq!(found, [(None, "version".into(), "missing; write `version = 1`, the version of this format".into())]);
    let found = problems("version = 2\ncomponent.a.source = 'a'");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].2.contains("`2`") && found[0].2.contains("write `version = 1`"));
    assert_eq!(problems("version = '1'\ncomponent.a.source = 'a'").len(), 1);
}

#[test]
fn an_app_has_a_component_with_a_source_and_one_default_class() {
    assert!(problems("version = 1")[0].2.contains("`[component.my-app]`"));
    let found = problems("version = 1\n[component.a]\nbuild = 'make'");
    assert_eq!((found.len(), found[0].0, found[0].1.as_str()), (1, Some(2), "component.a.source"));
    // The source is there and wrong: that is one problem, not two.
    assert_eq!(problems("version = 1\ncomponent.a.source = 1").len(), 1);
    let found = problems("version = 1\ncomponent.a.source = ''\nclass.a.default = true\nclass.b.default = true");
    assert_eq!(found[0].1, "component.a.source");
    assert_eq!((found[1].0, found[1].1.as_str()), (Some(4), "class.b.default"));
}

#[test]
fn interfaces_are_renamed_to_names_of_their_own() {
    let head = "version = 1\ncomponent.a.source = 'a'\n[rename]\n";
    let manifest = parse(&format!("{head}\"ns:pkg/cart@1.0.0\" = 'cart'")).unwrap();
    assert_eq!(manifest.rename, BTreeMap::from([("ns:pkg/cart@1.0.0".into(), "cart".into())]));
    let found = problems(&format!("{head}f = 'f'"));
    assert!(found[0].2.contains("looks like `ns:pkg/name@1.0.0`"), "{found:?}");
    let found = problems(&format!("{head}\"a:b/c\" = 'c'\n\"d:e/c\" = 'c'"));
    assert_eq!((found[0].0, found[0].1.as_str()), (Some(5), "rename.\"d:e/c\""));
}

#[test]
fn all_problems_come_at_once_in_the_order_of_their_lines() {
    let text = "name = 'X'\n[component.a]\nsource = 1\n[class.a]\nmemory = 5\nfiles = [1, { source = 'a', path = 'b' }]\ncpu = 1\n[class.a.method.m]\nweb = 'x'\nwob = 1";
    let error = parse(text).unwrap_err();
    let found: Vec<_> = error.problems().iter().map(|p| (p.line, p.key.as_str())).collect();
    assert_eq!(
        found,
        [
            (None, "version"),
            (Some(1), "name"),
            (Some(3), "component.a.source"),
            (Some(5), "class.a.memory"),
            (Some(6), "class.a.files[0]"),
            (Some(6), "class.a.files[1].path"),
            (Some(7), "class.a.cpu"),
            (Some(9), "class.a.method.m.web"),
            (Some(10), "class.a.method.m.wob"),
        ]
    );
    for line in error.to_string().lines() {
        assert!(line.starts_with("apps/my-app/wasmhost.toml:"), "{line}");
    }
}

#[test]
fn broken_toml_is_reported_with_its_line() {
    let found = problems("version = 1\nname = \n[component.a\n");
    assert_eq!(found[0].0, Some(2), "{found:?}");
    assert_eq!(problems("version = 1\nversion = 1\n")[0].0, Some(2));
    assert!(problems(&"#".repeat(MAX_MANIFEST_BYTES + 1))[0].2.contains("at most 1048576"));
}

#[test]
fn an_app_without_a_name_is_named_after_its_directory() {
    let text = "version = 1\ncomponent.a.source = 'a.wasm'";
    let name = |path: &str| Manifest::parse(text, Path::new(path)).map(|manifest| manifest.name);
    assert_eq!(name("/apps/My_App/wasmhost.toml").unwrap(), "my-app");
    assert!(name("wasmhost.toml").unwrap_err().to_string().contains("name = \"my-app\""));
}

#[test]
fn a_bare_component_is_an_app_named_after_its_file() {
    let manifest = Manifest::for_component(Path::new("build/My_Greeter.wasm"));
    assert_eq!((manifest.name.as_str(), manifest.dir.as_path()), ("my-greeter", Path::new("build")));
    assert_eq!(manifest.components[0].source, PathBuf::from("build/My_Greeter.wasm"));
    assert_eq!(Manifest::for_component(Path::new("1.wasm")).name, "app");
    assert_eq!(Manifest::for_component(Path::new("a.wasm")).dir, PathBuf::from("."));
}
