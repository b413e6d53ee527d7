//! Connections that wait for the next request of their class, and how many an instance may have.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmhost_tests::TestHost;

use super::sites::Site;
use super::{call, get, listed, own_address};
use crate::log::Log;

#[tokio::test]
async fn requests_of_a_class_share_a_connection_and_two_classes_never_do() {
    let site = Site::lasting().await;
    let host = TestHost::new();
    let place = format!("http://localhost:{}", site.port);
    let (_app, bound) = listed(&host, "outbound", &[&place], "max-calls = 1").await;
    for number in 1..=5 {
        // Each call has an instance of its own.
        assert_eq!(get(&bound, &site.url("localhost")).await.unwrap(), format!("200 number {number}"));
    }
    assert_eq!(call::<String>(&bound, "post", &(site.url("localhost"), 0)).await.unwrap(), "200 number 6");
    assert_eq!(site.connections(), 1);
    let (_app, other) = listed(&host, "outbound", &[&place], "max-calls = 1").await;
    assert_eq!(get(&other, &site.url("localhost")).await.unwrap(), "200 number 1");
    assert_eq!(site.connections(), 2);
}

#[tokio::test]
async fn the_same_holds_for_wasi_0_3() {
    let site = Site::lasting().await;
    let host = TestHost::new();
    let place = format!("http://localhost:{}", site.port);
    let (_app, bound) = listed(&host, "outbound-async", &[&place], "").await;
    for number in 1..=3 {
        assert_eq!(get(&bound, &place).await.unwrap(), format!("200 number {number}"));
    }
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_is_broken_off_takes_its_connection_with_it() {
    let site = Site::lasting().await;
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &[&format!("http://localhost:{}", site.port)], "").await;
    for _ in 0..2 {
        call::<()>(&bound, "break-off", &(site.url("localhost") + "half",)).await.unwrap();
        assert_eq!(get(&bound, &site.url("localhost")).await.unwrap(), "200 number 1");
        call::<()>(&bound, "break-off", &(site.url("localhost") + "half",)).await.unwrap();
    }
    assert_eq!(site.connections(), 4);
}

#[tokio::test]
async fn a_request_that_its_server_hung_up_on_is_sent_again_where_twice_does_no_harm() {
    let site = Site::lasting().await;
    let host = TestHost::new();
    let (_app, bound) = listed(&host, "outbound", &[&format!("http://localhost:{}", site.port)], "").await;
    let (url, last) = (site.url("localhost"), site.url("localhost") + "last");
    assert_eq!(get(&bound, &last).await.unwrap(), "200 number 1");
    assert_eq!(get(&bound, &url).await.unwrap(), "200 number 1", "over another connection");
    assert_eq!(site.connections(), 2);
    assert_eq!(get(&bound, &last).await.unwrap(), "200 number 2");
    let posted = call::<String>(&bound, "post", &(&url, 10)).await.unwrap_err();
    assert!(posted.contains("HttpResponseIncomplete") || posted.contains("ConnectionTerminated"), "{posted}");
    assert_eq!(site.connections(), 2, "the server may have done it");
}

#[tokio::test]
async fn a_connection_that_waits_is_no_way_around_the_list() {
    let site = Site::lasting().await;
    let host = TestHost::new();
    let place = format!("http://localhost:{}", site.port);
    let (_app, bound) = listed(&host, "outbound", &[&place], "").await;
    get(&bound, &site.url("localhost")).await.unwrap();
    for url in [site.url("127.0.0.1"), site.url("[::1]"), site.url("localhost").replace("http", "https")] {
        assert!(get(&bound, &url).await.unwrap_err().contains("HttpRequestDenied"), "{url}");
    }
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_by_now_keeps_the_connection_that_was_checked_and_gets_no_other() {
    // A name may lead to this machine's address, where it has one beside its loopback, and never to the loopback.
    let Some(own) = own_address() else { return };
    for guest in ["outbound", "outbound-async"] {
        let site = Site::lasting_on(Ipv4Addr::UNSPECIFIED).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let host = TestHost::with(|builder| {
            let asked = asked.clone();
            builder.outbound_resolver(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(vec![own]),
                _ => Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
            })
        });
        let place = format!("http://rebinding.example:{}", site.port);
        let (_app, bound) = listed(&host, guest, &[&place], "max-calls = 1").await;
        for number in 1..=3 {
            assert_eq!(get(&bound, &place).await.unwrap(), format!("200 number {number}"), "{guest}");
        }
        assert_eq!((asked.load(Ordering::SeqCst), site.connections()), (1, 1), "{guest}: nothing new was connected to");
        site.hang_up();
        for _ in 0..2 {
            let refused = get(&bound, &place).await.unwrap_err();
            assert!(refused.contains("DestinationIpProhibited"), "{guest}: {refused}");
        }
        assert_eq!((asked.load(Ordering::SeqCst), site.connections()), (3, 1), "{guest}: each new one is checked");
    }
}

#[tokio::test]
async fn an_instance_that_has_its_connections_waits_for_one_and_is_told_in_the_end() {
    let log = Log::default();
    let _listening = log.listen();
    let site = Site::lasting().await;
    let host = TestHost::with(|builder| builder.max_outbound_connections(3));
    let (_app, bound) = listed(&host, "outbound", &[&format!("http://localhost:{}", site.port)], "").await;
    let half = site.url("localhost") + "half";
    let (refused, allowed): (String, String) = call(&bound, "crowd", &(&half, 3, 100)).await.unwrap();
    assert!(refused.contains("ConnectionLimitReached"), "{refused}");
    assert_eq!(allowed, "200", "as soon as an answer is dropped");
    assert_eq!(site.connections(), 4);
    let text = log.text();
    assert!(text.contains("`max-outbound-connections`") && text.contains("limit=3"), "{text}");
    // What an instance left is nobody's any more.
    let (again, _): (String, String) = call(&bound, "crowd", &(&half, 2, 10_000)).await.unwrap();
    assert_eq!(again, "200");
}
