//! The JSON schema of `wasmhost.toml`, for editors: generated from the types that parse it,
//! defaults from the settings that hold without it.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::class::ClassSection;
use super::document::Document;
use super::settings::ClassSettings;

/// Generates the JSON schema of `wasmhost.toml`.
///
/// It is checked in as `host/wasmhost.schema.json`, where editors find it, in the dialect they all
/// know (draft 7).
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(ForToml);
    let mut schema = settings.into_generator().into_root_schema_for::<Document>().to_value();
    let class = ClassSection::schema_name();
    let defaults = ClassSettings::resolve("default", None, None).expect("the defaults agree with each other");
    for setting in defaults.iter().filter(|setting| !setting.value.is_null()) {
        let Some(property) = schema.pointer_mut(&format!("/definitions/{class}/properties/{}", setting.key)) else {
            continue;
        };
        property["default"] = setting.value.clone();
    }
    schema
}

/// Takes `null` out again, which TOML does not have, and the line breaks of our source text.
#[derive(Debug, Clone)]
struct ForToml;

impl Transform for ForToml {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(Value::String(description)) = schema.get_mut("description") {
            let paragraphs: Vec<_> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
            *description = paragraphs.join("\n\n");
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        let Some(Value::Array(choices)) = schema.get_mut("anyOf") else {
            return;
        };
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if choices.len() > 1 {
            return;
        }
        if let Some(Value::Array(choices)) = schema.remove("anyOf")
            && let Some(Value::Object(only)) = choices.into_iter().next()
        {
            // Draft 7 ignores everything beside a reference, so that one stays in a box.
            if only.contains_key("$ref") && !schema.as_object().is_none_or(serde_json::Map::is_empty) {
                schema.insert("allOf".to_owned(), json!([only]));
            } else {
                for (key, value) in only {
                    schema.ensure_object().entry(key).or_insert(value);
                }
            }
        }
    }
}
