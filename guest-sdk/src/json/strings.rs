//! Strings in JSON text: what is plain is taken as it stands, what is escaped is turned.

use std::borrow::Cow;

use super::read::{Reader, Unread};

impl<'a> Reader<'a> {
    /// Reads a string.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Unread> {
        self.byte(b'"', "a string")?;
        let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\');
        let mut text = Cow::Borrowed(self.take_while(is_plain));
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escaped()?;
                    let owned = text.to_mut();
                    owned.push(c);
                    owned.push_str(self.take_while(is_plain));
                }
                _ => return Err(self.unread("the end of a string")),
            }
        }
    }

    /// What stands after a backslash.
    fn escaped(&mut self) -> Result<char, Unread> {
        let sign = self.text.as_bytes().get(self.at).copied();
        let c = match sign {
            Some(sign @ (b'"' | b'\\' | b'/')) => char::from(sign),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unread("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    /// The character of one `XXXX`, or of two with `\u` between them.
    fn unicode(&mut self) -> Result<char, Unread> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.unread("a character"));
        }
        if !self.rest().starts_with("\\u") {
            return Err(self.unread("the second half of a character"));
        }
        self.at += 2;
        let second = self.hex()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        let c = low.and_then(|low| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low));
        c.ok_or_else(|| self.unread("the second half of a character"))
    }

    fn hex(&mut self) -> Result<u32, Unread> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| self.unread("four hexadecimal digits"))?;
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_those_of_json() {
        for text in ["", "a", "ö\"\\\n", "𝄞", "\u{1}"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(Reader::text::<String>(&json).unwrap(), text);
        }
        assert_eq!(Reader::text::<String>(r#""\ud834\udd1e\u00f6\/\b\f\r\t""#).unwrap(), "𝄞ö/\u{8}\u{c}\r\t");
        for bad in [r#""\ud834""#, r#""\ud834\u0020""#, r#""\x""#, r#""\u00""#, r#""\u+123""#, "\"", "a", ""] {
            assert!(Reader::text::<String>(bad).is_err(), "{bad}");
        }
    }
}
