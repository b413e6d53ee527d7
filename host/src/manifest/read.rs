//! Reads a document's tree into typed settings, and finds every problem on the way.
//!
//! Serde stops at the first error. So when a value does not fit, its problem is noted, the value is
//! cut out of the tree, and the tree is read again, until it fits: what remains has been read by
//! the very types that describe it. The error type is our own because serde hands it the facts (the
//! unknown key and the known ones, what was found and what expected), and a sentence made by
//! someone else would have to be taken apart again.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Unexpected, Visitor};

use super::node::{Node, Value};
use super::problem::{KeyPath, MAX_PROBLEMS, Problem, Step, brief, suggest};

/// Reads `root` as a `T`, adding what is wrong to `problems` and cutting it out of `root`. `None`
/// if nothing readable remains.
pub(super) fn read<T: DeserializeOwned>(root: &mut Node, problems: &mut Vec<Problem>) -> Option<T> {
    root.remove_twins(&KeyPath::default(), problems);
    loop {
        let mut fault = match T::deserialize(&*root) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        fault.path.reverse();
        let cut = fault.path.clone();
        fault.path.extend(fault.missing.map(|key| Step::Key(key.to_owned())));
        let key = KeyPath(fault.path).to_string();
        // A required key that was itself cut out is missing by our own doing.
        if fault.missing.is_none() || problems.iter().all(|problem| problem.key != key) {
            let line = fault.line.or(root.line);
            problems.push(Problem { line, key, message: fault.message });
        }
        if problems.len() >= MAX_PROBLEMS {
            let message = format!("has more than {MAX_PROBLEMS} problems; these are some of them");
            problems.push(Problem { line: None, key: String::new(), message });
            return None;
        }
        // What cannot be cut out would be found again and again.
        if !root.cut(&cut) {
            return None;
        }
    }
}

/// Why a value does not fit its type. The path grows from the inside out, as the error passes the
/// levels.
#[derive(Debug)]
pub(super) struct Fault {
    path: Vec<Step>,
    line: Option<usize>,
    missing: Option<&'static str>,
    message: String,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { path: Vec::new(), line: None, missing: None, message }
    }

    fn below(mut self, step: Step, node: &Node) -> Self {
        self.line = self.line.or(node.line);
        self.path.push(step);
        self
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            Unexpected::Bool(flag) => format!("`{flag}`"),
            Unexpected::Unsigned(number) => format!("the number `{number}`"),
            Unexpected::Signed(number) => format!("the number `{number}`"),
            Unexpected::Float(number) => format!("the number `{number}`"),
            Unexpected::Str(text) => format!("the string `{}`", brief(text)),
            Unexpected::Unit => "nothing".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a table".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("expected {}, not {found}", in_plain_words(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key `{}`; {}", brief(key), suggest(key, known)))
    }

    fn unknown_variant(text: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("unknown value `{}`; {}", brief(text), suggest(text, known)))
    }

    fn missing_field(key: &'static str) -> Self {
        Self { missing: Some(key), ..Self::new(format!("missing; `{key}` is required here")) }
    }
}

/// Serde's own types describe themselves in Rust's words; a manifest has others.
fn in_plain_words(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "i64" => "a whole number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "path string" => "a path".to_owned(),
        text if text.starts_with("struct ") => "a table".to_owned(),
        _ => expected,
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Null | Value::Cut => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Foreign(what, instead) => Err(Fault::new(format!("{what} has no place here; {instead}"))),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => self.deserialize_any(OneOf { known, value: PhantomData }),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Refuses whatever it is shown, in the words of an enum.
struct OneOf<T> {
    known: &'static [&'static str],
    value: PhantomData<T>,
}

impl<T> Visitor<'_> for OneOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = self.known.iter().map(|value| format!("`{value:?}`")).collect();
        f.write_str(&known.join(" or "))
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        while self.items.get(self.next).is_some_and(|item| item.value == Value::Cut) {
            self.next += 1;
        }
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|fault| fault.below(Step::Index(index), item))
    }
}

struct Entries<'de> {
    entries: &'de [(String, Node)],
    next: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, node)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let key_of = |fault: Fault| fault.below(Step::Key(key.clone()), node);
        self.next += 1;
        seed.deserialize(key.as_str().into_deserializer()).map(Some).map_err(key_of)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (key, node) = &self.entries[self.next - 1];
        seed.deserialize(node).map_err(|fault| fault.below(Step::Key(key.clone()), node))
    }
}

/// Reads a type from a string, with the error of its `FromStr`; for keys of tables as well as for
/// values.
macro_rules! deserialize_from_str {
    ($type:ty, $expecting:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(super) use deserialize_from_str;
