//! Clients that are gone at any moment of their request take nothing with them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::{App, Held, Server};
use crate::{Random, alone, figure, pause, size, until};

const CLIENTS: usize = 16;

/// A class whose calls are killed, with all that may run of it.
#[derive(Debug)]
struct Target {
    app: App<'static>,
    instances: usize,
    /// Calls side by side in one instance.
    concurrency: usize,
    /// The method that waits in the host.
    waits: &'static str,
    /// One that does something else for a while.
    works: &'static str,
}

/// No instance goes for being idle: so there are as many tasks in the end as in the beginning.
const TARGETS: [Target; 2] = [
    Target {
        app: App {
            name: "exclusive",
            guest: "hooks",
            settings: "[class.probe]\nmax-instances = 4\nidle-timeout = \"1h\"\nparameters = { mode = \"\" }\n\
                       [class.probe.method.pause]\nweb = \"GET /wait/{milliseconds}\"",
        },
        instances: 4,
        concurrency: 1,
        waits: "pause",
        works: "work",
    },
    Target {
        app: App {
            name: "shared",
            guest: "hooks-async",
            settings: "[class.probe]\nmax-instances = 2\nconcurrency = 4\nidle-timeout = \"1h\"\n\
                       parameters = { mode = \"\" }\n[class.probe.method.wait]\nweb = \"GET /wait/{milliseconds}\"",
        },
        instances: 2,
        concurrency: 4,
        waits: "wait",
        works: "linger",
    },
];

#[test]
fn clients_that_are_killed_leave_nothing_behind() {
    alone(async {
        let kills = size(500, 10_000);
        let server = Server::start(&TARGETS.map(|target| target.app), &["--expose-methods"]);
        // All that is made at the first use is there before anything is counted.
        kill_many(&server, 50).await;
        fill(&server).await;
        let (tasks, before) = settled(&server).await;
        kill_many(&server, kills).await;
        // There is room for all that may run, and nobody is left who waits before them.
        fill(&server).await;
        until("tasks and files are as many as before, and no thread is left over", async || {
            let held = server.held();
            server.tasks().await == tasks && held.files == before.files && held.threads <= before.threads
        })
        .await;
        let (_, after) = settled(&server).await;
        figure(format_args!("kills: {kills}; {tasks} tasks; before {before:?}, after {after:?}"));
        for Target { app: App { name, .. }, .. } in TARGETS {
            let labels = format!("app=\"{name}\",class=\"probe\",outcome=\"cancelled\"");
            let cancelled = server.metric("wasmhost_calls_total", &labels).await;
            figure(format_args!("kills: {cancelled} in a call of the class that is {name}"));
            assert!(cancelled > 0, "some were killed in a call: {name}");
        }
    });
}

/// Has every class do all that it may do at once, and waits until it is done.
async fn fill(server: &Server) {
    server.is_at_rest().await;
    for Target { app, instances, concurrency, .. } in TARGETS {
        let mut calls = JoinSet::new();
        for _ in 0..instances * concurrency {
            let mut connection = server.connect().await;
            let path = format!("/{}/probe/wait/1000", app.name);
            calls.spawn(async move { connection.get(&path).await.unwrap_or_else(|lost| panic!("{lost}")) });
        }
        let mut calls_of = BTreeMap::new();
        for answer in calls.join_all().await {
            assert!(matches!(answer.status, 200 | 204), "{}: {}", app.name, answer.body);
            *calls_of.entry(answer.instance()).or_insert(0) += 1;
        }
        let calls_of: Vec<usize> = calls_of.into_values().collect();
        assert_eq!(calls_of, vec![concurrency; instances], "{}: calls by instance", app.name);
    }
    server.is_at_rest().await;
}

/// The tasks there are and what the process holds, once two looks in a row see the same: that a client has closed its
/// connection is noticed a moment later.
async fn settled(server: &Server) -> (u64, Held) {
    let (seen, held) = (Cell::new((0, 0, 0)), Cell::new(server.held()));
    until("no number changes any more", async || {
        pause(Duration::from_millis(100)).await;
        held.set(server.held());
        let now = (server.tasks().await, held.get().files, held.get().threads);
        seen.replace(now) == now
    })
    .await;
    (seen.get().0, held.get())
}

/// Kills so many clients, one half in each class.
async fn kill_many(server: &Server, kills: usize) {
    let left = Arc::new(AtomicUsize::new(kills));
    let mut clients = JoinSet::new();
    for seed in 0..CLIENTS {
        let (left, mut random, address) = (left.clone(), Random::new(seed as u64), server.process.address());
        clients.spawn(async move {
            while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                kill_one(address, &TARGETS[left % TARGETS.len()], &mut random).await;
            }
        });
    }
    clients.join_all().await;
}

/// Sends some of a request, perhaps all, and resets the connection a moment later.
async fn kill_one(address: SocketAddr, target: &Target, random: &mut Random) {
    let (method, body) = match random.below(3) {
        0 => ("echo", format!("{{\"text\": \"{}\"}}", "x".repeat(10_000))),
        1 => (target.waits, "{\"milliseconds\": 3}".to_owned()),
        _ => (target.works, "{\"milliseconds\": 3}".to_owned()),
    };
    let path = format!("/{}/probe/{method}", target.app.name);
    let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    // Every other one is sent whole, so that it dies in a call.
    let length = if random.below(2) == 0 { request.len() as u64 } else { random.below(request.len() as u64 + 1) };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_zero_linger().unwrap();
    // A server that refuses may have closed before all is sent.
    let _ = stream.write_all(&request.as_bytes()[..usize::try_from(length).unwrap()]).await;
    pause(random.time(5)).await;
}
