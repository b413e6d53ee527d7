//! Places on the network, as `allow-outbound` and `cors` name them: `https://api.example.com`,
//! `tcp://db:5432`.
//!
//! It reads and prints them. Resolving a host and comparing it with a request is the work of [`state`](crate::state).

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, Serializer};

use super::address::{AddressKind, HostName, ends_in_a_number, is_name};
use super::problem::brief;
use super::read::deserialize_from_str;

/// A place a guest may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// How the guest speaks to it.
    pub(crate) scheme: Scheme,
    /// A host name in lower case, an address (IPv6 without its brackets), `*` for any on the internet, or `*.` and a name for
    /// any below it.
    pub(crate) host: String,
    /// The port; always there for `tcp`, and the scheme's own where none was written.
    pub(crate) port: Port,
}

/// A port of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// This one.
    Number(u16),
    /// `*`, any.
    Any,
}

impl Port {
    /// Whether it stands for this one.
    pub(crate) fn admits(self, port: u16) -> bool {
        self == Self::Any || self == Self::Number(port)
    }
}

/// Prints a port as it was written.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => port.fmt(f),
            Self::Any => f.write_str("*"),
        }
    }
}

/// How a guest speaks to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Outgoing `wasi:http` requests in clear text; port 80 unless another is given.
    Http,
    /// Outgoing `wasi:http` requests over TLS; port 443 unless another is given.
    Https,
    /// Connections of `wasi:sockets`, which always name their port.
    Tcp,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Tcp];

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Tcp => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A web origin as a browser sends it in `Origin`, such as `https://app.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebOrigin(Destination);

/// Why a text names no place on the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {reason}", brief(text))]
pub(crate) struct DestinationError {
    text: String,
    reason: &'static str,
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let place = parse(text).and_then(|place| match HostName::parse(&place.host) {
            Some(HostName::Address(address)) if AddressKind::of(address) == AddressKind::Forbidden => Err(
                "has an address that no guest may reach: one that is link-local, multicast, unspecified or reserved, or where \
                 clouds tell machines their credentials",
            ),
            _ => Ok(place),
        });
        place.map_err(|reason| DestinationError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Destination, &'static str> {
    let (scheme, authority) =
        text.split_once("://").ok_or("has no scheme; write `https://`, `http://` or `tcp://` before the host")?;
    let scheme = Scheme::ALL
        .into_iter()
        .find(|known| known.as_str() == scheme)
        .ok_or("has an unknown scheme; known are `https`, `http` and `tcp`")?;
    if authority.contains(['/', '?', '#', '@']) {
        return Err("goes on after host and port; only whole hosts can be allowed");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or("has a `[` without its `]`")?;
            address.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address between its brackets")?;
            match after.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if after.is_empty() => (address, None),
                None => return Err("goes on after its `]`; only `:port` may follow"),
            }
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            if host != "*" && !is_name(host.strip_prefix("*.").unwrap_or(host)) {
                return Err(
                    "has no host name there; letters, digits, `-` and `.`, or `*` alone for any host, or `*.` and a name for \
                            any host below it",
                );
            }
            if ends_in_a_number(host) && host.parse::<Ipv4Addr>().is_err() {
                return Err("has a host that ends in a number; write an IPv4 address as four decimal numbers");
            }
            (host, port)
        }
    };
    const BAD_PORT: &str = "has a port that is neither a number from 1 to 65535 nor `*` for any";
    let port = match port {
        Some("*") => Some(Port::Any),
        // `parse` alone would take `+80` and `080`.
        Some(port) if !port.starts_with(['+', '0']) => Some(Port::Number(port.parse().map_err(|_| BAD_PORT)?)),
        Some(_) => return Err(BAD_PORT),
        None => scheme.default_port().map(Port::Number),
    };
    let port = port.ok_or("names no port; `tcp` needs one, such as `tcp://db.internal:5432`, or `*` for any")?;
    Ok(Destination { scheme, host: host.to_ascii_lowercase(), port })
}

/// Leaves out a port that goes without saying.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if self.scheme.default_port().map(Port::Number) == Some(self.port) {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl FromStr for WebOrigin {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let refuse = |reason| DestinationError { text: text.to_owned(), reason };
        if text == "*" {
            return Err(refuse("stands alone and not in a list: `cors = \"*\"` allows any"));
        }
        if !text.contains("://") {
            return Err(refuse("is no web origin, which begins with `https://` or `http://`"));
        }
        let place = parse(text).map_err(refuse)?;
        if place.scheme == Scheme::Tcp {
            return Err(refuse("is no web origin, which begins with `https://` or `http://`"));
        }
        if place.host == "*" {
            return Err(refuse("is no web origin; write `cors = \"*\"` to allow any"));
        }
        if place.host.starts_with('*') || place.port == Port::Any {
            return Err(refuse(
                "is no web origin; each is listed by its whole name and port, or all by `cors = \"*\"`",
            ));
        }
        Ok(Self(place))
    }
}

/// Prints the origin as browsers do, to be compared with their header.
impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

deserialize_from_str!(Destination, "a destination such as `https://api.example.com`");
deserialize_from_str!(WebOrigin, "an origin such as `https://app.example.com`");

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for WebOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Destination {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Destination".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "destination",
            "pattern": r"^(https?://[^/?#@]+|tcp://[^/?#@]+:([0-9]+|\*))$",
            "examples": ["https://api.example.com", "tcp://db.internal:5432", "https://*.example.com", "https://*"],
        })
    }
}

impl JsonSchema for WebOrigin {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WebOrigin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "web origin",
            "pattern": r"^https?://[^/?#@*]+$",
            "examples": ["https://app.example.com"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_scheme_a_host_and_a_port() {
        let place = |text: &str| text.parse::<Destination>().map(|place| (place.scheme, place.host, place.port));
        assert_eq!(place("https://API.example.com"), Ok((Scheme::Https, "api.example.com".into(), Port::Number(443))));
        assert_eq!(place("tcp://db.internal:5432"), Ok((Scheme::Tcp, "db.internal".into(), Port::Number(5432))));
        assert_eq!(place("http://[::1]:8080"), Ok((Scheme::Http, "::1".into(), Port::Number(8080))));
        assert_eq!(place("https://*"), Ok((Scheme::Https, "*".into(), Port::Number(443))));
        assert_eq!(place("https://*.Example.com"), Ok((Scheme::Https, "*.example.com".into(), Port::Number(443))));
        assert_eq!(place("http://api.example.com:*"), Ok((Scheme::Http, "api.example.com".into(), Port::Any)));
        assert_eq!(place("tcp://*:*"), Ok((Scheme::Tcp, "*".into(), Port::Any)));
    }

    #[test]
    fn what_is_printed_is_the_shortest_spelling() {
        for (text, printed) in [
            ("https://a.b:443", "https://a.b"),
            ("http://a.b:443", "http://a.b:443"),
            ("tcp://[::1]:1", "tcp://[::1]:1"),
            ("https://*.A.b:443", "https://*.a.b"),
            ("tcp://[::1]:*", "tcp://[::1]:*"),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn anything_but_whole_hosts_is_refused() {
        for text in [
            "",
            "a.b",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:0",
            "https://a:+1",
            "https://a:65536",
            "https://a:",
            "tcp://a",
            "https://*.",
            "https://*a",
            "https://**.a",
            "https://*.*.a",
            "https://a.*.b",
            "https://a.*",
            "https://*.a..b",
            "https://*.0.0.1",
            "https://*.127.0.0.1",
            "tcp://*.[::1]:1",
            "tcp://*.a",
            "tcp://a:**",
            "tcp://a:*1",
            "tcp://a:1-2",
            "https://-a",
            "https://a..b",
            "https://[::1",
            "https://[x]",
            "https://[::1]x",
            "https://ä",
            "https://a.b.",
            "https://127.1",
            "https://0x7f000001",
            "https://2130706433",
            "https://0177.0.0.1",
            "tcp://[::1%lo]:1",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistake_with_a_wildcard_is_told_what_is_allowed() {
        for (text, allowed) in [
            ("https://a.*.b", "`*.` and a name for any host below it"),
            ("https://a:8*", "nor `*` for any"),
            ("tcp://*.a", "or `*` for any"),
        ] {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` ")) && error.contains(allowed), "{error}");
        }
    }

    #[test]
    fn an_address_that_no_guest_may_reach_is_refused_where_it_is_written() {
        for text in [
            "http://169.254.169.254",
            "http://0.0.0.0:80",
            "tcp://[::]:1",
            "tcp://[fe80::1]:1",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://[64:ff9b::a9fe:a9fe]",
            "tcp://224.0.0.1:1",
            "tcp://255.255.255.255:1",
        ] {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains("no guest may reach"), "{error}");
        }
        for text in ["http://127.0.0.1", "tcp://[::1]:1", "tcp://10.0.0.1:1", "https://8.8.8.8"] {
            text.parse::<Destination>().unwrap();
        }
    }

    #[test]
    fn an_origin_is_a_place_a_browser_can_be() {
        assert_eq!("https://A.b:443".parse::<WebOrigin>().unwrap().to_string(), "https://a.b");
        for (text, told) in [
            ("tcp://a:1", "begins with `https://` or `http://`"),
            ("null", "begins with `https://` or `http://`"),
            ("app.example.com", "begins with `https://` or `http://`"),
            ("*", "stands alone and not in a list"),
            ("https://*", "`cors = \"*\"`"),
            ("https://*.a", "by its whole name"),
            ("https://a:*", "by its whole name"),
        ] {
            let error = text.parse::<WebOrigin>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` ")) && error.contains(told), "{error}");
        }
    }
}
