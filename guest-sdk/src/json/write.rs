//! From values to JSON text.

use std::fmt::{Display, Write as _};

use crate::Value;

/// A text that grows by values.
#[derive(Debug, Default)]
pub struct Writer(String);

impl Writer {
    /// Returns the text of one value.
    #[must_use]
    pub fn text<T: Value>(value: &T) -> String {
        let mut json = Self::default();
        T::write_json(value, &mut json);
        json.0
    }

    /// Returns what was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Adds what is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.0.push_str(json);
    }

    /// Adds what is shown as JSON writes it: numbers.
    pub fn shown(&mut self, value: impl Display) {
        // A `String` takes all that is written to it.
        let _ = write!(self.0, "{value}");
    }

    /// Adds a string.
    pub fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                c if c < ' ' => {
                    self.0.push_str("\\u00");
                    let digit = |half: u32| char::from_digit(half, 16).unwrap_or('0');
                    self.0.push(digit(u32::from(c) >> 4));
                    self.0.push(digit(u32::from(c) & 0xf));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// Adds a list, one call of `write` for each element.
    pub fn list<T>(&mut self, elements: impl IntoIterator<Item = T>, mut write: impl FnMut(T, &mut Self)) {
        self.0.push('[');
        for (index, element) in elements.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(element, self);
        }
        self.0.push(']');
    }

    /// Adds an object, each member by [`Writer::member`].
    pub fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push('{');
        write(self);
        self.0.push('}');
    }

    /// Adds one member of an object.
    pub fn member<T: Value>(&mut self, name: &str, value: &T) {
        self.name(name);
        T::write_json(value, self);
    }

    /// Adds one entry of an object; the key is a text.
    pub fn entry<K: Value, V: Value>(&mut self, key: &K, value: &V) {
        self.separate();
        K::write_json(key, self);
        self.0.push(':');
        V::write_json(value, self);
    }

    /// Adds the name of a member, whose value is added next.
    pub fn name(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.0.push(':');
    }

    /// No value ends as an object begins, so that is where it does.
    fn separate(&mut self) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
    }
}

/// An object that is filled bit by bit: parameters or arguments by their names.
#[derive(Debug, Default)]
pub struct Fields(Writer);

impl Fields {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub fn put<T: Value>(&mut self, name: &str, value: &T) {
        let json = &mut self.0;
        if json.0.is_empty() {
            json.0.push('{');
        }
        json.member(name, value);
    }

    /// Adds a value that is JSON already.
    pub fn put_json(&mut self, name: &str, value: &str) {
        if self.0.0.is_empty() {
            self.0.0.push('{');
        }
        self.0.name(name);
        self.0.raw(value);
    }

    /// Returns the object.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = self.0.0;
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_an_object() {
        assert_eq!(Fields::new().finish(), "{}");
        let mut fields = Fields::new();
        fields.put("foo", &1_u8);
        fields.put("bar", &String::from("{"));
        assert_eq!(fields.finish(), r#"{"foo":1,"bar":"{"}"#);
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(Writer::text(&String::from("a\"\\\n\u{1}ö")), r#""a\"\\\n\u0001ö""#);
    }
}
