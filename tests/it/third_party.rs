//! Components that nobody here wrote: each is inspected, and all that can be called of it is called.
//!
//! `tests/third-party.toml` lists them with what is expected of each; this file knows none of them by name, so that an
//! entry more needs no code. `cargo xtask test` fetches them from the registry before the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasmhost::{App, ErrorKind};
use wasmhost_tests::{Server, TestHost, root, run, wasmhost, wasmhost_command};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    component: Vec<Component>,
}

/// One component; the list itself says what each key means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[serde(rename = "crate")]
    package: String,
    version: String,
    file: Option<String>,
    example: Option<String>,
    blake3: Option<String>,
    #[serde(default)]
    missing: BTreeSet<String>,
    handler: Option<String>,
    #[serde(default)]
    answers: BTreeMap<String, String>,
    entrypoint: Option<String>,
    #[serde(default)]
    run: Vec<Run>,
    folder: Option<String>,
    #[serde(default)]
    class: BTreeMap<String, Class>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    interface: Option<String>,
    #[serde(default)]
    uncallable: BTreeSet<String>,
    #[serde(default)]
    methods: BTreeSet<String>,
    #[serde(default)]
    calls: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    method: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    returns: Option<Value>,
    #[serde(default)]
    fails: bool,
    prints: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    exit: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
}

impl Component {
    /// The component as it was fetched, after its digest was checked.
    fn path(&self) -> PathBuf {
        let name = match (&self.file, &self.example) {
            (Some(file), None) => Path::new(file).file_name().unwrap().to_str().unwrap().to_owned(),
            (None, Some(example)) => format!("{example}.wasm"),
            _ => panic!("a component of `{}` needs a `file` or an `example`", self.package),
        };
        let path = root().join(format!("target/third-party/{}-{}/{name}", self.package, self.version));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("`{}` is not fetched ({error}): run `cargo xtask test`, which fetches it first", path.display())
        });
        assert_eq!(self.file.is_some(), self.blake3.is_some(), "{name}: a file has a digest, and an example has none");
        if let Some(expected) = &self.blake3 {
            assert_eq!(blake3::hash(&bytes).to_hex().as_str(), expected, "{name} is another file than the one listed");
        }
        path
    }

    /// Loads it, with a folder if it wants one.
    async fn load(&self, host: &TestHost) -> wasmhost::Result<App> {
        let Some(folder) = &self.folder else { return host.host.load(self.path()).await };
        std::fs::create_dir(host.dir().join("folder")).unwrap();
        std::fs::write(host.dir().join("folder/given"), "given").unwrap();
        let mut text = format!("version = 1\nname = \"others\"\n[component.others]\nsource = {:?}\n", self.path());
        for class in self.class.keys() {
            text += &format!("[class.{class}]\nmounts = [{{ host = \"folder\", path = {folder:?}, write = true }}]\n");
        }
        std::fs::write(host.dir().join("wasmhost.toml"), text).unwrap();
        host.host.load(host.dir()).await
    }
}

fn components() -> Vec<Component> {
    let list = std::fs::read_to_string(root().join("tests/third-party.toml")).unwrap();
    let list: List = toml::from_str(&list).unwrap();
    list.component
}

fn items(list: &Value) -> &[Value] {
    list.as_array().unwrap()
}

fn names(list: &Value) -> BTreeSet<String> {
    items(list).iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_others_wrote_is_inspected_as_it_is() {
    for component in components() {
        let path = component.path();
        let file = path.to_str().unwrap();
        let report: Value = serde_json::from_str(&wasmhost(&["inspect", "--json", file]).ok()).unwrap();

        let imports = items(&report["components"][0]["imports"]).iter();
        let missing =
            imports.filter(|import| import["provided"] == false).map(|import| import["name"].as_str().unwrap());
        assert_eq!(missing.map(str::to_owned).collect::<BTreeSet<_>>(), component.missing, "{file}: missing imports");

        let entrypoints: Vec<_> =
            items(&report["entrypoints"]).iter().map(|entrypoint| &entrypoint["signature"]).collect();
        assert_eq!(json!(entrypoints), json!(component.entrypoint.iter().collect::<Vec<_>>()), "{file}: entrypoints");

        assert_eq!(names(&report["classes"]), component.class.keys().cloned().collect(), "{file}: classes");
        let handlers: Vec<_> = items(&report["classes"]).iter().filter_map(|class| class.get("handler")).collect();
        assert_eq!(json!(handlers), json!(component.handler.iter().collect::<Vec<_>>()), "{file}: web handlers");
        for class in items(&report["classes"]) {
            let name = class["name"].as_str().unwrap();
            let expected = &component.class[name];
            assert_eq!(class["interface"], json!(expected.interface), "{file}: interface of {name}");
            assert_eq!(names(&class["methods"]), expected.methods, "{file}: methods of {name}");
            assert_eq!(names(&class["uncallable"]), expected.uncallable, "{file}: what of {name} cannot be called");
            for function in items(&class["uncallable"]) {
                assert!(function["reason"].as_str().unwrap().contains("resource"), "{file}: {function}");
            }
        }

        let text = wasmhost(&["inspect", file]).ok();
        let offers_nothing = component.class.is_empty() && component.entrypoint.is_none();
        assert_eq!(text.contains("Nothing in it can be called"), offers_nothing, "{text}");
    }
}

#[test]
fn web_handlers_of_others_are_served_at_the_root_without_a_manifest() {
    for component in components().iter().filter(|component| component.missing.is_empty()) {
        assert_eq!(component.handler.is_some(), !component.answers.is_empty(), "{}: answers", component.package);
        if component.handler.is_none() {
            continue;
        }
        let server = Server::ready([component.path()]);
        for (path, end) in &component.answers {
            let answer = server.get(path);
            assert!(answer.ends_with(end), "{}, `{path}`: {answer}", component.package);
        }
    }
}

#[tokio::test]
async fn every_method_of_others_ends_with_a_value_or_with_its_own_error() {
    for component in components().iter().filter(|component| component.missing.is_empty()) {
        let host = TestHost::new();
        let app = component.load(&host).await.unwrap();
        for class in app.classes().filter(|class| class.methods().len() > 0) {
            let calls = &component.class[class.name()].calls;
            let called: BTreeSet<_> = calls.iter().map(|call| call.method.as_str()).collect();
            assert_eq!(called, class.methods().map(|method| method.name()).collect(), "{}: calls", class.name());

            let instance = class.bind(&()).unwrap().start().await.unwrap();
            for Call { method, arguments, returns, fails, .. } in calls {
                let what = format!(
                    "{}: `{}` with {arguments:?}",
                    component.package,
                    class.method(method).unwrap().signature()
                );
                match instance.call::<_, Value>(method, arguments).await {
                    Ok(value) => {
                        assert!(!fails, "{what} returned {value}");
                        assert!(returns.as_ref().is_none_or(|expected| *expected == value), "{what} returned {value}");
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::ReturnedError, "{what}: {error}");
                        assert!(fails, "{what} returned the error {:?}", error.value());
                    }
                }
            }
            // Output is handed on by lines and not by calls: all of it is there when the instance has gone.
            instance.exit().await.unwrap();
            let printed = host.printed.texts();
            for line in calls.iter().filter_map(|call| call.prints.as_ref()) {
                assert!(printed.contains(line), "{}: `{line}` is not in {printed:?}", component.package);
            }
        }
        host.host.shutdown().await;
    }
}

#[test]
fn commands_of_others_run_as_commands() {
    for component in components() {
        let path = component.path();
        for listed in &component.run {
            let mut command = wasmhost_command();
            command.arg("run").arg(&path).arg("--").args(&listed.arguments);
            let ran = run(&mut command);
            assert_eq!(ran.code, Some(listed.exit), "{}: {ran:?}", path.display());
            assert!(ran.stdout.contains(&listed.stdout), "{}: {ran:?}", path.display());
            assert!(ran.stderr.contains(&listed.stderr), "{}: {ran:?}", path.display());
        }
    }
}

#[tokio::test]
async fn what_lacks_an_import_is_refused_with_its_name() {
    for component in components().iter().filter(|component| !component.missing.is_empty()) {
        let host = TestHost::new();
        let error = component.load(&host).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
        for import in &component.missing {
            assert!(error.message().contains(&format!("`{import}`")), "`{import}` is not in: {error}");
        }
        if component.entrypoint.is_some() {
            let shown = wasmhost(&["run", component.path().to_str().unwrap()]).failed(2);
            assert!(component.missing.iter().all(|import| shown.contains(import)), "{shown}");
        }
    }
}

#[test]
fn the_list_holds_what_it_is_there_for() {
    let components = components();
    let crates: BTreeSet<_> = components.iter().map(|component| &component.package).collect();
    assert!(crates.len() >= 2, "{crates:?}");
    let classes = || components.iter().flat_map(|component| component.class.values());
    assert!(classes().any(|class| !class.calls.is_empty()), "no component has a method to call");
    assert!(classes().any(|class| !class.uncallable.is_empty()), "no component has a resource");
    assert!(components.iter().any(|component| !component.missing.is_empty()), "no component has to be refused");
    assert!(components.iter().any(|component| !component.run.is_empty()), "no component is a command");
}
