//! From a class to the text of its WIT: one interface, and a world that exports it. Of an entrypoint, the world alone.
//!
//! It must not know Rust tokens or bindings: what stands here is what other languages see.

use std::fmt::Write as _;

use crate::model::{Case, Class, Definition, Failure, Field, Form, Function, Kind, Payload, Plain, Returned, Type};
use crate::names::in_wit;

/// The WIT document of the class, in a package of the crate's namespace.
pub(crate) fn document(class: &Class, namespace: &str) -> String {
    let name = in_wit(&class.name.wit);
    let mut text = format!("package {}:{name};\n\n", in_wit(namespace));
    if class.form == Form::Main {
        line(&mut text, "", "world main-world {");
        for main in functions(class) {
            docs(&mut text, "  ", &main.docs);
            line(&mut text, "  ", &format!("export {};", main.spelled()));
        }
        line(&mut text, "", "}");
        return text;
    }
    docs(&mut text, "", &class.docs);
    line(&mut text, "", &format!("interface {name} {{"));
    for definition in &class.types {
        define(&mut text, definition);
    }
    for function in functions(class) {
        docs(&mut text, "  ", &function.docs);
        line(&mut text, "  ", &format!("{};", function.spelled()));
    }
    line(&mut text, "", "}\n");
    line(&mut text, "", &format!("world {}-world {{\n  export {name};\n}}", class.name.wit));
    text
}

/// The full name of the class's interface.
pub(crate) fn interface(class: &Class, namespace: &str) -> [String; 3] {
    [namespace.to_owned(), class.name.wit.clone(), class.name.wit.clone()]
}

/// A function as others see it: hooks of several steps are one.
struct Seen {
    name: String,
    docs: String,
    is_async: bool,
    arguments: Vec<(String, String)>,
    result: Option<String>,
}

impl Seen {
    fn spelled(&self) -> String {
        let keyword = if self.is_async { "async func" } else { "func" };
        let arguments: Vec<_> = self.arguments.iter().map(|(name, ty)| format!("{}: {ty}", in_wit(name))).collect();
        let result = self.result.as_ref().map(|result| format!(" -> {result}")).unwrap_or_default();
        format!("{}: {keyword}({}){result}", in_wit(&self.name), arguments.join(", "))
    }
}

fn functions(class: &Class) -> Vec<Seen> {
    let mut functions = Vec::new();
    let builds: Vec<_> = class.builds().collect();
    let enters: Vec<_> = class.enters().collect();
    let exits: Vec<_> = class.exits().collect();
    if !builds.is_empty() {
        functions.push(hook("build", &builds));
    }
    if class.has_enter() {
        functions.push(hook("enter", &enters));
    }
    if !exits.is_empty() {
        let mut exit = hook("exit", &exits);
        exit.is_async |= waits(class);
        functions.push(exit);
    }
    functions.extend(class.methods().map(|method| self::method(class, method)));
    functions
}

fn hook(name: &str, steps: &[&Function]) -> Seen {
    let docs: Vec<_> = steps.iter().map(|step| step.docs.as_str()).filter(|docs| !docs.is_empty()).collect();
    let can_fail = steps.iter().any(|step| step.returns.failure.is_some());
    Seen {
        name: name.to_owned(),
        docs: docs.join("\n\n"),
        is_async: steps.iter().any(|step| step.is_async),
        arguments: steps.iter().flat_map(|step| arguments(step)).collect(),
        result: can_fail.then(|| "result<_, string>".to_owned()),
    }
}

fn method(class: &Class, method: &Function) -> Seen {
    let ok = match &method.returns.ok {
        Returned::Value(ty) => Some(spelled(ty)),
        Returned::Nothing | Returned::State | Returned::Kept(_) => None,
    };
    let result = match &method.returns.failure {
        None => ok,
        Some(Failure::Nothing) => Some(result(ok, None)),
        Some(Failure::Text) => Some(result(ok, Some("string".to_owned()))),
        Some(Failure::Value(ty)) => Some(result(ok, Some(spelled(ty)))),
    };
    Seen {
        name: method.name.wit.clone(),
        docs: method.docs.clone(),
        is_async: method.is_async || waits(class),
        arguments: arguments(method).collect(),
        result,
    }
}

/// Whether functions wait for the state: several calls run in an instance, so all of them have to be `async func`.
pub(crate) fn waits(class: &Class) -> bool {
    class.concurrency() > 1
}

fn arguments(function: &Function) -> impl Iterator<Item = (String, String)> {
    function.values().map(|(parameter, ty, _)| (parameter.name.wit.clone(), spelled(ty)))
}

fn define(text: &mut String, definition: &Definition) {
    for (name, case, fields) in definition.records() {
        docs(text, "  ", &case.docs);
        record(text, &in_wit(&name.wit), fields);
    }
    docs(text, "  ", &definition.docs);
    let name = in_wit(&definition.name.wit);
    match &definition.kind {
        Kind::Unnamed(types) => line(text, "  ", &format!("type {name} = {};\n", together(types))),
        Kind::Record(fields) => record(text, &name, fields),
        Kind::Enum(cases) | Kind::Variant(cases) => {
            let keyword = if matches!(definition.kind, Kind::Enum(_)) { "enum" } else { "variant" };
            line(text, "  ", &format!("{keyword} {name} {{"));
            for case in cases {
                docs(text, "    ", &case.docs);
                line(text, "    ", &format!("{}{},", in_wit(&case.name.wit), payload(definition, case)));
            }
            line(text, "  ", "}\n");
        }
    }
}

fn record(text: &mut String, name: &str, fields: &[Field]) {
    line(text, "  ", &format!("record {name} {{"));
    for field in fields {
        docs(text, "    ", &field.docs);
        line(text, "    ", &format!("{}: {},", in_wit(&field.name.wit), spelled(&field.ty)));
    }
    line(text, "  ", "}\n");
}

fn payload(definition: &Definition, case: &Case) -> String {
    match &case.payload {
        Payload::Nothing => String::new(),
        Payload::Values(types) => format!("({})", together(types)),
        Payload::Fields(_) => format!("({})", in_wit(&definition.record(case).wit)),
    }
}

/// Values without names: one is what it is, several are a tuple.
fn together(types: &[Type]) -> String {
    match types {
        [one] => spelled(one),
        several => spelled(&Type::Tuple(several.to_vec())),
    }
}

fn spelled(ty: &Type) -> String {
    match ty {
        Type::Plain(plain) => plain_spelled(*plain).to_owned(),
        // Nanoseconds, as WASI's own durations.
        Type::Duration => "u64".to_owned(),
        Type::List(part) => format!("list<{}>", spelled(part)),
        Type::Option(part) => format!("option<{}>", spelled(part)),
        Type::Result(ok, err) => result(ok.as_deref().map(spelled), err.as_deref().map(spelled)),
        Type::Tuple(parts) => format!("tuple<{}>", parts.iter().map(spelled).collect::<Vec<_>>().join(", ")),
        Type::Map(_, key, value) => format!("map<{}, {}>", spelled(key), spelled(value)),
        Type::Own(name) => in_wit(&crate::names::type_name(name)),
    }
}

fn result(ok: Option<String>, err: Option<String>) -> String {
    match (ok, err) {
        (None, None) => "result".to_owned(),
        (Some(ok), None) => format!("result<{ok}>"),
        (ok, Some(err)) => format!("result<{}, {err}>", ok.as_deref().unwrap_or("_")),
    }
}

fn plain_spelled(plain: Plain) -> &'static str {
    match plain {
        Plain::Bool => "bool",
        Plain::S8 => "s8",
        Plain::S16 => "s16",
        Plain::S32 => "s32",
        Plain::S64 => "s64",
        Plain::U8 => "u8",
        Plain::U16 => "u16",
        Plain::U32 => "u32",
        Plain::U64 => "u64",
        Plain::F32 => "f32",
        Plain::F64 => "f64",
        Plain::Char => "char",
        Plain::String => "string",
    }
}

fn docs(text: &mut String, indent: &str, docs: &str) {
    for part in docs.lines() {
        line(text, indent, format!("/// {part}").trim_end());
    }
}

fn line(text: &mut String, indent: &str, part: &str) {
    writeln!(text, "{indent}{part}").expect("a `String` takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use crate::testing::class;

    #[test]
    fn a_class_is_one_interface_with_its_docs() {
        let class = class(
            "",
            r#"
            /// Answers questions.
            mod model {
                /// What is likely.
                #[derive(Value)]
                pub struct Prediction { /// A word.
                    pub label: String, pub score: f64 }
                #[derive(Value)] enum Color { Red, LightBlue }
                #[derive(Value)] enum Shape { Nothing, Circle(f64), Box(f32, f32), /// Has corners.
                    Star { corners: u8 } }
                #[derive(Value)] struct Pair(u8, Id);
                #[derive(Value)] struct Id(u64);
                struct Model { name: String }
                impl Model {
                    #[build] fn download() -> Result<Table> {}
                    /// Loads it.
                    #[enter] fn load(#[built] table: &'static Table, name: String, size: i64) -> Result<Self> {}
                    #[method] fn generate(&mut self, prompt: String) -> Result<String> {}
                    #[method] async fn predict(&self, x: Vec<f64>) -> Prediction {}
                    #[method] fn r#list(&self, id: Option<Id>) -> Result<HashMap<String, Shape>, Color> {}
                    #[exit] fn close(self) {}
                }
            }
            "#,
        );
        let expected = "\
package my-app:model;

/// Answers questions.
interface model {
  /// What is likely.
  record prediction {
    /// A word.
    label: string,
    score: f64,
  }

  enum color {
    red,
    light-blue,
  }

  /// Has corners.
  record shape-star {
    corners: u8,
  }

  variant shape {
    nothing,
    circle(f64),
    box(tuple<f32, f32>),
    /// Has corners.
    star(shape-star),
  }

  type pair = tuple<u8, id>;

  type id = u64;

  build: func() -> result<_, string>;
  /// Loads it.
  enter: func(name: string, size: s64) -> result<_, string>;
  exit: func();
  generate: func(prompt: string) -> result<string, string>;
  predict: async func(x: list<f64>) -> prediction;
  %list: func(id: option<id>) -> result<map<string, shape>, color>;
}

world model-world {
  export model;
}
";
        assert_eq!(super::document(&class, "my-app"), expected);
    }

    #[test]
    fn where_calls_share_an_instance_all_of_them_can_wait() {
        let class = class(
            "concurrency = 4",
            "mod counter {
                #[derive(Default)] struct Counter;
                impl Counter {
                    #[method] fn get(&self) -> u32 {}
                    #[exit] fn close(self) {}
                }
            }",
        );
        let text = super::document(&class, "my-app");
        assert!(text.contains("enter: func();"), "{text}");
        assert!(text.contains("exit: async func();") && text.contains("get: async func() -> u32;"), "{text}");
    }
}
