//! Where a request goes, read off its URI.
//!
//! Pure: whether it may go there is the business of `policy`.

use http::Uri;
use http::uri::Scheme as UriScheme;

use crate::manifest::{HostName, Scheme};

/// A host and a port, and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: HostName,
    pub(super) port: u16,
}

impl Target {
    /// Reads it from a URI. `None` for anything but a host and a port: what stands before an `@` is no part of a host, and
    /// has led many a check astray.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let (scheme, default_port) = match uri.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTP => (Scheme::Http, 80),
            Some(scheme) if *scheme == UriScheme::HTTPS => (Scheme::Https, 443),
            _ => return None,
        };
        let host = HostName::parse(authority.host())?;
        let port = match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
            None | Some("") => default_port,
            Some(_) => authority.port_u16()?,
        };
        Some(Self { scheme, host, port })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (uri, target) in [
            ("https://api.example.com/a?b", "https://api.example.com:443"),
            ("http://API.example.com./", "http://api.example.com:80"),
            ("http://a:8080", "http://a:8080"),
            ("http://a:/", "http://a:80"),
            ("https://[::1]:1/", "https://[::1]:1"),
            ("http://[::ffff:10.0.0.1]/", "http://10.0.0.1:80"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
        ] {
            let target_of = Target::of(&uri.parse().unwrap()).map(|target| target.to_string());
            assert_eq!(target_of.as_deref(), Some(target), "{uri}");
        }
        for uri in [
            "http://user@a/",
            "http://user:word@a/",
            "http://a:80@b/",
            "http://a:b@c:80/",
            "http://a:99999/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.1/",
            "http://127.1/",
            "http://[fe80::1%25lo]/",
            "http://a..b/",
            "ftp://a/",
            "ws://a/",
            "/path",
            "a:80",
        ] {
            let Ok(parsed) = uri.parse() else { continue };
            assert!(Target::of(&parsed).is_none(), "{uri}");
        }
    }
}
