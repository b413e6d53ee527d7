//! What guests leave: of a request in the tables of the host, and of an answer that is no more than its head.

use std::collections::BTreeMap;

use wasmhost_tests::TestHost;

use super::{BOTH, get, serve, wait_until};

#[tokio::test]
async fn what_a_guest_leaves_behind_takes_no_room() {
    for guest in BOTH {
        let host = TestHost::with(|builder| builder.max_handles(500));
        let app = host.app(guest, &format!("[class.{guest}]\nreuse = true")).await.unwrap();
        host.host.publish(&app);
        let front = host.host.web_service().root(guest);
        let mut requests = BTreeMap::<_, u32>::new();
        // Neither the host's table nor the guest's own has room for all of it.
        for _ in 0..300 {
            let reply = get(&front, "/leak").await;
            assert_eq!(reply.ok(), "left", "{guest}");
            *requests.entry(reply.instance().to_owned()).or_default() += 1;
        }
        // One makes room for another, and not at once.
        assert!(
            requests.len() > 1 && requests.values().filter(|requests| **requests == 1).count() <= 1,
            "{requests:?}"
        );
        // It prints to what it has opened with its first line.
        assert_eq!(host.printed.texts(), ["leaves"; 300], "{guest}");
    }
}

#[tokio::test]
async fn an_instance_that_requests_share_is_replaced_once_its_table_is_full() {
    let host = TestHost::with(|builder| builder.max_handles(200));
    let app = host.app("http-async", "[class.http-async]\nreuse = true\nconcurrency = 4").await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root("http-async");
    let mut full = 0;
    for _ in 0..300 {
        let reply = get(&front, "/leak").await;
        if reply.status != 200 {
            assert!(reply.body.contains("`max-handles`"), "{reply:?}");
            full += 1;
            let next = get(&front, "/leak").await;
            assert_eq!(next.ok(), "left");
            assert_ne!(next.instance(), reply.instance());
        }
    }
    assert!((1..=30).contains(&full), "{full}");
}

#[tokio::test]
async fn an_answer_without_a_body_comes_when_its_guest_has_finished_it() {
    for (guest, sharing) in [("http", ""), ("http-async", ""), ("http-async", "\nconcurrency = 4")] {
        let (host, _app, front) = serve(guest, &format!("reuse = true\ntimeout = \"10s\"{sharing}")).await;
        for status in [200, 204, 304] {
            // One that leaves its body in an instance that others share may have given it to somebody else.
            let ways = if sharing.is_empty() { &["trap", "exit", "leave"][..] } else { &["trap", "exit"] };
            for how in ways {
                let reply = get(&front, &format!("/empty/{status}/{how}")).await;
                assert_eq!(reply.status, 500, "{guest}{sharing}, {status}, {how}: {reply:?}");
            }
        }
        host.printed.forget();
        let finish = async |status| {
            let reply = get(&front, &format!("/empty/{status}/finish")).await;
            assert_eq!((reply.status, &*reply.body), (status, ""), "{guest}{sharing}");
        };
        tokio::join!(finish(200), finish(204), finish(304));
        // All of it was read: nobody hurries them.
        wait_until(|| host.printed.texts() == ["went on"; 3]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_lose_their_instance_are_told_of_what_it_died() {
    for _ in 0..20 {
        let (host, _app, front) = serve("http-async", "reuse = true\nconcurrency = 4").await;
        let dying = || get(&front, "/die/trap/before");
        let replies = tokio::join!(dying(), dying(), dying(), dying());
        for reply in [replies.0, replies.1, replies.2, replies.3] {
            assert!(reply.status == 500 && reply.body.contains("trapped"), "{reply:?}");
        }
        host.host.shutdown().await;
    }
}
