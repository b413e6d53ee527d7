//! Which form of a text a client wants, and which bodies are JSON. Pure.

use http::header::{ACCEPT, HeaderMap};

/// Whether `Accept` puts JSON before plain text. Without that header, or for `*/*`, it does not.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none_or(|value| value.as_bytes() == b"*/*") {
        return false;
    }
    let (mut json, mut text) = (Weight::default(), Weight::default());
    for range in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let Some((kind, subtype)) = parts.next().and_then(|range| range.split_once('/')) else { continue };
        let quality = quality(parts);
        json.take((kind, subtype), ("application", "json"), quality);
        text.take((kind, subtype), ("text", "plain"), quality);
    }
    json.thousandths > text.thousandths
}

/// How much a client wants one media type: what its most specific range says.
#[derive(Default)]
struct Weight {
    specificity: u8,
    thousandths: u16,
}

impl Weight {
    fn take(&mut self, range: (&str, &str), wanted: (&str, &str), thousandths: u16) {
        let same = str::eq_ignore_ascii_case;
        let specificity = match range {
            ("*", "*") => 1,
            (kind, "*") if same(kind, wanted.0) => 2,
            (kind, subtype) if same(kind, wanted.0) && same(subtype, wanted.1) => 3,
            _ => return,
        };
        if specificity > self.specificity {
            *self = Self { specificity, thousandths };
        } else if specificity == self.specificity {
            self.thousandths = self.thousandths.max(thousandths);
        }
    }
}

/// The `q` of a media range in thousandths: 1 without one, 0 if it is no number.
fn quality<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let q = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(q) = q else { return 1000 };
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits = fraction.bytes().chain([b'0'; 3]).take(3);
    match whole {
        _ if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) => 0,
        "1" => 1000,
        "0" => digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')),
        _ => 0,
    }
}

/// Whether a `Content-Type` says JSON in UTF-8: `application/json` or any type that ends in `+json`.
pub(super) fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.contains('/') && essence.ends_with("+json"));
    is_json
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_unless_json_is_wanted_more() {
        for (accept, expected) in [
            ("*/*", false),
            ("application/json", true),
            ("application/json, */*;q=0.5", true),
            ("application/json, text/plain, */*", false),
            ("application/*;q=0.9, text/plain;q=0.8", true),
            ("text/html, */*;q=0.8", false),
            ("text/plain;q=0.2, application/json;q=0.3", true),
            ("text/plain;q=0, application/json;q=0", false),
            ("text/*;q=0.5, text/plain;q=0.1, APPLICATION/JSON; q=0.2", true),
            ("image/png", false),
            ("application/json;q=2", false),
            ("nonsense", false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(!prefers_json(&headers));
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_json(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn json_is_json_with_any_vendors_name_and_in_utf_8() {
        for text in
            ["application/json", "Application/JSON; charset=UTF-8", "application/problem+json;charset=\"utf-8\""]
        {
            assert!(is_json(text), "{text}");
        }
        for text in ["", "text/json", "application/json; charset=latin1", "+json", "application/x-www-form-urlencoded"]
        {
            assert!(!is_json(text), "{text}");
        }
    }
}
