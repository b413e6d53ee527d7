//! Clients of web handlers that leave at any moment: while they send a head, a body, or read an answer. The server has
//! afterwards what it had before.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{App, Server};
use crate::{Random, alone, figure, size, until};

/// Clients at a time.
const AT_ONCE: usize = 8;

/// Where they go: kept instances of both versions, shared ones, and one for each request.
const CLASSES: [&str; 4] = ["p2/p2", "p3/p3", "shared/shared", "fresh/fresh"];

/// What resident memory may grow by, in KiB.
const GROWTH_KIB: u64 = 16 << 10;

#[test]
fn clients_that_leave_at_any_moment_leave_nothing_behind() {
    alone(async {
        let apps = [
            App { name: "p2", guest: "http", settings: "[class.p2]\nreuse = true" },
            App { name: "p3", guest: "http-async", settings: "[class.p3]\nreuse = true" },
            App { name: "shared", guest: "http-async", settings: "[class.shared]\nreuse = true\nconcurrency = 4" },
            App { name: "fresh", guest: "http", settings: "" },
        ];
        let server = Server::start(&apps, &[]);
        let mut random = Random::new(7);
        // What is made once is there before it is counted.
        leave(&server, &mut random, size(200, 600)).await;
        server.is_at_rest().await;
        let (before, tasks) = (server.held(), server.tasks().await);
        let clients = size(600, 10_000);
        leave(&server, &mut random, clients).await;
        server.is_at_rest().await;
        until("all tasks have ended", async || server.tasks().await <= tasks).await;
        until("all files are closed", async || server.held().files <= before.files).await;
        let after = server.held();
        figure(format_args!("disconnects: {clients} clients left; {before:?}, {after:?}"));
        assert!(after.threads <= before.threads, "{before:?} {after:?}");
        assert!(after.resident_kib <= before.resident_kib + GROWTH_KIB, "{before:?} {after:?}");
        for app in CLASSES {
            let answer = server.process.get(&format!("/{app}/whole"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
}

async fn leave(server: &Server, random: &mut Random, clients: usize) {
    for _ in 0..clients / AT_ONCE {
        let mut leaving = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let class = CLASSES[place(random, CLASSES.len())];
            let request = match random.below(3) {
                0 => format!(
                    "POST /{class}/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\n\r\n{}",
                    "x".repeat(65536)
                ),
                1 => format!("GET /{class}/die/sleep/before HTTP/1.1\r\nhost: a\r\n\r\n"),
                _ => format!(
                    "POST /{class}/whole HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
                ),
            };
            // Half of them leave somewhere in the head, the others somewhere after it.
            let head = request.find("\r\n\r\n").unwrap() + 4;
            let sent = match random.below(2) {
                0 => place(random, head),
                _ => head + place(random, request.len() - head + 1),
            };
            let read = place(random, 70_000);
            let address = server.process.address();
            leaving.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                // Either may fail: the server may have answered and hung up.
                let _ = stream.write_all(&request.as_bytes()[..sent]).await;
                let mut answer = vec![0; read];
                let reading = stream.read_exact(&mut answer);
                let _ = tokio::time::timeout(std::time::Duration::from_millis(5), reading).await;
            });
        }
        while let Some(left) = leaving.join_next().await {
            left.unwrap();
        }
    }
}

/// A place below `limit`.
fn place(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.below(limit as u64)).unwrap()
}
