//! Guests of web handlers that die, in every way and many times: no client takes what it got for all there was, the next
//! request is answered, and the server is no larger afterwards.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::{App, Server};
use crate::{alone, figure, size};

/// Requests at a time.
const AT_ONCE: usize = 8;

/// What resident memory may grow by, in KiB.
const GROWTH_KIB: u64 = 16 << 10;

/// How a guest dies, and what its client is told if that is before the head of its answer.
const WAYS: [(&str, u16); 6] =
    [("panic", 500), ("trap", 500), ("exit", 500), ("leave", 500), ("spin", 504), ("sleep", 504)];

#[test]
fn guests_that_die_are_told_and_leave_nothing_behind() {
    alone(async {
        let deaths = size(50, 1000);
        let settings = ["p2", "p3", "shared"].map(|name| {
            let concurrency = if name == "shared" { "\nconcurrency = 4" } else { "" };
            format!("[class.{name}]\nreuse = true\ntimeout = \"100ms\"{concurrency}")
        });
        let [p2, p3, shared] = &settings;
        let apps = [
            App { name: "p2", guest: "http", settings: p2 },
            App { name: "p3", guest: "http-async", settings: p3 },
            App { name: "shared", guest: "http-async", settings: shared },
            App { name: "fresh", guest: "http", settings: "[class.fresh]\ntimeout = \"100ms\"" },
        ];
        let server = Server::start(&apps, &[]);
        // What is made once is there before it is measured.
        for way in WAYS {
            die(&server, way, size(50, 200)).await;
        }
        server.is_at_rest().await;
        let before = server.held();
        for way in WAYS {
            die(&server, way, deaths).await;
            server.is_at_rest().await;
            let growth = server.held().resident_kib.saturating_sub(before.resident_kib);
            let name = way.0;
            figure(format_args!(
                "deaths: {deaths} by {name} in each class, before and after the head; {growth} KiB more"
            ));
            assert!(growth <= GROWTH_KIB, "{name}: {growth} KiB more than {before:?}");
        }
    });
}

/// Lets so many guests of each class die, before the head of their answer and after it.
async fn die(server: &Server, (how, status): (&'static str, u16), deaths: usize) {
    for class in ["p2/p2", "p3/p3", "shared/shared", "fresh/fresh"] {
        for when in ["before", "after"] {
            let mut left = deaths;
            while left > 0 {
                let mut dying = JoinSet::new();
                for _ in 0..left.min(AT_ONCE) {
                    let address = server.process.address();
                    dying.spawn(async move {
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        let request =
                            format!("GET /{class}/die/{how}/{when} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
                        stream.write_all(request.as_bytes()).await.unwrap();
                        let mut answer = Vec::new();
                        // A reset is as good an end as any.
                        let _ = stream.read_to_end(&mut answer).await;
                        String::from_utf8(answer).unwrap()
                    });
                }
                left = left.saturating_sub(AT_ONCE);
                for answer in dying.join_all().await {
                    // A head that no piece of a body came after may not have been sent either.
                    let is_cut =
                        answer.is_empty() || answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("0\r\n\r\n");
                    let is_told = answer.starts_with(&format!("HTTP/1.1 {status} "));
                    assert!(is_told || when == "after" && is_cut, "{class}, {how} {when}: {answer:?}");
                }
                // A guest that spins where others could run goes on for a while after its client was told, and takes a core.
                server.is_at_rest().await;
                let next = server.process.get(&format!("/{class}/whole"));
                assert!(next.starts_with("HTTP/1.1 200 "), "{class}, {how} {when}: {next}");
            }
        }
    }
}
