//! What a list of destinations allows.
//!
//! Pure. A request has to pass twice: its host, as the guest wrote it, has to be listed; and each address that this host
//! turns out to have has to be one that whoever listed it can have meant. Otherwise a name would lead anywhere that its owner
//! says.

use std::net::{IpAddr, SocketAddr};

use crate::manifest::{AddressKind, Destination, HostName, Scheme, canonical, translated};

/// The destinations that the guests of a class may reach.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    destination: Destination,
    hosts: Hosts,
}

/// The hosts that an entry stands for.
#[derive(Clone, Debug)]
enum Hosts {
    /// `*`.
    Any,
    /// `*.example.com`, as `.example.com`: names with at least one label before it.
    Below(String),
    One(HostName),
}

/// Which addresses a listed host may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grant {
    /// Listed by `*` alone, which stands for the internet.
    AnyHost,
    /// Listed by the name that it lies below. Whoever owns that makes new ones at will, where nobody of the class looks at
    /// them, so they too may lie on the internet alone.
    Below,
    /// Listed by its name: it may lie in a network of somebody's own.
    Named,
    /// `localhost`, which is this machine and nothing else.
    Localhost,
    /// An address that is listed itself.
    Address,
}

impl Grant {
    /// Whether a host that was listed so may have this address.
    pub(super) fn admits(self, address: IpAddr) -> bool {
        match (self, AddressKind::of(address)) {
            (_, AddressKind::Forbidden) => false,
            (Self::Address, _) | (Self::AnyHost | Self::Below | Self::Named, AddressKind::Public) => true,
            (kind, AddressKind::Private) => kind == Self::Named,
            (kind, AddressKind::Loopback) => kind == Self::Localhost,
            (Self::Localhost, AddressKind::Public) => false,
        }
    }
}

/// What is said of an address that a guest wants to connect to by TCP.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Allowed,
    /// Allowed if one of these names has it, or a name that was looked up and ends in one of these suffixes.
    Ask {
        names: Vec<&'a str>,
        below: Vec<&'a str>,
    },
    Refused,
}

impl Policy {
    /// Destinations with hosts that are neither a name nor an address allow nothing.
    pub(super) fn new(destinations: &[Destination]) -> Self {
        let entries = destinations.iter().filter_map(|destination| {
            let hosts = match destination.host.as_str() {
                "*" => Hosts::Any,
                host => match host.strip_prefix('*') {
                    Some(suffix) => Hosts::Below(suffix.to_owned()),
                    None => Hosts::One(HostName::parse(host)?),
                },
            };
            Some(Entry { destination: destination.clone(), hosts })
        });
        Self { entries: entries.collect() }
    }

    pub(super) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.entries.iter().map(|entry| &entry.destination)
    }

    /// How a host is listed, if it is, for requests to this port.
    pub(super) fn grant(&self, scheme: Scheme, host: &HostName, port: u16) -> Option<Grant> {
        let of_scheme = self.of_scheme(scheme).filter(|entry| entry.destination.port.admits(port));
        of_scheme.filter_map(|entry| entry.grant(host)).max()
    }

    /// How a name is listed, if it is, for connections to any port: whoever asks for its addresses has said no port yet.
    pub(super) fn lookup(&self, name: &str) -> Option<Grant> {
        let host = HostName::Name(name.to_owned());
        self.of_scheme(Scheme::Tcp).filter_map(|entry| entry.grant(&host)).max()
    }

    /// What is known of a connection before any name is resolved.
    pub(super) fn connect(&self, address: IpAddr, port: u16) -> Verdict<'_> {
        let address = canonical(address);
        if AddressKind::of(address) == AddressKind::Forbidden {
            return Verdict::Refused;
        }
        let (mut names, mut below) = (Vec::new(), Vec::new());
        for entry in self.of_scheme(Scheme::Tcp).filter(|entry| entry.destination.port.admits(port)) {
            let is_allowed = match &entry.hosts {
                Hosts::Any => Grant::AnyHost.admits(address),
                Hosts::Below(suffix) => {
                    below.extend(Grant::Below.admits(address).then_some(suffix.as_str()));
                    false
                }
                Hosts::One(HostName::Address(listed)) => *listed == address,
                Hosts::One(HostName::Name(name)) if is_localhost(name) => LOCALHOST.contains(&address),
                Hosts::One(HostName::Name(name)) => {
                    names.extend(Grant::Named.admits(address).then_some(name.as_str()));
                    false
                }
            };
            if is_allowed {
                return Verdict::Allowed;
            }
        }
        if names.is_empty() && below.is_empty() { Verdict::Refused } else { Verdict::Ask { names, below } }
    }

    /// Whether guests may have sockets.
    pub(super) fn has_tcp(&self) -> bool {
        self.of_scheme(Scheme::Tcp).next().is_some()
    }

    fn of_scheme(&self, scheme: Scheme) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.destination.scheme == scheme)
    }
}

impl Entry {
    fn grant(&self, host: &HostName) -> Option<Grant> {
        match &self.hosts {
            Hosts::Any => Some(Grant::AnyHost),
            Hosts::Below(suffix) => {
                matches!(host, HostName::Name(name) if is_below(name, suffix)).then_some(Grant::Below)
            }
            Hosts::One(listed) if listed == host => Some(match listed {
                HostName::Address(_) => Grant::Address,
                HostName::Name(name) if is_localhost(name) => Grant::Localhost,
                HostName::Name(_) => Grant::Named,
            }),
            Hosts::One(_) => None,
        }
    }
}

/// Whether a name lies below another one, which is given with a dot before it.
pub(super) fn is_below(name: &str, suffix: &str) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

/// Whether an address is one that the host itself listens on. An unspecified address stands for all with its port: which
/// ones the machine has may change at any time.
pub(super) fn is_own(listeners: &[SocketAddr], address: IpAddr, port: u16) -> bool {
    let address = translated(address).map_or_else(|| canonical(address), IpAddr::V4);
    let is_it = |own: &SocketAddr| own.ip().is_unspecified() || canonical(own.ip()) == address;
    listeners.iter().any(|own| own.port() == port && is_it(own))
}

/// The addresses of `localhost`, which no resolver is asked for.
pub(super) const LOCALHOST: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];

pub(super) fn is_localhost(name: &str) -> bool {
    name == HostName::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(destinations: &str) -> Policy {
        let destinations: Vec<_> = destinations.split_whitespace().map(|text| text.parse().unwrap()).collect();
        Policy::new(&destinations)
    }

    fn ask(names: &[&'static str], below: &[&'static str]) -> Verdict<'static> {
        Verdict::Ask { names: names.to_vec(), below: below.to_vec() }
    }

    const LISTED: &str = "https://api.example.com http://api.example.com:8080 http://127.0.0.1:3000 http://localhost:4000 \
                          http://[::1]:5000 https://xn--bcher-kva.example http://10.0.0.7 tcp://db.internal:5432 \
                          tcp://api.example.com:443 tcp://127.0.0.1:6379 tcp://localhost:7000 tcp://192.168.1.5:22 \
                          tcp://[2001:db8::1]:80";

    #[test]
    fn a_request_needs_its_scheme_its_host_and_its_port_in_one_entry() {
        let policy = policy(LISTED);
        let grant = |text: &str| {
            let (scheme, rest) = text.split_once("://").unwrap();
            let (host, port) = rest.rsplit_once(':').unwrap();
            let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
            policy.grant(scheme, &HostName::parse(host)?, port.parse().unwrap())
        };
        for (text, expected) in [
            ("https://api.example.com:443", Grant::Named),
            ("https://API.EXAMPLE.COM:443", Grant::Named),
            ("https://api.example.com.:443", Grant::Named),
            ("http://api.example.com:8080", Grant::Named),
            ("https://xn--bcher-kva.example:443", Grant::Named),
            ("https://XN--BCHER-KVA.example:443", Grant::Named),
            ("http://127.0.0.1:3000", Grant::Address),
            ("http://[::ffff:127.0.0.1]:3000", Grant::Address),
            ("http://[::ffff:7f00:1]:3000", Grant::Address),
            ("http://localhost:4000", Grant::Localhost),
            ("http://LocalHost.:4000", Grant::Localhost),
            ("http://[0:0::1]:5000", Grant::Address),
            ("http://10.0.0.7:80", Grant::Address),
        ] {
            assert_eq!(grant(text), Some(expected), "{text}");
        }
        for text in [
            // Another scheme, another port, both.
            "http://api.example.com:443",
            "https://api.example.com:8080",
            "http://api.example.com:80",
            "https://api.example.com:444",
            "https://api.example.com:0",
            "https://db.internal:5432",
            "http://db.internal:5432",
            // Names around a listed one.
            "https://example.com:443",
            "https://evil.api.example.com:443",
            "https://xapi.example.com:443",
            "https://api.example.com.evil:443",
            "https://api.example.comm:443",
            "https://api.example:443",
            "https://api-example.com:443",
            "https://api.example.com..:443",
            "https://bücher.example:443",
            "https://bucher.example:443",
            "https://xn--bcher-kvb.example:443",
            // What a name has in front of it in a URL is no name.
            "https://api.example.com@evil.com:443",
            "https://evil.com@api.example.com:443",
            "https://api.example.com#@evil.com:443",
            "https://api.example.com/:443",
            "https://api.example.com\\.evil.com:443",
            "https://api.example.com%00.evil.com:443",
            // Addresses in spellings that resolvers understand.
            "http://127.1:3000",
            "http://2130706433:3000",
            "http://0x7f000001:3000",
            "http://0x7f.0.0.1:3000",
            "http://0177.0.0.1:3000",
            "http://017700000001:3000",
            "http://127.0.0.1.:3000",
            "http://127.0.0.2:3000",
            "http://[::127.0.0.1]:3000",
            "http://[64:ff9b::127.0.0.1]:3000",
            "http://[::1]:3000",
            // An address is not its name, nor a name its address.
            "http://localhost:3000",
            "http://127.0.0.1:4000",
            "http://[::1]:4000",
            "http://localhost:5000",
            "http://10.0.0.8:80",
            "http://169.254.169.254:80",
            "http://sub.localhost:4000",
        ] {
            assert_eq!(grant(text), None, "{text}");
        }
    }

    #[test]
    fn a_listed_host_may_have_only_the_addresses_that_were_meant() {
        let cases = [
            ("8.8.8.8", [true, true, true, false, true]),
            ("2606:4700::1111", [true, true, true, false, true]),
            ("::ffff:8.8.8.8", [true, true, true, false, true]),
            ("64:ff9b::8.8.8.8", [true, true, true, false, true]),
            ("10.1.2.3", [false, false, true, false, true]),
            ("172.16.0.1", [false, false, true, false, true]),
            ("192.168.0.1", [false, false, true, false, true]),
            ("100.64.0.1", [false, false, true, false, true]),
            ("fd12::1", [false, false, true, false, true]),
            ("::ffff:10.1.2.3", [false, false, true, false, true]),
            ("64:ff9b::10.1.2.3", [false, false, true, false, true]),
            ("127.0.0.1", [false, false, false, true, true]),
            ("127.8.8.8", [false, false, false, true, true]),
            ("::1", [false, false, false, true, true]),
            ("::ffff:127.0.0.1", [false, false, false, true, true]),
        ];
        let grants = [Grant::AnyHost, Grant::Below, Grant::Named, Grant::Localhost, Grant::Address];
        for (address, expected) in cases {
            assert_eq!(grants.map(|grant| grant.admits(address.parse().unwrap())), expected, "{address}");
        }
        for address in [
            "0.0.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "::127.0.0.1",
            "2002:7f00:1::",
            "2001::1",
            "::ffff:0:127.0.0.1",
        ] {
            assert!(!grants.iter().any(|grant| grant.admits(address.parse().unwrap())), "{address}");
        }
    }

    #[test]
    fn a_connection_needs_its_address_or_a_name_that_may_have_it() {
        let policy = policy(LISTED);
        let connect = |text: &str| {
            let address: std::net::SocketAddr = text.parse().unwrap();
            policy.connect(address.ip(), address.port())
        };
        for text in [
            "127.0.0.1:6379",
            "[::ffff:127.0.0.1]:6379",
            "127.0.0.1:7000",
            "[::1]:7000",
            "192.168.1.5:22",
            "[2001:db8::1]:80",
            "[2001:db8:0::0:1]:80",
        ] {
            assert_eq!(connect(text), Verdict::Allowed, "{text}");
        }
        for text in ["10.0.0.1:5432", "8.8.8.8:5432", "[fd12::1]:5432", "[::ffff:10.0.0.1]:5432"] {
            assert_eq!(connect(text), ask(&["db.internal"], &[]), "{text}");
        }
        assert_eq!(connect("8.8.8.8:443"), ask(&["api.example.com"], &[]));
        for text in [
            "127.0.0.1:5432",
            "[::1]:5432",
            "169.254.169.254:5432",
            "[fe80::1]:5432",
            "0.0.0.0:5432",
            "[::]:5432",
            "224.0.0.1:5432",
            "255.255.255.255:5432",
            "[fd00:ec2::254]:5432",
            "[64:ff9b::a9fe:a9fe]:5432",
            "[::ffff:169.254.169.254]:5432",
            "[::ffff:127.0.0.1]:5432",
            "127.0.0.2:6379",
            "127.0.0.2:7000",
            "[::1]:6379",
            "192.168.1.5:23",
            "192.168.1.6:22",
            "10.0.0.1:80",
            "10.0.0.7:80",
            "127.0.0.1:3000",
            "127.0.0.1:4000",
            "8.8.8.8:8080",
            "8.8.8.8:0",
            "10.0.0.1:5431",
        ] {
            assert_eq!(connect(text), Verdict::Refused, "{text}");
        }
    }

    #[test]
    fn only_names_listed_for_connections_are_looked_up() {
        let policy = policy(LISTED);
        assert_eq!(policy.lookup("db.internal"), Some(Grant::Named));
        assert_eq!(policy.lookup("localhost"), Some(Grant::Localhost));
        for name in ["xn--bcher-kva.example", "internal", "x.db.internal", "secret-in-a-name.evil.example"] {
            assert_eq!(policy.lookup(name), None, "{name}");
        }
        assert!(!self::policy("https://api.example.com").has_tcp() && policy.has_tcp());
    }

    #[test]
    fn any_host_is_any_on_the_internet() {
        let policy = policy("https://* tcp://*:443 tcp://db.internal:443");
        let any = |host: &str| policy.grant(Scheme::Https, &HostName::parse(host).unwrap(), 443);
        assert_eq!([any("a.example"), any("10.0.0.1"), any("localhost")], [Some(Grant::AnyHost); 3]);
        assert_eq!(policy.grant(Scheme::Http, &HostName::Name("a.example".into()), 80), None);
        assert_eq!(policy.connect("8.8.8.8".parse().unwrap(), 443), Verdict::Allowed);
        assert_eq!(policy.connect("10.0.0.1".parse().unwrap(), 443), ask(&["db.internal"], &[]));
        assert_eq!(policy.connect("127.0.0.1".parse().unwrap(), 443), Verdict::Refused);
        assert_eq!(
            (policy.lookup("a.example"), policy.lookup("db.internal")),
            (Some(Grant::AnyHost), Some(Grant::Named))
        );
    }

    #[test]
    fn a_wildcard_is_for_the_names_below_and_not_for_the_name_itself() {
        let policy = policy("https://*.example.com tcp://*.example.com:* tcp://db.example.com:5432");
        let grant = |host: &str| policy.grant(Scheme::Https, &HostName::parse(host)?, 443);
        for host in ["a.example.com", "A.B.Example.COM.", "xn--bcher-kva.example.com", "_a.example.com"] {
            assert_eq!(grant(host), Some(Grant::Below), "{host}");
        }
        for host in [
            "example.com",
            ".example.com",
            "aexample.com",
            "a.example.com.evil",
            "a.example.comm",
            "example.com.a",
            "com",
            "*.example.com",
            "10.0.0.1",
            "a.example.com:443",
        ] {
            assert_eq!(grant(host), None, "{host}");
        }
        assert_eq!(policy.lookup("a.example.com"), Some(Grant::Below));
        assert_eq!(policy.lookup("db.example.com"), Some(Grant::Named), "by itself is better than by a wildcard");
        let connect = |text: &str| {
            let address: SocketAddr = text.parse().unwrap();
            policy.connect(address.ip(), address.port())
        };
        assert_eq!(connect("8.8.8.8:22"), ask(&[], &[".example.com"]));
        assert_eq!(connect("8.8.8.8:5432"), ask(&["db.example.com"], &[".example.com"]));
        assert_eq!(connect("10.0.0.1:5432"), ask(&["db.example.com"], &[]), "a wildcard leads to no private network");
        assert_eq!(connect("10.0.0.1:22"), Verdict::Refused);
    }

    #[test]
    fn any_port_is_any_of_that_host_and_scheme() {
        let policy = policy("http://api.example.com:* tcp://*:* tcp://127.0.0.1:*");
        let grant = |scheme, port| policy.grant(scheme, &HostName::Name("api.example.com".into()), port);
        for port in [1, 80, 443, 65535] {
            assert_eq!((grant(Scheme::Http, port), grant(Scheme::Https, port)), (Some(Grant::Named), None), "{port}");
            assert_eq!(policy.connect("8.8.8.8".parse().unwrap(), port), Verdict::Allowed);
            assert_eq!(policy.connect("127.0.0.1".parse().unwrap(), port), Verdict::Allowed);
            for address in ["127.0.0.2", "10.0.0.1", "::1", "169.254.169.254"] {
                assert_eq!(policy.connect(address.parse().unwrap(), port), Verdict::Refused, "{address}");
            }
        }
    }

    #[test]
    fn the_hosts_own_listeners_are_known_in_each_spelling() {
        let own: Vec<SocketAddr> =
            ["127.0.0.1:1", "[::1]:2", "0.0.0.0:3", "[::ffff:10.0.0.1]:4"].map(|text| text.parse().unwrap()).into();
        for (text, expected) in [
            ("127.0.0.1:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("127.0.0.1:2", false),
            ("[::1]:1", false),
            ("[::1]:2", true),
            ("10.9.8.7:3", true),
            ("[::1]:3", true),
            ("10.0.0.1:4", true),
            ("10.0.0.2:4", false),
            ("[64:ff9b::10.0.0.1]:4", true),
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(is_own(&own, address.ip(), address.port()), expected, "{text}");
        }
    }

    #[test]
    fn nothing_listed_is_nothing_allowed() {
        let policy = Policy::default();
        assert_eq!(policy.grant(Scheme::Https, &HostName::Name("a.example".into()), 443), None);
        assert_eq!(policy.connect("8.8.8.8".parse().unwrap(), 443), Verdict::Refused);
        assert_eq!((policy.lookup("localhost"), policy.has_tcp()), (None, false));
    }
}
