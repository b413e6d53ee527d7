//! Hosts as people and programs write them, and what kind of address an address is.
//!
//! Pure: it resolves nothing. Which kinds a guest may reach is the business of [`state`](crate::state).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host of a URL or of a name lookup, so that two spellings of one host are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HostName {
    /// In lower case, without the dot that may stand at its end.
    Name(String),
    /// As [`canonical`] has it.
    Address(IpAddr),
}

impl HostName {
    /// The one host that resolves to this machine whatever a name server says.
    pub(crate) const LOCALHOST: &str = "localhost";

    /// Reads a name, an IPv4 address of four decimal numbers, or an IPv6 address with or without brackets.
    ///
    /// `None` for everything else: names with letters outside ASCII, which are written in Punycode; zones of IPv6; and all
    /// other spellings of IPv4 addresses, such as `127.1`, `0x7f000001` and `0177.0.0.1`, which resolvers understand in
    /// more than one way.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return Some(Self::Address(canonical(inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into())));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(canonical(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        (is_name(name) && !ends_in_a_number(name)).then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Whether a text has the form of a host name.
pub(super) fn is_name(text: &str) -> bool {
    const MAX_NAME_BYTES: usize = 253;
    const MAX_LABEL_BYTES: usize = 63;
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    text.len() <= MAX_NAME_BYTES && text.split('.').all(is_label)
}

/// Whether resolvers may take a name for an IPv4 address: its last label is a number in some base. No top-level domain is.
pub(super) fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_hexadecimal = || {
        let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    last.bytes().all(|b| b.is_ascii_digit()) || is_hexadecimal()
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressKind {
    /// Anywhere on the internet.
    Public,
    /// A network of somebody's own: RFC 1918, RFC 4193, carriers' and benchmarks' networks.
    Private,
    /// This machine.
    Loopback,
    /// What is no host, what answers only those next to it, and what tells clouds' machines their secrets.
    Forbidden,
}

/// The address that packets to an address go to: an IPv4 address is one, however it is wrapped for IPv6.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The IPv4 address that a NAT64 network translates an IPv6 address to. Where a network has no IPv4, its resolvers give these
/// for hosts that have nothing else.
pub(crate) fn translated(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Services of clouds that answer each machine with its own credentials, outside of link-local networks.
const METADATA: [IpAddr; 9] = [
    // Amazon: of machines, of Kubernetes' pods, names.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)),
    // Oracle, Google, Scaleway.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    // Alibaba, Oracle, Azure.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

impl AddressKind {
    /// The kind of an address, in any of its forms.
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = canonical(address);
        if METADATA.contains(&address) {
            return Self::Forbidden;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [192, 168, ..] | [198, 18..=19, ..] => Self::Private,
            [172, second, ..] if second & 0xf0 == 16 => Self::Private,
            [100, second, ..] if second & 0xc0 == 64 => Self::Private,
            // "This network", link-local, protocol assignments, multicast, reserved and broadcast.
            [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [224..=255, ..] => Self::Forbidden,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(translated) = translated(address.into()) {
            return match Self::of(translated.into()) {
                // Not this machine, but the one that translates.
                Self::Loopback => Self::Forbidden,
                kind => kind,
            };
        }
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Teredo and 6to4: they wrap IPv4 addresses, and nobody needs them.
            [0x2001, 0, ..] | [0x2002, ..] => Self::Forbidden,
            [first, ..] if first & 0xe000 == 0x2000 => Self::Public,
            [first, ..] if first & 0xfe00 == 0xfc00 => Self::Private,
            // Unspecified, link-local, site-local, multicast, more that wraps IPv4 addresses, and what is not in use.
            _ => Self::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_equal() {
        for (text, host) in [
            ("API.Example.com", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_dns.example", "_dns.example"),
            ("3com.com", "3com.com"),
            ("0xcafe.example", "0xcafe.example"),
            ("a1", "a1"),
            ("127.0.0.1", "127.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("[::ffff:7f00:1]", "127.0.0.1"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("2001:DB8::0001", "[2001:db8::1]"),
        ] {
            assert_eq!(HostName::parse(text).map(|host| host.to_string()).as_deref(), Some(host), "{text}");
        }
    }

    #[test]
    fn what_resolvers_understand_in_several_ways_is_no_host() {
        let long = "a".repeat(64);
        let many = "a.".repeat(127) + "a";
        for text in [
            "",
            ".",
            "..",
            "a..",
            "a..b",
            ".a",
            "*",
            "a b",
            "a/b",
            "a@b",
            "u:p@a",
            "a:80",
            "a%2eb",
            "a\0b",
            "a\n",
            "-a",
            "a-",
            "ä.example",
            "ａ.example",
            "127。0。0。1",
            "１２７.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "127.0.0.256",
            "2130706433",
            "0",
            "0x7f000001",
            "0x7f.0.0.1",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "1.2.3.4.5",
            "256.256.256.256",
            "a.0x",
            "a.0x7F",
            "a.123",
            "[127.0.0.1]",
            "[::1",
            "::1]",
            "[]",
            "[::1]:80",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "[::ffff:127.1]",
            &long,
            &many,
        ] {
            assert_eq!(HostName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_are_known_in_each_of_their_forms() {
        use AddressKind::{Forbidden, Loopback, Private, Public};
        for (kind, addresses) in [
            (
                Public,
                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 \
                 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
                 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700::1111 2001:4860:4860::8888 2003::1",
            ),
            (
                Private,
                "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 192.168.255.255 100.64.0.1 100.127.255.255 \
                 198.18.0.1 198.19.255.255 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 fc00::1 fd12:3456::1 fdff::1",
            ),
            (Loopback, "127.0.0.1 127.255.255.255 127.1.2.3 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1"),
            (
                Forbidden,
                "0.0.0.0 0.1.2.3 169.254.0.1 169.254.169.254 169.254.170.2 192.0.0.1 192.0.0.192 224.0.0.1 239.255.255.255 \
                 240.0.0.1 255.255.255.255 100.100.100.200 168.63.129.16 :: ::127.0.0.1 ::8.8.8.8 ::2 fe80::1 febf::1 fec0::1 \
                 feff::1 fbff::1 ::ffff:0:7f00:1 100::1 5f00::1 ff02::1 ff00:: fd00:ec2::254 fd00:ec2::23 fd00:c1::a9fe:a9fe fd20:ce::254 fd00:42::42 ::ffff:0.0.0.0 ::ffff:169.254.169.254 \
                 ::ffff:a9fe:a9fe ::ffff:255.255.255.255 64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b::127.0.0.1 \
                 64:ff9b::0.0.0.0 64:ff9b::100.100.100.200 64:ff9b::168.63.129.16 64:ff9b:1::8.8.8.8 64:ff9b:1::169.254.169.254 \
                 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2",
            ),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
            }
        }
    }
}
