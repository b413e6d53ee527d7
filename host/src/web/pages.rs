//! Which requests come from web pages of other origins. Pure.
//!
//! A browser sends a POST without a body for any page, and asks nobody: what CORS forbids is only to read the answer. A page
//! whose host name was made to lead to this machine after it was loaded may even read it. A method that was only exposed
//! is meant for neither, wherever the server listens. Programs on this machine send what they like, and are not told apart.

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::authority;

/// What a browser says of who asks, of every request that it makes.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The page that a request comes from, in words, if it is of another origin than what it asks for.
pub(super) fn foreign(uri: &Uri, headers: &HeaderMap, domains: &[Box<str>]) -> Option<String> {
    if !headers.contains_key(ORIGIN) && !headers.contains_key(SITE) {
        return None;
    }
    let asked = authority::with_port(uri, headers);
    let is_of_asked = |origin: &HeaderValue| asked.is_some_and(|asked| is_at(origin, asked));
    let is_same = headers.get_all(ORIGIN).iter().all(is_of_asked)
        && headers.get_all(SITE).iter().all(|site| site == "same-origin" || site == "none");
    if is_same && authority::host(uri, headers).is_some_and(|host| is_ours(&host, domains)) {
        return None;
    }
    Some(match headers.get(ORIGIN) {
        Some(origin) => format!("a web page of `{}`", String::from_utf8_lossy(origin.as_bytes()).escape_debug()),
        None => "a web page of another site".to_owned(),
    })
}

/// Whether an origin is at this host and port. The scheme may be that of a proxy before us.
fn is_at(origin: &HeaderValue, authority: &str) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, at)| at.eq_ignore_ascii_case(authority))
}

/// Whether nobody else can make this host lead here: it is an address, or a domain of ours.
fn is_ours(host: &str, domains: &[Box<str>]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<std::net::IpAddr>().is_ok()
        || domains.iter().any(|domain| **domain == *host)
        || authority::label(host, domains).is_some()
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn page(host: &str, origin: Option<&str>, site: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        for (name, value) in [(ORIGIN, origin), (SITE, site)] {
            headers.extend(value.map(|value| (name, value.parse().unwrap())));
        }
        foreign(&Uri::from_static("/"), &headers, &["localhost".into(), "example.org".into()])
    }

    #[test]
    fn programs_and_pages_of_the_same_origin_are_not_foreign() {
        assert_eq!(page("anything", None, None), None);
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "app.localhost", "example.org", "a.example.org"]
        {
            let origin = format!("http://{host}");
            assert_eq!(page(host, Some(&origin), Some("same-origin")), None, "{host}");
            assert_eq!(page(host, Some(&origin.to_uppercase()), None), None, "{host}");
            assert_eq!(page(host, None, Some("none")), None, "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_whatever_they_say() {
        let here = "localhost:8080";
        for origin in ["https://evil.example", "null", "http://localhost:3000", "http://app.localhost:8080", ""] {
            assert_eq!(page(here, Some(origin), None), Some(format!("a web page of `{origin}`")));
        }
        for site in ["cross-site", "same-site", "new-word"] {
            assert_eq!(page(here, None, Some(site)).as_deref(), Some("a web page of another site"), "{site}");
            assert!(page(here, Some("http://localhost:8080"), Some(site)).is_some(), "{site}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_none_of_ours() {
        for host in ["evil.example:8080", "localhost.evil.example:8080", "xlocalhost"] {
            let origin = format!("http://{host}");
            assert!(page(host, Some(&origin), Some("same-origin")).is_some(), "{host}");
            assert!(page(host, None, Some("same-origin")).is_some(), "{host}");
        }
    }

    #[test]
    fn one_of_several_origins_is_enough_to_be_foreign() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "localhost".parse().unwrap());
        for origin in ["http://localhost", "http://evil.example"] {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        assert!(foreign(&Uri::from_static("/"), &headers, &["localhost".into()]).is_some());
    }
}
