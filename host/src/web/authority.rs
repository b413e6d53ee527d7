//! The host that a request is meant for, and what it names below our domains. Pure.

use std::borrow::Cow;

use http::Uri;
use http::header::{HOST, HeaderMap};

/// The host of a request in lower case, without port and trailing dot; none if it says none, or nothing that is one.
///
/// An absolute URI wins over the header, as HTTP has it.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
    let host = without_port(with_port(uri, headers)?)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() {
        return None;
    }
    let has_upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if has_upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

/// The host of a request as it is written, with its port if that is written too.
pub(super) fn with_port<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let text = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut values = headers.get_all(HOST).iter();
            let only = values.next().filter(|_| values.next().is_none());
            only?.to_str().ok()?
        }
    };
    Some(text.rsplit_once('@').map_or(text, |(_, host)| host))
}

fn without_port(text: &str) -> Option<&str> {
    // The colons of an IPv6 address are inside brackets.
    let end = text.find(']').unwrap_or(0);
    match text[end..].find(':') {
        Some(colon) => {
            let (host, port) = text.split_at(end + colon);
            port[1..].bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
        }
        None => Some(text),
    }
}

/// What stands before one of the domains: `shop--cart` of `shop--cart.localhost`; the longest domain counts.
pub(super) fn label<'h>(host: &'h str, domains: &[Box<str>]) -> Option<&'h str> {
    let before = |domain: &str| host.strip_suffix(domain)?.strip_suffix('.').filter(|label| !label.is_empty());
    domains.iter().filter_map(|domain| before(domain)).min_by_key(|label| label.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        host(&uri.parse().unwrap(), &headers).map(Cow::into_owned)
    }

    #[test]
    fn port_case_and_trailing_dot_do_not_matter() {
        for text in ["app.localhost", "App.LocalHost", "app.localhost:8080", "app.localhost.", "app.localhost.:80"] {
            assert_eq!(of("/", &[text]).as_deref(), Some("app.localhost"), "{text}");
        }
        assert_eq!(of("/", &["[::1]:8080"]).as_deref(), Some("[::1]"));
        assert_eq!(of("http://a.localhost:1/", &["b.localhost"]).as_deref(), Some("a.localhost"));
    }

    #[test]
    fn what_is_no_host_is_none() {
        for hosts in [&[][..], &[""], &["a:b"], &[":80"], &["."], &["a", "b"]] {
            assert_eq!(of("/", hosts), None, "{hosts:?}");
        }
    }

    #[test]
    fn a_label_is_what_stands_before_a_domain() {
        let domains: Vec<Box<str>> = ["localhost", "org", "example.org"].map(Into::into).into();
        for (host, expected) in [
            ("app.localhost", Some("app")),
            ("a--b.example.org", Some("a--b")),
            ("example.com", None),
            ("localhost", None),
            (".localhost", None),
            ("xlocalhost", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(label(host, &domains), expected, "{host}");
        }
    }
}
