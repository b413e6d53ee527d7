//! The way out with an invented name server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config::OutputLimits;
use crate::state::{OutputOrigin, TracingOutput};

fn reach(
    destinations: &[&str],
    resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> Arc<Reach> {
    let network = Network::new(Some(Arc::new(resolve)), Vec::new(), vec!["10.0.0.9:1".parse().unwrap()]).unwrap();
    let outbound = Outbound::new(destinations.iter().copied(), &network).unwrap();
    let output = Output::new(OutputOrigin::default(), Arc::new(TracingOutput), OutputLimits::default());
    Reach::new(Arc::new(outbound), output, 1)
}

fn answers(addresses: &'static str) -> impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static {
    move |_| Ok(addresses.split_whitespace().map(|address| address.parse().unwrap()).collect())
}

async fn may_connect(reach: &Reach, to: &str) -> bool {
    reach.allows(to.parse().unwrap(), SocketAddrUse::TcpConnect).await
}

#[tokio::test]
async fn addresses_that_a_name_may_not_have_are_left_out() {
    let reach = reach(&["tcp://db:1"], answers("127.0.0.1 10.0.0.1 169.254.169.254 ::ffff:8.8.8.8 fe80::1 ::1"));
    let addresses = reach.addresses("db", Grant::Named).await.unwrap();
    assert_eq!(addresses, ["10.0.0.1".parse::<IpAddr>().unwrap(), "8.8.8.8".parse().unwrap()]);
    for (to, is_allowed) in [("10.0.0.1:1", true), ("8.8.8.8:1", true), ("10.0.0.1:2", false), ("127.0.0.1:1", false)] {
        assert_eq!(may_connect(&reach, to).await, is_allowed, "{to}");
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_later_leads_to_nothing_that_it_may_not_have() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let reach = reach(&["tcp://db:1"], |_| {
        let address = ["10.0.0.1", "127.0.0.1", "169.254.169.254"][ASKED.fetch_add(1, Ordering::Relaxed).min(2)];
        Ok(vec![address.parse().unwrap()])
    });
    assert!(may_connect(&reach, "10.0.0.1:1").await, "it has it now");
    assert!(!may_connect(&reach, "127.0.0.1:1").await);
    assert!(!may_connect(&reach, "169.254.169.254:1").await);
    assert_eq!(ASKED.load(Ordering::Relaxed), 1, "of addresses that no name may have, no name is asked");
    assert!(!may_connect(&reach, "10.0.0.2:1").await);
    assert!(may_connect(&reach, "10.0.0.1:1").await, "what a name server said before is not forgotten");
}

#[tokio::test]
async fn this_machine_is_reached_by_its_own_name_alone() {
    let reach = reach(&["tcp://localhost:1"], |name| panic!("{name} is looked up"));
    assert!(may_connect(&reach, "127.0.0.1:1").await && may_connect(&reach, "[::1]:1").await);
    assert!(!may_connect(&reach, "127.0.0.1:2").await && !may_connect(&reach, "10.0.0.1:1").await);
}

#[tokio::test]
async fn where_the_host_itself_listens_no_guest_connects_whatever_is_listed() {
    let reach = reach(&["tcp://10.0.0.9:1", "tcp://db:1", "tcp://10.0.0.9:2"], answers("10.0.0.9"));
    reach.addresses("db", Grant::Named).await.unwrap();
    for (to, is_allowed) in [("10.0.0.9:1", false), ("[::ffff:10.0.0.9]:1", false), ("10.0.0.9:2", true)] {
        assert_eq!(may_connect(&reach, to).await, is_allowed, "{to}");
    }
}

#[tokio::test]
async fn of_names_below_a_listed_one_the_guest_connects_to_what_it_has_looked_up() {
    let reach = reach(&["tcp://*.example.com:*", "tcp://db.example.com:5432"], |name| {
        let addresses = match name {
            "a.example.com" => ["8.8.8.8", "10.0.0.1"],
            "db.example.com" => ["8.8.4.4", "10.0.0.2"],
            _ => ["127.0.0.1", "169.254.169.254"],
        };
        Ok(addresses.map(|address| address.parse().unwrap()).into())
    });
    assert!(!may_connect(&reach, "8.8.8.8:22").await, "nothing was looked up yet");
    let found = reach.clone().look_up("a.example.com").await.unwrap();
    assert_eq!(found, ["8.8.8.8".parse::<IpAddr>().unwrap()]);
    reach.clone().look_up("db.example.com").await.unwrap();
    reach.clone().look_up("local.example.com").await.unwrap_err();
    for name in ["example.com", "aexample.com", "a.example.com.evil"] {
        reach.clone().look_up(name).await.unwrap_err();
    }
    for (to, is_allowed) in [
        ("8.8.8.8:22", true),
        ("8.8.8.8:5432", true),
        ("8.8.4.4:22", true),
        ("10.0.0.2:5432", true),
        // Listed by itself for one port, a name may have private addresses at that port alone.
        ("10.0.0.2:22", false),
        ("10.0.0.1:22", false),
        ("127.0.0.1:22", false),
        ("8.8.8.9:22", false),
    ] {
        assert_eq!(may_connect(&reach, to).await, is_allowed, "{to}");
    }
    let many: Vec<_> = (0..2000_u32).map(|n| IpAddr::from(n.to_be_bytes())).collect();
    reach.seen().remember_below("a.example.com", &many);
    assert_eq!(reach.seen().below.len(), MAX_BELOW);
}

#[test]
fn what_the_host_keeps_to_itself_is_known_where_a_class_is_prepared() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Told(#[serde(with = "super::as_destinations")] Arc<Outbound>);
    let network = Network::new(None, Vec::new(), vec!["127.0.0.1:9".parse().unwrap()]).unwrap();
    let told = Told(Arc::new(Outbound::new(["tcp://127.0.0.1:9"], &network).unwrap()));
    let heard: Told = serde_json::from_value(serde_json::to_value(&told).unwrap()).unwrap();
    assert_eq!(heard.0.network.own, network.own);
    assert_eq!(heard.0.destinations(), ["tcp://127.0.0.1:9"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_is_silent_is_not_waited_for() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let reach = reach(&["tcp://db:1"], move |_| {
        let _ = held.lock().unwrap().recv();
        Ok(Vec::new())
    });
    // The clock is stopped as long as a blocking thread runs, so the time is over once it is set forward.
    let asking = async { reach.outbound.resolve("db").await };
    let (answer, ()) = tokio::join!(asking, tokio::time::advance(RESOLVE_TIMEOUT + Duration::from_secs(1)));
    assert!(matches!(answer, Err(Unresolved::TimedOut)), "{answer:?}");
    drop(hold);
}

#[tokio::test]
async fn guests_neither_listen_nor_bind() {
    let reach = reach(&["tcp://*:1"], answers(""));
    let uses = [SocketAddrUse::TcpListen, SocketAddrUse::TcpAccept, SocketAddrUse::UdpBind, SocketAddrUse::UdpSend];
    for what in uses {
        assert!(!reach.allows("0.0.0.0:0".parse().unwrap(), what).await, "{what:?}");
    }
    for (address, is_allowed) in [("0.0.0.0:0", true), ("[::]:0", true), ("0.0.0.0:80", false), ("127.0.0.1:0", false)]
    {
        let allows = reach.allows(address.parse().unwrap(), SocketAddrUse::TcpBind).await;
        assert_eq!(allows, is_allowed, "{address}");
    }
}

#[tokio::test]
async fn a_guest_that_tries_everything_is_told_of_little() {
    let reach = reach(&[], answers(""));
    for port in 1..200 {
        for _ in 0..2 {
            assert!(!may_connect(&reach, &format!("8.8.8.8:{port}")).await);
        }
    }
    reach.refuse("ä".repeat(100_000), Refusal::Unlisted);
    assert_eq!(reach.seen().told.len(), MAX_TOLD);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_name_of_a_public_address_that_is_private_by_now_keeps_what_it_has_and_gets_no_more() {
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpHooks as _};

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let reach = reach(&["http://*:80"], |_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Ok(vec!["10.0.0.1".parse().unwrap()])
    });
    // As it was connected to when the name had this address.
    let (near, mut far) = tokio::io::duplex(1024);
    let mut link = reach.outbound.pool.link(near, "8.8.8.8".parse().unwrap()).await.unwrap();
    link.sender.ready().await.unwrap();
    reach.outbound.pool.put(target::Target::of(&"http://a.example/".parse().unwrap()).unwrap(), link);
    let mut guest = HttpReach::new(reach.clone());
    let mut ask = || {
        let body = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = ::http::Request::get("http://a.example/").body::<WasiBody>(body).unwrap();
        Box::into_pin(guest.send_request(request, None, Box::new(async { Ok(()) })))
    };
    let answering = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(), answering);
    let (answer, _done) = answer.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hi");
    assert_eq!(ASKED.load(Ordering::Relaxed), 0, "no name was resolved for it");
    drop(far);
    let refused = ask().await.err();
    assert!(matches!(refused, Some(HttpError::DestinationIpProhibited)), "{refused:?}");
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
}

#[test]
fn a_list_is_given_back_as_it_was() {
    let texts =
        ["https://api.example.com", "http://127.0.0.1:8080", "tcp://db.internal:5432", "https://*", "tcp://*.a.b:*"];
    let outbound = Outbound::new(texts, &Network::default()).unwrap();
    assert_eq!(outbound.destinations(), texts);
    let error = Outbound::new(["ftp://a"], &Network::default()).unwrap_err();
    assert!(error.message().contains("`ftp://a` has an unknown scheme"), "{error}");
}
