//! Destinations that no wildcard and no name leads to, in every spelling, by request, by redirect and by socket. A listener on
//! all addresses of this machine sees none of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::UnixListener;
use tokio::task::JoinSet;
use wasmhost_tests::TestHost;

use super::sites::Site;
use super::{call, get, listed};

/// Hosts of a URL, a kind to a line.
const HOSTS: &[(&str, &[&str])] = &[
    ("this machine", &["127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]"]),
    ("its name", &["localhost", "LOCALHOST", "LocalHost.", "sub.localhost", "localhost..", "localhost.localdomain"]),
    ("decimal", &["2130706433", "0", "3232235521", "2852039166", "167772161", "4294967295"]),
    ("octal", &["0177.0.0.1", "017700000001", "0177.0.01", "0300.0250.0.1", "0251.0376.0251.0376", "0000127.0.0.1"]),
    ("hexadecimal", &["0x7f000001", "0x7f.0.0.1", "0X7F.0x0.0x0.0x1", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0x7f.1"]),
    ("short", &["127.1", "127.0.1", "10.1", "192.168.1", "169.254.43518", "0x7f.0x1"]),
    ("long", &["127.0.0.1.0", "127.0.0.256", "1.127.0.0.1.1"]),
    ("mapped", &["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::FFFF:10.0.0.1]"]),
    (
        "mapped metadata",
        &["[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::ffff:0.0.0.0]", "[::ffff:100.100.100.200]"],
    ),
    ("compatible", &["[::127.0.0.1]", "[::7f00:1]", "[::a9fe:a9fe]", "[::10.0.0.1]"]),
    ("translated", &["[::ffff:0:127.0.0.1]", "[::ffff:0:a9fe:a9fe]"]),
    ("6to4", &["[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[2002:a00:1::1]"]),
    ("Teredo", &["[2001::1]", "[2001:0:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]"]),
    ("NAT64", &["[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::7f00:1]"]),
    ("zones", &["[::1%lo]", "[::1%25lo]", "[fe80::1%eth0]", "[fe80::1%251]", "fe80::1%lo"]),
    ("private", &["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "198.18.0.1", "[fc00::1]"]),
    ("link-local", &["169.254.0.1", "[fe80::1]", "[febf::1]", "[fec0::1]", "[fd12:3456::1]"]),
    ("metadata", &["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"]),
    (
        "metadata of IPv6",
        &["[fd00:ec2::254]", "[fd00:ec2::23]", "[fd00:c1::a9fe:a9fe]", "[fd20:ce::254]", "[fd00:42::42]"],
    ),
    ("no host", &["224.0.0.1", "240.0.0.1", "255.255.255.255", "0.1.2.3", "192.0.0.1", "[ff02::1]", "[100::1]"]),
    ("trailing dots", &["127.0.0.1.", "127.0.0.1..", "169.254.169.254.", "2130706433.", "0x7f000001.", "[::1].", "."]),
    (
        "userinfo",
        &["user@127.0.0.1", "user:word@localhost", "api.example:80@127.0.0.1", "127.0.0.1@localhost", "@[::1]"],
    ),
    ("percent", &["127.0.0.%31", "%6cocalhost", "127%2e0%2e0%2e1", "local%68ost", "localhost%00", "[%3a%3a1]"]),
    ("letters", &["１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "ｌocalhost", "①②⑦.0.0.1", "localhost\u{200b}"]),
    (
        "what parsers trip over",
        &["127.0.0.1#a", "127.0.0.1\\a", "a\\@127.0.0.1", "127.0.0.1,a", "*", "", "[127.0.0.1]", "::1"],
    ),
    ("names", &["loopback", "loopback6", "unspecified", "private", "link-local", "metadata", "mapped", "nat64", "all"]),
    ("names that were listed", &["own.loopback", "own.link-local", "own.metadata", "own.mapped", "own.nat64"]),
    ("names below one that was listed", &["a.below.private", "a.b.below.loopback", "127.0.0.1.below.mapped"]),
];

/// The addresses that a name has, by its last label.
fn addresses(name: &str) -> Vec<IpAddr> {
    let addresses = match name.rsplit('.').next().unwrap_or_default() {
        "loopback" | "localhost" | "localdomain" => "127.0.0.1",
        "loopback6" => "::1",
        "unspecified" => "0.0.0.0 ::",
        "private" => "10.0.0.1 192.168.0.1 fd12:3456::1",
        "link-local" => "169.254.0.1 fe80::1",
        "metadata" => "169.254.169.254 fd00:ec2::254",
        "mapped" => "::ffff:127.0.0.1 ::ffff:169.254.169.254",
        "nat64" => "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe",
        _ => "127.0.0.1 ::1 10.0.0.1 169.254.169.254 ::ffff:127.0.0.1 0.0.0.0",
    };
    addresses.split(' ').map(|address| address.parse().unwrap()).collect()
}

fn hosts() -> impl Iterator<Item = (&'static str, &'static str)> {
    HOSTS.iter().flat_map(|(kind, hosts)| hosts.iter().map(move |host| (*kind, *host)))
}

/// The widest list there is without the name or the address of a host that is meant to be inside.
const WIDEST: &[&str] = &[
    "http://*:*",
    "https://*:*",
    "tcp://*:*",
    "http://own.loopback:*",
    "http://own.link-local:*",
    "http://own.metadata:*",
    "http://own.mapped:*",
    "http://own.nat64:*",
    "http://*.below.private:*",
    "http://*.below.loopback:*",
    "http://*.below.mapped:*",
    "tcp://own.loopback:*",
    "tcp://own.mapped:*",
    "tcp://*.below.loopback:*",
    "tcp://rebinding.example:*",
];

/// Whether a guest was refused, and not merely unlucky with a connection.
fn is_refusal(error: &str) -> bool {
    let refusals = ["HttpRequestDenied", "HttpRequestUriInvalid", "DestinationIpProhibited", "no authority"];
    refusals.iter().any(|refusal| error.contains(refusal))
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_destination_gets_through() {
    assert!(hosts().count() >= 100, "{}", hosts().count());
    let (site, redirector) = (Site::everywhere().await, Site::lasting().await);
    let host = TestHost::with(|builder| builder.outbound_resolver(|name| Ok(addresses(name))));
    let redirects = format!("http://127.0.0.1:{}", redirector.port);
    let list = [WIDEST, &[&redirects]].concat();
    let (_app, bound) = listed(&host, "outbound", &list, "").await;
    let mut got_through = Vec::new();
    for (kind, host) in hosts() {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/", site.port);
            let hex: String = url.bytes().map(|byte| format!("{byte:02x}")).collect();
            let redirect = format!("{redirects}/to/{hex}");
            let answers = [get(&bound, &url).await, call(&bound, "follow", &(redirect,)).await];
            for (by, answer) in ["request", "redirect"].iter().zip(answers) {
                if !answer.as_ref().is_err_and(|error| is_refusal(error)) {
                    got_through.push(format!("{kind}, by {by}: {url}: {answer:?}"));
                }
            }
        }
    }
    assert_eq!(got_through, [""; 0]);
    assert_eq!(site.connections(), 0);
    assert!(redirector.connections() > 0, "redirects were followed");
}

#[tokio::test]
async fn no_forbidden_address_is_connected_to_by_a_socket_or_found_by_a_name() {
    let site = Site::everywhere().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let host = TestHost::with(|builder| {
        let asked = asked.clone();
        builder.outbound_resolver(move |name| match name {
            // Public at first, and this machine ever after.
            "rebinding.example" if asked.fetch_add(1, Ordering::SeqCst) == 0 => Ok(vec!["8.8.8.8".parse().unwrap()]),
            "rebinding.example" => Ok(vec!["127.0.0.1".parse().unwrap()]),
            name => Ok(addresses(name)),
        })
    });
    let (_app, bound) = listed(&host, "outbound", WIDEST, "").await;
    let mut sockets = 0;
    for (kind, host) in hosts() {
        if let Ok(address) = format!("{host}:{}", site.port).parse::<SocketAddr>() {
            sockets += 1;
            let connect = call::<()>(&bound, "connect", &(address.to_string(),)).await;
            // A socket of IPv6 refuses IPv4 addresses, and any socket those that are no host.
            let refusals = ["access-denied", "invalid-argument"];
            assert!(
                connect.as_ref().is_err_and(|error| refusals.iter().any(|refusal| error.contains(refusal))),
                "{kind}: {address}: {connect:?}"
            );
        }
        // An address is its own answer.
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() && !host.eq_ignore_ascii_case("localhost.") {
            let found = call::<Vec<String>>(&bound, "look-up", &(host,)).await;
            assert!(found.as_ref().is_err_and(|error| error.contains("access-denied")), "{kind}: {host}: {found:?}");
        }
    }
    assert!(sockets > 40, "{sockets}");
    // Connections to private addresses asked for that name too: it may have them.
    asked.store(0, Ordering::SeqCst);
    let found: Vec<String> = call(&bound, "look-up", &("rebinding.example",)).await.unwrap();
    assert_eq!(found, ["8.8.8.8"]);
    let rebound = call::<()>(&bound, "connect", &(format!("127.0.0.1:{}", site.port),)).await;
    assert!(rebound.unwrap_err().contains("access-denied"));
    assert!(
        call::<Vec<String>>(&bound, "look-up", &("rebinding.example",)).await.unwrap_err().contains("access-denied")
    );
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn a_unix_socket_such_as_that_of_the_control_api_is_no_destination() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let path = path.display().to_string();
    let encoded = path.replace('/', "%2F");
    let host = TestHost::with(|builder| builder.outbound_resolver(|name| Ok(addresses(name))));
    for text in [
        format!("unix://{path}"),
        format!("unix:{path}"),
        format!("http+unix://{encoded}"),
        format!("http://unix:{path}"),
        format!("http://{path}"),
        format!("http://[{path}]"),
        format!("tcp://{path}:1"),
        format!("tcp://unix:{path}"),
        format!("http://{encoded}"),
    ] {
        let manifest = format!("[class.probe]\nallow-outbound = [{text:?}]");
        let error = host.app("outbound", &manifest).await.unwrap_err().to_string();
        assert!(error.contains("allow-outbound"), "{text}: {error}");
    }
    let (_app, bound) = listed(&host, "outbound", WIDEST, "").await;
    for scheme in ["http", "https", "unix", "http+unix", "unix+http", "file"] {
        for authority in [&path, &encoded, &format!("unix:{path}"), &format!("[{path}]"), "unix", "localhost", ""] {
            let request = call::<String>(&bound, "request", &("GET", scheme, authority)).await;
            assert!(request.is_err(), "{scheme}://{authority}: {request:?}");
        }
    }
    for address in [&path, &format!("unix:{path}")] {
        assert!(call::<String>(&bound, "exchange", &(address, "GET / HTTP/1.1\r\n\r\n")).await.is_err(), "{address}");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn where_the_host_itself_listens_is_refused_although_it_is_listed() {
    let (own, other) = (Site::lasting().await, Site::lasting().await);
    let listener = SocketAddr::from(([127, 0, 0, 1], own.port));
    let host = TestHost::with(|builder| builder.refuse_outbound(listener));
    let list = ["http://localhost:*", "http://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://localhost:*"];
    let (_app, bound) = listed(&host, "outbound", &list, "").await;
    for name in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
        let refused = get(&bound, &own.url(name)).await.unwrap_err();
        assert!(refused.contains("DestinationIpProhibited"), "{name}: {refused}");
    }
    // Of the two addresses of that name one is left, and nobody listens there.
    get(&bound, &own.url("localhost")).await.unwrap_err();
    let connect = call::<()>(&bound, "connect", &(listener.to_string(),)).await;
    assert!(connect.unwrap_err().contains("access-denied"));
    assert_eq!(get(&bound, &other.url("127.0.0.1")).await.unwrap(), "200 number 1");
    assert_eq!(own.connections(), 0);
}
