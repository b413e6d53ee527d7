//! A document as a plain tree, before it means anything: TOML with the line of each key, or JSON
//! without.
//!
//! Both formats become the same tree so that one set of types reads both, and the lines stay beside
//! it so that a check made long after parsing can still say where. It knows which tables of a
//! component's documents are merged, and nothing else of the settings.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{KeyPath, MAX_PROBLEMS, Problem, Step};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: Option<usize>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    /// A TOML value that JSON does not have: what it is, and what to write instead.
    Foreign(&'static str, &'static str),
    /// An item of a list that did not fit and has been reported.
    Cut,
    List(Vec<Node>),
    /// In the order of the document; a key may stand twice until `remove_twins`.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Parses TOML, or says everything that is wrong with its syntax.
    pub(super) fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(lines.table(table.get_ref(), None));
        }
        let problem = |error: toml::de::Error| Problem {
            line: error.span().map(|span| lines.at(span.start)),
            key: String::new(),
            message: error.message().to_owned(),
        };
        Err(errors.into_iter().map(problem).collect())
    }

    /// Removes the value at `path`; false if there is none.
    pub(super) fn cut(&mut self, path: &[Step]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut node = self;
        for step in parents {
            match node.child_mut(step) {
                Some(child) => node = child,
                None => return false,
            }
        }
        match (&mut node.value, last) {
            (Value::Table(entries), Step::Key(key)) => {
                let count = entries.len();
                entries.retain(|(name, _)| name != key);
                entries.len() < count
            }
            // A position must keep its meaning for the problems still to be found, so it is emptied
            // in place.
            (Value::List(items), Step::Index(index)) => match items.get_mut(*index) {
                Some(item) => std::mem::replace(&mut item.value, Value::Cut) != Value::Cut,
                None => false,
            },
            _ => false,
        }
    }

    /// Removes keys that stand in their table a second time, and reports them. Afterwards a path
    /// leads to one value at most.
    pub(super) fn remove_twins(&mut self, at: &KeyPath, problems: &mut Vec<Problem>) {
        match &mut self.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.remove_twins(&at.index(index), problems);
                }
            }
            Value::Table(entries) => {
                let mut seen = HashSet::new();
                entries.retain(|(key, node)| {
                    let is_first = seen.insert(key.clone());
                    if !is_first && problems.len() < MAX_PROBLEMS {
                        problems.push(Problem {
                            line: node.line,
                            key: at.key(key).to_string(),
                            message: "given twice; keep one of them".to_owned(),
                        });
                    }
                    is_first
                });
                for (key, node) in entries {
                    node.remove_twins(&at.key(key), problems);
                }
            }
            _ => {}
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.child(&Step::Key(key.to_owned())).is_some()
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Table(entries), Step::Key(key)) => {
                entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(entries), Step::Key(key)) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The line of the value at `path`, or of the innermost table around it that the document has.
    pub(super) fn line_at(&self, path: &KeyPath) -> Option<usize> {
        let mut node = self;
        let mut line = self.line;
        for step in &path.0 {
            let Some(child) = node.child(step) else { break };
            (node, line) = (child, child.line.or(line));
        }
        line
    }

    /// Adds another document of the same component: tables of settings are joined, anything else
    /// given in both stays there twice and is refused when the tree is read.
    pub(super) fn absorb(&mut self, other: Self) {
        absorb(self, other, &mut Vec::new());
    }
}

fn absorb(into: &mut Node, other: Node, path: &mut Vec<String>) {
    let (Value::Table(known), Value::Table(added)) = (&mut into.value, other.value) else {
        return;
    };
    let places: HashMap<String, usize> =
        known.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    for (key, node) in added {
        let twin = places.get(&key).map(|place| &mut known[*place].1);
        path.push(key.clone());
        match twin {
            Some(twin) if path.len() == 1 && key == "version" && *twin == node => {}
            Some(twin) if is_joined(path) && twin.is_table() && node.is_table() => absorb(twin, node, path),
            _ => known.push((key, node)),
        }
        path.pop();
    }
}

/// Whether the table at `path` holds settings by name. A default value that happens to be a table
/// is one value.
fn is_joined(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["class"]
            | ["class", _]
            | ["class", _, "env" | "hooks" | "method" | "parameters" | "parameter-docs"]
            | ["class", _, "method", _]
            | ["class", _, "method", _, "arguments" | "argument-docs"]
    )
}

/// Where each line of a text begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn table(&self, table: &DeTable<'_>, line: Option<usize>) -> Node {
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| (key.span().start, key.get_ref().to_string(), value)).collect();
        // The parser's map is sorted by name; problems and listings follow the document.
        entries.sort_by_key(|(start, _, _)| *start);
        let entries = entries.into_iter().map(|(start, key, value)| {
            let node = self.value(value, self.at(start));
            (key, node)
        });
        Node { line, value: Value::Table(entries.collect()) }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, line: usize) -> Node {
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number.into()),
                Err(_) => Value::Foreign("a number beyond 64 bits", "write it as a string"),
            },
            DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => Value::Foreign(
                    "a number that JSON does not have",
                    "write it as `\"NaN\"`, `\"Infinity\"` or `\"-Infinity\"`",
                ),
            },
            DeValue::Datetime(_) => Value::Foreign("a date or time", "write it as a string"),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.value(item, self.at(item.span().start)));
                Value::List(items.collect())
            }
            DeValue::Table(table) => return self.table(table, Some(line)),
        };
        Node { line: Some(line), value }
    }
}

/// Reads a tree from JSON, where no lines are known.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(AnyValue)?;
        Ok(Self { line: None, value })
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Table(entries))
    }
}
