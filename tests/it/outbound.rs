//! `allow-outbound`: what is listed is reached, from hooks and methods alike, and nothing else is, whatever a name says.

mod forbidden;
mod pooled;
mod sites;
mod uploads;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmhost::{App, Bound};
use wasmhost_tests::{TestHost, run, wasmhost_command};

use crate::log::Log;
use sites::Site;

/// A class of a guest that may reach these destinations.
async fn listed(host: &TestHost, guest: &str, destinations: &[&str], settings: &str) -> (App, Bound) {
    let app = host.app(guest, &format!("[class.probe]\nallow-outbound = {destinations:?}\n{settings}")).await.unwrap();
    let bound = app.class("probe").unwrap().bind(&()).unwrap();
    (app, bound)
}

async fn get(bound: &Bound, url: &str) -> Result<String, String> {
    call(bound, "get", &(url,)).await
}

/// The result of a method, or the error that it returned.
async fn call<T: serde::de::DeserializeOwned>(
    bound: &Bound,
    method: &str,
    arguments: &impl serde::Serialize,
) -> Result<T, String> {
    bound.call(method, arguments).await.map_err(|error| {
        let text = error.to_string();
        text.strip_prefix("the guest returned an error: ").unwrap_or(&text).trim_matches('"').to_owned()
    })
}

#[tokio::test]
async fn nothing_is_reached_unless_it_is_listed() {
    let site = Site::http().await;
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &[], "").await;
    let (url, address) = (site.url("localhost"), format!("127.0.0.1:{}", site.port));
    for url in
        [url, site.url("127.0.0.1"), "https://example.com".into(), "http://169.254.169.254/latest/meta-data".into()]
    {
        assert!(get(&bound, &url).await.unwrap_err().contains("HttpRequestDenied"), "{url}");
    }
    assert!(call::<()>(&bound, "connect", &(&address,)).await.unwrap_err().contains("access-denied"));
    assert!(call::<String>(&bound, "exchange", &(&address, "x")).await.unwrap_err().contains("PermissionDenied"));
    for name in ["example.com", "localhost", "secret.evil.example"] {
        assert!(
            call::<Vec<String>>(&bound, "look-up", &(name,)).await.unwrap_err().contains("access-denied"),
            "{name}"
        );
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn a_page_of_a_listed_host_is_got() {
    let (site, other) = (Site::http().await, Site::http().await);
    let host = TestHost::new();
    let listed_url = format!("http://localhost:{}", site.port);
    let (_app, bound) = listed(&host, "outbound", &[&listed_url], "").await;
    assert_eq!(get(&bound, &site.url("localhost")).await.unwrap(), "200 hello of /");
    assert_eq!(get(&bound, &site.url("LocalHost.")).await.unwrap(), "200 hello of /");
    assert_eq!(get(&bound, &(site.url("localhost") + "large")).await.unwrap().len(), "200 ".len() + (4 << 20));
    // A redirect is the guest's to follow, and checked when it is.
    let redirect = get(&bound, &(site.url("localhost") + "redirect")).await.unwrap();
    assert!(redirect.starts_with("302"), "{redirect}");
    for (url, error) in [
        // Another port, another scheme, another name of the same machine.
        (other.url("localhost"), "HttpRequestDenied"),
        (site.url("localhost").replace("http", "https"), "HttpRequestDenied"),
        (site.url("127.0.0.1"), "HttpRequestDenied"),
        (site.url("127.1"), "HttpRequestUriInvalid"),
        (site.url("2130706433"), "HttpRequestUriInvalid"),
        (site.url("0x7f000001"), "HttpRequestUriInvalid"),
        (site.url("user@localhost"), "HttpRequestUriInvalid"),
        (format!("http://localhost:{}@evil.example/", site.port), "HttpRequestUriInvalid"),
    ] {
        let refused = get(&bound, &url).await.unwrap_err();
        assert!(refused.contains(error), "{url}: {refused}");
    }
    let tunnel = call::<String>(&bound, "request", &("CONNECT", "http", format!("localhost:{}", site.port))).await;
    assert!(tunnel.unwrap_err().contains("HttpRequestMethodInvalid"));
    // What is listed for HTTP is not listed for sockets.
    let connect = call::<()>(&bound, "connect", &(format!("127.0.0.1:{}", site.port),)).await;
    assert!(connect.unwrap_err().contains("access-denied"));
    assert_eq!((site.connections(), other.connections()), (4, 0));
}

#[tokio::test]
async fn a_site_that_is_slow_or_gone_is_told_from_one_that_is_refused() {
    let site = Site::http().await;
    let port = Site::free_port().await;
    let host = TestHost::new();
    let (listed_url, gone) = (format!("http://localhost:{}", site.port), format!("http://localhost:{port}"));
    let (_app, bound) = listed(&host, "outbound", &[&listed_url, &gone], "").await;
    assert!(get(&bound, &gone).await.unwrap_err().contains("ConnectionRefused"));
    let slow = call::<String>(&bound, "get-within", &(site.url("localhost") + "silent", 20, 10_000)).await;
    assert!(slow.unwrap_err().contains("ConnectionReadTimeout"));
    let stalled = call::<String>(&bound, "get-within", &(site.url("localhost") + "stalled", 10_000, 20)).await;
    let stalled = stalled.unwrap_err();
    // Of a body that has begun, wasmtime tells a guest no code.
    assert!(stalled.contains("connection read timeout"), "{stalled}");
    let cut = get(&bound, &(site.url("localhost") + "cut")).await.unwrap_err();
    assert!(cut.contains("incomplete HTTP response"), "{cut}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_guests_are_told_of_an_error_has_no_backtrace_of_the_host() {
    let (site, host) = (Site::http().await, TestHost::new());
    let url = site.url("localhost") + "cut";
    let settings = format!("[class.probe]\nallow-outbound = [\"http://localhost:{}\"]", site.port);
    let target = format!("{}::probe.get", host.manifest("outbound", &settings).display());
    // The program, for tests run it with backtraces on.
    let told = tokio::task::spawn_blocking(move || run(wasmhost_command().args(["run", &target, "--url", &url])));
    let told = told.await.unwrap().failed(1);
    assert!(told.contains("incomplete HTTP response") && !told.contains("tokio"), "{told}");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_written_is_heard() {
    let site = Site::http().await;
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &[&format!("http://localhost:{}", site.port)], "").await;
    for size in [0, 1, 100_000, 10 << 20] {
        let answer = call::<String>(&bound, "post", &(site.url("localhost"), size)).await;
        assert_eq!(answer.unwrap(), "200 hello of /", "{size} bytes");
    }
}

#[tokio::test]
async fn https_is_for_whoever_has_a_certificate_that_is_trusted() {
    let (site, certificate) = Site::https().await;
    let names = [format!("https://localhost:{}", site.port), format!("https://127.0.0.1:{}", site.port)];
    let names = [names[0].as_str(), names[1].as_str()];
    let trusting = TestHost::with(|builder| builder.outbound_root(certificate));
    let (_app, bound) = listed(&trusting, "outbound", &names, "").await;
    assert_eq!(get(&bound, names[0]).await.unwrap(), "200 hello of /");
    assert!(get(&bound, names[1]).await.unwrap_err().contains("TlsCertificateError"), "it is of another name");
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &names, "").await;
    assert!(get(&bound, names[0]).await.unwrap_err().contains("TlsCertificateError"), "nobody trusts it");
    let echo = Site::echo().await;
    let listed_url = format!("https://localhost:{}", echo.port);
    let (_app, bound) = listed(&trusting, "outbound", &[&listed_url], "").await;
    assert!(get(&bound, &listed_url).await.unwrap_err().contains("TlsProtocolError"), "it speaks no TLS");
}

#[test]
fn a_root_that_is_no_certificate_is_refused() {
    let error = wasmhost::Host::builder().outbound_root(*b"no certificate").build().unwrap_err();
    assert!(error.message().contains("`outbound_root` number 1"), "{error}");
}

#[tokio::test]
async fn a_connection_to_a_listed_name_or_address_is_made() {
    let (site, other) = (Site::echo().await, Site::echo().await);
    let host = TestHost::new();
    for name in ["localhost", "127.0.0.1"] {
        let listed_name = format!("tcp://{name}:{}", site.port);
        let (_app, bound) = listed(&host, "outbound", &[&listed_name], "").await;
        let exchanged: String = call(&bound, "exchange", &(format!("{name}:{}", site.port), "over TCP")).await.unwrap();
        assert_eq!(exchanged, "over TCP");
        call::<()>(&bound, "connect", &(format!("127.0.0.1:{}", site.port),)).await.unwrap();
        for address in
            [format!("127.0.0.1:{}", other.port), format!("127.0.0.2:{}", site.port), "169.254.169.254:80".into()]
        {
            let refused = call::<()>(&bound, "connect", &(&address,)).await.unwrap_err();
            assert!(refused.contains("access-denied"), "{address}: {refused}");
        }
        let name = call::<Vec<String>>(&bound, "look-up", &("evil.example",)).await;
        assert!(name.unwrap_err().contains("access-denied"));
        assert!(get(&bound, &site.url("localhost")).await.unwrap_err().contains("HttpRequestDenied"));
        for address in [format!("127.0.0.1:{}", Site::free_port().await), "0.0.0.0:0".into()] {
            let listening = call::<()>(&bound, "listen", &(&address,)).await;
            assert!(listening.unwrap_err().contains("access-denied"), "{address}");
        }
        assert!(call::<()>(&bound, "datagrams", &()).await.unwrap_err().contains("access-denied"));
    }
    assert_eq!(other.connections(), 0);
}

/// An address of this machine that is not its loopback, where it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[tokio::test]
async fn a_name_is_resolved_once_and_leads_to_no_address_that_it_may_not_have() {
    let (site, echo) = (Site::http_on(Ipv4Addr::UNSPECIFIED).await, Site::echo().await);
    let asked = Arc::new(AtomicUsize::new(0));
    let host = TestHost::with(|builder| {
        let asked = asked.clone();
        builder.outbound_resolver(move |name| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let own = own_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            Ok(match name {
                // The second answer is another one.
                "rebinding.example" if number == 0 => vec![own],
                "rebinding.example" | "local.example" => vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
                "mapped.example" => vec!["::ffff:127.0.0.1".parse().unwrap(), "64:ff9b::7f00:1".parse().unwrap()],
                "metadata.example" => vec!["169.254.169.254".parse().unwrap(), "fd00:ec2::254".parse().unwrap()],
                "nobody.example" => vec!["0.0.0.0".parse().unwrap(), "::".parse().unwrap()],
                _ => return Err(std::io::ErrorKind::NotFound.into()),
            })
        })
    });
    let names = ["rebinding", "local", "mapped", "metadata", "nobody", "unknown"];
    let urls = names.map(|name| format!("http://{name}.example:{}", site.port));
    let sockets = names.map(|name| format!("tcp://{name}.example:{}", echo.port));
    let all: Vec<_> = urls.iter().chain(&sockets).map(String::as_str).collect();
    let (_app, bound) = listed(&host, "outbound", &all, "").await;
    if own_address().is_some() {
        assert_eq!(get(&bound, &urls[0]).await.unwrap(), "200 hello of /");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "it is connected to what was checked");
    } else {
        asked.store(1, Ordering::Relaxed);
    }
    assert!(get(&bound, &urls[0]).await.unwrap_err().contains("DestinationIpProhibited"));
    for url in &urls[1..5] {
        assert!(get(&bound, url).await.unwrap_err().contains("DestinationIpProhibited"), "{url}");
    }
    assert!(get(&bound, &urls[5]).await.unwrap_err().contains("DnsError"));
    for name in &names[1..5] {
        let found = call::<Vec<String>>(&bound, "look-up", &(format!("{name}.example"),)).await;
        assert!(found.unwrap_err().contains("access-denied"), "{name}");
    }
    let found = call::<Vec<String>>(&bound, "look-up", &("unknown.example",)).await;
    assert!(found.unwrap_err().contains("name-unresolvable"));
    let connect = call::<()>(&bound, "connect", &(format!("127.0.0.1:{}", echo.port),)).await;
    assert!(connect.unwrap_err().contains("access-denied"), "names that lead here are no reason");
    assert_eq!(echo.connections(), 0);
}

#[tokio::test]
async fn any_host_is_none_of_this_machine_or_its_networks() {
    let (site, echo) = (Site::http_on(Ipv4Addr::UNSPECIFIED).await, Site::echo().await);
    let (any, any_tcp) = (format!("http://*:{}", site.port), format!("tcp://*:{}", echo.port));
    let host = TestHost::with(|builder| builder.outbound_resolver(|_| Ok(vec!["10.1.2.3".parse().unwrap()])));
    let (_app, bound) = listed(&host, "outbound", &[&any, &any_tcp], "").await;
    for url in
        ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "intranet.example", "169.254.169.254", "[::ffff:127.0.0.1]"]
    {
        assert!(get(&bound, &site.url(url)).await.unwrap_err().contains("DestinationIpProhibited"), "{url}");
    }
    let connect = call::<()>(&bound, "connect", &(format!("127.0.0.1:{}", echo.port),)).await;
    assert!(connect.unwrap_err().contains("access-denied"));
    assert_eq!((site.connections(), echo.connections()), (0, 0));
}

#[tokio::test]
async fn wasi_0_3_has_the_same_way_out() {
    let (site, echo) = (Site::http().await, Site::echo().await);
    let host = TestHost::new();
    let (url, socket) = (format!("http://localhost:{}", site.port), format!("tcp://localhost:{}", echo.port));
    let (_app, bound) = listed(&host, "outbound-async", &[&url, &socket], "").await;
    assert_eq!(get(&bound, &url).await.unwrap(), "200 hello of /");
    let address = format!("127.0.0.1:{}", echo.port);
    assert_eq!(call::<String>(&bound, "exchange", &(&address, "over TCP")).await.unwrap(), "over TCP");
    assert_eq!(call::<u32>(&bound, "look-up", &("localhost",)).await.unwrap(), 2);
    let other = format!("http://localhost:{}", echo.port);
    assert!(get(&bound, &other).await.unwrap_err().contains("HttpRequestDenied"));
    let exchange = call::<String>(&bound, "exchange", &(format!("127.0.0.1:{}", site.port), "x")).await;
    assert!(exchange.unwrap_err().contains("AccessDenied"));
    assert!(call::<u32>(&bound, "look-up", &("evil.example",)).await.unwrap_err().contains("AccessDenied"));
}

#[tokio::test]
async fn hooks_have_the_same_way_out_and_a_snapshot_is_taken_after_it() {
    let (site, echo) = (Site::http().await, Site::echo().await);
    let host = TestHost::new();
    let (url, socket) = (format!("http://localhost:{}", site.port), format!("tcp://localhost:{}", echo.port));
    for (build, got) in
        [(format!("get {url}"), "200 hello of /"), (format!("exchange localhost:{}", echo.port), "by a hook")]
    {
        let before = (site.connections(), echo.connections());
        let env = format!("env = {{ BUILD = \"{build}\", ENTER = \"get {url}\" }}\nmax-calls = 1");
        let (app, bound) = listed(&host, "outbound", &[&url, &socket], &env).await;
        for _ in 0..2 {
            assert_eq!(call::<Vec<String>>(&bound, "got", &()).await.unwrap(), [got, "200 hello of /"]);
            // It has what it needs to go out again.
            let exchange = call::<String>(&bound, "exchange", &(format!("localhost:{}", echo.port), "again")).await;
            assert_eq!(exchange.unwrap(), "again");
        }
        assert_eq!(app.class("probe").unwrap().without_snapshot(), None, "{build}");
        let connections = (site.connections() - before.0, echo.connections() - before.1);
        // Two calls each in an instance of its own, with an `enter`; one call more in each.
        let by_build = if build.starts_with("get") { (1, 0) } else { (0, 1) };
        assert_eq!(connections, (4 + by_build.0, 2 + by_build.1), "{build}");
    }
    let env = "env = { BUILD = \"get http://localhost:1\" }";
    let manifest = format!("[class.probe]\nallow-outbound = [\"{url}\"]\n{env}");
    let error = host.app("outbound", &manifest).await.unwrap_err();
    assert!(error.to_string().contains("HttpRequestDenied"), "{error}");
}

#[tokio::test]
async fn a_connection_that_build_leaves_open_is_named() {
    let (site, echo) = (Site::http().await, Site::echo().await);
    let host = TestHost::new();
    let (url, socket) = (format!("http://localhost:{}", site.port), format!("tcp://localhost:{}", echo.port));
    for (build, named) in
        [(format!("hold localhost:{}", echo.port), "a TCP connection"), (format!("hold-answer {url}"), "HTTP request")]
    {
        let env = format!("env = {{ BUILD = \"{build}\" }}");
        let (app, bound) = listed(&host, "outbound", &[&url, &socket], &env).await;
        let class = app.class("probe").unwrap();
        let reason = class.without_snapshot().unwrap();
        assert!(reason.contains(named), "{build}: {reason}");
        assert_eq!(call::<Vec<String>>(&bound, "got", &()).await.unwrap(), [""]);
    }
}

#[tokio::test]
async fn another_list_is_another_snapshot() {
    let site = Site::http().await;
    let host = TestHost::new();
    let url = format!("http://localhost:{}", site.port);
    let env = format!("env = {{ BUILD = \"get {url}\" }}");
    for (list, connections) in [(&[url.as_str()][..], 1), (&[&url], 1), (&[&url, "https://example.com"], 2)] {
        listed(&host, "outbound", list, &env).await;
        assert_eq!(site.connections(), connections, "{list:?}");
    }
}

#[tokio::test]
async fn a_class_without_tcp_is_told_so() {
    let log = Log::default();
    let _listening = log.listen();
    let host = TestHost::new();
    for (guest, method) in [("outbound", "connect"), ("outbound-async", "exchange")] {
        let (_app, bound) = listed(&host, guest, &["https://api.example.com"], "").await;
        let text = if method == "connect" { "[\"10.0.0.1:80\"]" } else { "[\"10.0.0.1:80\", \"\"]" };
        let arguments: serde_json::Value = serde_json::from_str(text).unwrap();
        for _ in 0..2 {
            let refused = call::<serde_json::Value>(&bound, method, &arguments).await.unwrap_err().to_lowercase();
            assert!(refused.replace('-', "").contains("accessdenied"), "{refused}");
        }
    }
    let told = log.text().lines().filter(|line| line.contains("lists no `tcp://` destination")).count();
    assert_eq!(told, 2, "{}", log.text());
}

#[tokio::test]
async fn whoever_runs_a_class_is_told_what_it_was_refused_once() {
    let log = Log::default();
    let _listening = log.listen();
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &["tcp://db.internal:5432"], "").await;
    for _ in 0..3 {
        get(&bound, "https://api.example.com").await.unwrap_err();
        call::<()>(&bound, "connect", &("10.0.0.1:80",)).await.unwrap_err();
        call::<Vec<String>>(&bound, "look-up", &("evil.example",)).await.unwrap_err();
    }
    let text = log.text();
    for destination in ["https://api.example.com:443", "tcp://10.0.0.1:80", "tcp://evil.example"] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(&format!("\"{destination}\""))).collect();
        assert_eq!(lines.len(), 1, "{destination}: {text}");
        assert!(lines[0].contains("`class.probe.allow-outbound`") && lines[0].contains("WARN"), "{}", lines[0]);
    }
}
