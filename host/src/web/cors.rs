//! CORS: which pages of other origins may see a class's answers. Off unless the class's `cors` says otherwise.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use crate::manifest::Cors;

/// Headers that a page may send when it does not say which it wants to.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("content-type, accept, authorization");

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("wasmhost-instance");

/// The origins of a class, as they are compared.
#[derive(Debug)]
pub(super) enum Rule {
    Any,
    Listed(Box<[Box<str>]>),
}

impl Rule {
    pub(super) fn new(cors: &Cors) -> Self {
        match cors {
            Cors::Any(_) => Self::Any,
            Cors::Origins(origins) => Self::Listed(origins.iter().map(|origin| origin.to_string().into()).collect()),
        }
    }

    /// Lets the page at `origin` see an answer, if it is one of ours.
    pub(super) fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if matches!(self, Self::Listed(_)) {
            // Also without an origin: a cache must not give this answer to a page that may see it, nor the reverse.
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(allowed) = origin.and_then(|origin| self.allow(origin)) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }

    /// Adds what a browser asks before it sends a request, if it does and may send it.
    pub(super) fn preflight(&self, request: &HeaderMap, allow: &HeaderValue, headers: &mut HeaderMap) {
        let may = request.get(ORIGIN).is_some_and(|origin| self.allow(origin).is_some());
        if !may || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
        let wanted = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }

    /// Whether a page at `origin` is one of ours.
    pub(super) fn lists(&self, origin: Option<&HeaderValue>) -> bool {
        matches!(self, Self::Any) || origin.is_some_and(|origin| self.allow(origin).is_some())
    }

    /// The origins, for an error.
    pub(super) fn listed(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Listed(known) => known.join(", "),
        }
    }

    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Listed(known) => {
                known.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(rule: &Rule, request: &[(http::HeaderName, &str)]) -> HeaderMap {
        let request: HeaderMap =
            request.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        let mut headers = HeaderMap::new();
        rule.preflight(&request, &HeaderValue::from_static("GET, HEAD, OPTIONS"), &mut headers);
        rule.apply(request.get(ORIGIN), &mut headers);
        headers
    }

    #[test]
    fn a_listed_origin_is_echoed_and_another_gets_nothing() {
        let rule = Rule::Listed(["https://a.example".into()].into());
        let headers = answered(&rule, &[(ORIGIN, "https://a.example")]);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[VARY], "origin");
        assert!(!headers.contains_key(ACCESS_CONTROL_MAX_AGE), "no preflight");
        for request in [&[(ORIGIN, "https://b.example"), (ACCESS_CONTROL_REQUEST_METHOD, "GET")][..], &[]] {
            let headers = answered(&rule, request);
            assert_eq!((headers.len(), &headers[VARY]), (1, &HeaderValue::from_static("origin")));
        }
    }

    #[test]
    fn any_origin_is_a_star() {
        let headers = answered(&Rule::Any, &[(ORIGIN, "https://b.example")]);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!headers.contains_key(VARY));
        assert!(answered(&Rule::Any, &[]).is_empty());
    }

    #[test]
    fn a_preflight_allows_what_was_asked_for() {
        let asks = (ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let headers = answered(&Rule::Any, &[(ORIGIN, "https://b.example"), asks.clone()]);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], ALLOWED_HEADERS);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, OPTIONS");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "600");
        let wants = (ACCESS_CONTROL_REQUEST_HEADERS, "x-mine");
        let headers = answered(&Rule::Any, &[(ORIGIN, "https://b.example"), asks, wants]);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "x-mine");
    }
}
