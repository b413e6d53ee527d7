//! From JSON text to values, straight through: whoever reads asks for what should come next.

use std::borrow::Cow;
use std::fmt;

use crate::Value;

/// A place in a text.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// Why a text could not be read as what it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    expected: Cow<'static, str>,
    at: usize,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is expected at byte {}", self.expected, self.at)
    }
}

/// The case of a variant, of which only the name was read.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    has_payload: bool,
}

impl<'a> Reader<'a> {
    /// Reads a whole text.
    ///
    /// # Errors
    ///
    /// If it is not one `T` and nothing else.
    pub fn text<T: Value>(text: &'a str) -> Result<T, Unread> {
        let mut json = Self { text, at: 0 };
        let value = T::read_json(&mut json)?;
        if json.peek().is_some() { Err(json.unread("the end")) } else { Ok(value) }
    }

    /// Reads the member `name` of an object; nothing if it has none.
    ///
    /// # Errors
    ///
    /// If the text is no object, or the member is no `T`.
    pub fn member<T: Value>(text: &'a str, name: &str) -> Result<Option<T>, Unread> {
        let mut found = None;
        Self { text, at: 0 }.object(|key, json| {
            if key != name {
                return json.skip();
            }
            found = Some(T::read_json(json)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Makes the error of this place.
    #[must_use]
    pub fn unread(&self, expected: impl Into<Cow<'static, str>>) -> Unread {
        Unread { expected: expected.into(), at: self.at }
    }

    /// Takes a `null`, if there is one.
    pub fn null(&mut self) -> bool {
        self.word("null")
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    ///
    /// If there is neither.
    pub fn bool(&mut self) -> Result<bool, Unread> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.unread("`true` or `false`"))
        }
    }

    /// Takes the characters of a number, or nothing.
    pub fn digits(&mut self) -> &'a str {
        self.peek();
        self.take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
    }

    /// Whether a string comes next.
    pub fn is_string(&mut self) -> bool {
        self.peek() == Some(b'"')
    }

    /// Reads a list, one call of `read` for each element.
    ///
    /// # Errors
    ///
    /// If there is no list, or an element cannot be read.
    pub fn list(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), Unread>) -> Result<(), Unread> {
        self.byte(b'[', "a list")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            read(self)?;
            if !self.take(b',') {
                return self.byte(b']', "`,` or `]`");
            }
        }
    }

    /// Takes a sign.
    ///
    /// # Errors
    ///
    /// If something else comes next.
    pub fn expect(&mut self, sign: u8) -> Result<(), Unread> {
        if self.take(sign) { Ok(()) } else { Err(self.unread(format!("`{}`", char::from(sign)))) }
    }

    /// Whether an object comes next.
    pub fn is_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Reads an object, one call of `read` for each of its entries, the key among it.
    ///
    /// # Errors
    ///
    /// If there is no object, or an entry cannot be read.
    pub fn entries(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), Unread>) -> Result<(), Unread> {
        self.byte(b'{', "an object")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            read(self)?;
            if !self.take(b',') {
                return self.byte(b'}', "`,` or `}`");
            }
        }
    }

    /// Reads an object, one call of `read` for each member.
    ///
    /// # Errors
    ///
    /// If there is no object, or a member cannot be read.
    pub fn object(&mut self, mut read: impl FnMut(&str, &mut Self) -> Result<(), Unread>) -> Result<(), Unread> {
        self.entries(|json| {
            let name = json.string()?;
            json.expect(b':')?;
            read(&name, json)
        })
    }

    /// Reads the name of a case: a string, or the one member of an object.
    ///
    /// # Errors
    ///
    /// If there is neither.
    pub fn case(&mut self) -> Result<Case<'a>, Unread> {
        let has_payload = self.take(b'{');
        let name = self.string()?;
        if has_payload {
            self.expect(b':')?;
        }
        Ok(Case { name, has_payload })
    }

    /// Passes over a value.
    ///
    /// # Errors
    ///
    /// If the text ends before it does.
    pub fn skip(&mut self) -> Result<(), Unread> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.string()?),
                Some(b'[' | b'{') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b']' | b'}') => {
                    depth = depth.checked_sub(1).ok_or_else(|| self.unread("a value"))?;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => self.at += 1,
                Some(b'a'..=b'z') => {
                    self.take_while(u8::is_ascii_lowercase);
                }
                Some(_) if !self.digits().is_empty() => {}
                _ => return Err(self.unread("a value")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The next byte that is no space; it stays.
    fn peek(&mut self) -> Option<u8> {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes bytes for as long as they are of a kind.
    pub(super) fn take_while(&mut self, is_of_kind: impl Fn(&u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(is_of_kind).count();
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// All that comes. Like others here it slices by `get`: a message that quotes a text at a wrong place would be
    /// part of every component that calls.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes a sign, if it comes next.
    fn take(&mut self, sign: u8) -> bool {
        let is_next = self.peek() == Some(sign);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn byte(&mut self, sign: u8, expected: &'static str) -> Result<(), Unread> {
        if self.take(sign) { Ok(()) } else { Err(self.unread(expected)) }
    }

    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }
}

impl Case<'_> {
    /// Reads what is in the case; nothing is `null`.
    ///
    /// # Errors
    ///
    /// If it is no `T`.
    pub fn payload<T: Value>(&self, json: &mut Reader<'_>) -> Result<T, Unread> {
        if self.has_payload { T::read_json(json) } else { Reader::text("null").map_err(|_| json.unread("a payload")) }
    }

    /// Reads the end of the case.
    ///
    /// # Errors
    ///
    /// If there is more than one.
    pub fn end(&self, json: &mut Reader<'_>) -> Result<(), Unread> {
        if self.has_payload { json.byte(b'}', "`}`: a value has one case") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_for_is_passed_over() {
        let text = r#" { "a" : [ {"x": "]}", "y": [1.5e3, true]}, null ] , "b" : -7, "c": {} } "#;
        assert_eq!(Reader::member::<i8>(text, "b"), Ok(Some(-7)));
        assert_eq!(Reader::member::<i8>(text, "d"), Ok(None));
        for bad in ["{\"a\": }", "{\"a\": [}", "[]", "{\"a\" 1}", "{\"a\": 1", "{\"a\": #}"] {
            assert!(Reader::member::<i8>(bad, "b").is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_says_what_is_expected_and_where() {
        let error = Reader::text::<Vec<bool>>("[true, 1]").unwrap_err();
        assert_eq!(error.to_string(), "`true` or `false` is expected at byte 7");
        assert_eq!(Reader::text::<bool>("true 1").unwrap_err().to_string(), "the end is expected at byte 5");
    }
}
