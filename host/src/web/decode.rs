//! Percent-encoding, strictly: paths and queries into text, without copying what is plain. Pure.

use std::borrow::Cow;

/// A text that is no percent-encoding of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The pairs of a query, names and values still encoded. Empty pairs are no pairs; a name alone has the value "".
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A name or a value of a query, in which `+` is a space.
pub(super) fn query(text: &str) -> Result<Cow<'_, str>, Malformed> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    decode(text, |byte| if byte == b'+' { b' ' } else { byte }, |_| false).map(Cow::Owned)
}

/// A path in which only `%2F` and `%25` are still encoded: what cuts a segment in two stays out of it.
pub(super) fn path(path: &str) -> Result<Cow<'_, str>, Malformed> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    decode(path, |byte| byte, |byte| byte == b'/' || byte == b'%').map(Cow::Owned)
}

/// A segment of such a path, whole.
pub(super) fn segment(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    Cow::Owned(segment.replace("%2F", "/").replace("%25", "%"))
}

fn decode(text: &str, plain: impl Fn(u8) -> u8, keep: impl Fn(u8) -> bool) -> Result<String, Malformed> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(plain(*byte));
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(Malformed) };
        let byte = hex(*high)? << 4 | hex(*low)?;
        match keep(byte) {
            true if byte == b'/' => decoded.extend(b"%2F"),
            true => decoded.extend(b"%25"),
            false => decoded.push(byte),
        }
        rest = after;
    }
    String::from_utf8(decoded).map_err(|_| Malformed)
}

fn hex(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_pairs_of_names_and_values() {
        let all: Vec<_> = pairs("a=1&&b=&c&d=x=y&").collect();
        assert_eq!(all, [("a", "1"), ("b", ""), ("c", ""), ("d", "x=y")]);
        assert_eq!(pairs("").count(), 0);
    }

    #[test]
    fn what_is_plain_is_not_copied() {
        assert!(matches!(query("hedgehog"), Ok(Cow::Borrowed("hedgehog"))));
        assert!(matches!(path("/a/b"), Ok(Cow::Borrowed("/a/b"))));
        assert!(matches!(segment("a"), Cow::Borrowed("a")));
    }

    #[test]
    fn a_query_has_pluses_for_spaces_and_a_path_has_not() {
        assert_eq!(query("a+b%2Bc%c3%A4").unwrap(), "a b+cä");
        assert_eq!(path("/a+b%20c").unwrap(), "/a+b c");
    }

    #[test]
    fn a_segment_keeps_its_slashes_to_itself() {
        let decoded = path("/%61%2fb%252F/c").unwrap();
        assert_eq!(decoded, "/a%2Fb%252F/c");
        assert_eq!(segment(decoded.split('/').nth(1).unwrap()), "a/b%2F");
    }

    #[test]
    fn what_is_no_encoding_of_text_is_refused() {
        for text in ["%", "%4", "%zz", "%ff", "a%c3", "%+1"] {
            assert_eq!(query(text), Err(Malformed), "{text}");
            assert_eq!(path(text), Err(Malformed), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_encoded_comes_back(text: String) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            proptest::prop_assert_eq!(query(&encoded).unwrap(), text.as_str());
            let decoded = path(&encoded).unwrap();
            proptest::prop_assert_eq!(segment(&decoded), text.as_str());
        }
    }
}
