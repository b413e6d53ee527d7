//! Clients that are gone at any moment of their request take nothing with them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::{App, Held, Server};
use crate::{Random, alone, figure, pause, size, until};

const CLIENTS: usize = 16;

#[test]
fn clients_that_are_killed_leave_nothing_behind() {
    alone(async {
        let kills = size(500, 10_000);
        let app = App {
            name: "killed",
            guest: "hooks",
            settings: "[class.probe]\nmax-instances = 4\nparameters = { mode = \"\" }\n\
                       [class.probe.method.count]\nweb = \"GET /count\"",
        };
        let server = Server::start(&[app], &["--expose-methods"]).await;
        // All that is made at the first use is there before anything is counted.
        kill_many(&server, 50).await;
        server.is_at_rest().await;
        let before = server.held();
        kill_many(&server, kills).await;
        server.is_at_rest().await;
        let is_left_over = |held: Held| held.files > before.files || held.threads > before.threads;
        until("nothing is left over", async || !is_left_over(server.held())).await;
        let after = server.held();
        let cancelled = server.metric("wasmhost_calls_total", "outcome=\"cancelled\"").await;
        figure(format_args!("kills: {kills}, {cancelled} of them in a call; before {before:?}, after {after:?}"));
        assert!(cancelled > 0, "some were killed in a call");

        // There is room for all that may run, and nobody is left who waits before them.
        let mut calls = JoinSet::new();
        for _ in 0..4 {
            let mut connection = server.connect().await;
            calls.spawn(async move { connection.get("/count").await.unwrap().status });
        }
        assert_eq!(calls.join_all().await, [200; 4]);
    });
}

async fn kill_many(server: &Server, kills: usize) {
    let left = Arc::new(AtomicUsize::new(kills));
    let mut clients = JoinSet::new();
    for seed in 0..CLIENTS {
        let (left, mut random, address) = (left.clone(), Random::new(seed as u64), server.address);
        clients.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                kill_one(address, &mut random).await;
            }
        });
    }
    clients.join_all().await;
}

/// Sends some of a request, perhaps all, and resets the connection a moment later.
async fn kill_one(address: SocketAddr, random: &mut Random) {
    let (method, body) = match random.below(3) {
        0 => ("echo", format!("{{\"text\": \"{}\"}}", "x".repeat(10_000))),
        1 => ("pause", "{\"milliseconds\": 3}".to_owned()),
        _ => ("work", "{\"milliseconds\": 3}".to_owned()),
    };
    let head = format!("POST /{method} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    // Every other one is sent whole, so that it dies in a call.
    let length = if random.below(2) == 0 { request.len() as u64 } else { random.below(request.len() as u64 + 1) };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_zero_linger().unwrap();
    // A server that refuses may have closed before all is sent.
    let _ = stream.write_all(&request.as_bytes()[..usize::try_from(length).unwrap()]).await;
    pause(random.time(5)).await;
}
