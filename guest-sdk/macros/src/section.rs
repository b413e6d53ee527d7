//! From a class to the manifest that it carries: JSON in the component's section `wasmhost:manifest`.
//!
//! The host reads it beneath `wasmhost.toml`, key by key. Several classes put their documents back to back.

use serde_json::{Map, Value as Json, json};

use crate::model::{Class, Function};

/// The document of the class.
pub(crate) fn document(class: &Class) -> String {
    let mut own = Map::new();
    for setting in &class.settings {
        own.insert(setting.key.to_owned(), setting.value.clone());
    }
    put_text(&mut own, "docs", &class.docs);
    let (mut defaults, mut docs) = (Map::new(), Map::new());
    for enter in class.enters() {
        arguments(enter, &mut defaults, &mut docs);
    }
    put(&mut own, "parameters", defaults);
    put(&mut own, "parameter-docs", docs);
    let methods = class.methods().map(|method| (method.name.wit.clone(), Json::Object(self::method(method))));
    put(&mut own, "method", methods.filter(|(_, settings)| settings != &json!({})).collect());
    // The host takes the settings of an entrypoint, which is no class, from under its own name.
    json!({ "version": 1, "class": { class.name.wit.clone(): own } }).to_string()
}

fn method(method: &Function) -> Map<String, Json> {
    let mut own = Map::new();
    put_text(&mut own, "docs", &method.docs);
    let (mut defaults, mut docs) = (Map::new(), Map::new());
    arguments(method, &mut defaults, &mut docs);
    put(&mut own, "arguments", defaults);
    put(&mut own, "argument-docs", docs);
    if let Some(route) = method.route() {
        own.insert("web".to_owned(), Json::from(format!("{} {}", route.verb, route.path)));
    }
    own
}

fn arguments(function: &Function, defaults: &mut Map<String, Json>, docs: &mut Map<String, Json>) {
    for (parameter, _, default) in function.values() {
        if let Some(default) = default {
            defaults.insert(parameter.name.wit.clone(), default.clone());
        }
        put_text(docs, &parameter.name.wit, &parameter.docs);
    }
}

fn put(into: &mut Map<String, Json>, key: &str, value: Map<String, Json>) {
    if !value.is_empty() {
        into.insert(key.to_owned(), Json::Object(value));
    }
}

fn put_text(into: &mut Map<String, Json>, key: &str, text: &str) {
    if !text.is_empty() {
        into.insert(key.to_owned(), Json::from(text));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::testing::class;

    fn read(settings: &str, module: &str) -> Json {
        serde_json::from_str(&super::document(&class(settings, module))).unwrap()
    }

    #[test]
    fn settings_defaults_docs_and_routes_are_in_the_manifest() {
        let document = read(
            r#"memory = "256MiB", max_instances = 8"#,
            r#"mod model {
                /// Answers.
                pub struct Model;
                impl Model {
                    #[enter] fn load(/// Whose.
                        name: String, #[default(100)] size: i64) -> Self {}
                    /// Greets.
                    #[get("/users/{id}")] fn home(&self, id: u32, #[default("default")] qux: String) -> String {}
                    #[method] fn plain(&self) {}
                }
            }"#,
        );
        let expected = json!({ "version": 1, "class": { "model": {
            "memory": "256MiB", "max-instances": 8, "docs": "Answers.",
            "parameters": { "size": 100 }, "parameter-docs": { "name": "Whose." },
            "method": { "home": {
                "docs": "Greets.", "arguments": { "qux": "default" }, "web": "GET /users/{id}",
            } },
        } } });
        assert_eq!(document, expected);
    }

    #[test]
    fn a_class_of_which_nothing_is_said_says_its_name() {
        let document = read("", "mod tools { #[method] fn f(max_size: u8) {} }");
        assert_eq!(document, json!({ "version": 1, "class": { "tools": {} } }));
    }
}
