//! Sets of parameters that come and go leave nothing behind: each is entered once and exited once, and the server is as
//! large at the end as after the first tenth.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::server::{App, Held, Server};
use crate::{alone, figure, is_full, size, until};

const CLIENTS: usize = 8;

#[test]
fn tuples_that_come_and_go_leave_nothing_behind() {
    alone(async {
        let tuples = size(2_000, 20_000);
        let early = tuples / 10;
        let mut server = serve();
        let mut instances = HashSet::new();
        let threads = server.held().threads;
        visit(&server, 0..early, &mut instances).await;
        let before = at_rest(&server, threads).await;
        visit(&server, early..tuples, &mut instances).await;
        let after = at_rest(&server, threads).await;
        figure(format_args!("tuples: after {early} {before:?}, after {tuples} {after:?}"));

        assert_eq!(instances.len(), tuples, "each has an instance of its own");
        assert_eq!(server.metric("wasmhost_cold_starts_total", "outcome=\"ok\"").await, tuples as u64);
        // A small run has hardly begun when it is measured first.
        let percent = if is_full() { 105 } else { 110 };
        assert!(after.resident_kib * 100 <= before.resident_kib * percent, "memory: {before:?} → {after:?}");
        // An idle instance more or less has its directory open.
        assert!(after.files <= before.files + 4, "open files: {before:?} → {after:?}");

        let (status, _) = server.end();
        assert_eq!(status.code(), Some(0), "{}", server.process.said());
        let journal = server.journal();
        let exited: HashSet<_> = journal.iter().collect();
        assert_eq!((journal.len(), exited.len()), (tuples, tuples), "each exits, and once");
    });
}

fn serve() -> Server {
    let app = App {
        name: "tuples",
        guest: "hooks",
        settings: "[class.probe]\nmounts = [{ host = \"../out\", path = \"/out\", write = true }]\n\
                   [class.probe.method.journal]\nweb = \"GET /journal\"",
    };
    let bounds = ["--max-tuples", "100000", "--tuple-rate", "1000000", "--tuple-burst", "1000000"];
    Server::start(&[app], &[&["--max-instances", "64"], &bounds[..]].concat())
}

/// What the server holds once nothing is under way, and the runtime has let go of the threads that did file operations: each
/// has memory of its own, and is kept for a moment.
async fn at_rest(server: &Server, threads: u64) -> Held {
    server.is_at_rest().await;
    until("no thread is left over", async || server.held().threads <= threads).await;
    server.held()
}

/// Calls each tuple once, and adds the numbers of the instances that answered.
async fn visit(server: &Server, tuples: std::ops::Range<usize>, instances: &mut HashSet<u64>) {
    let next = Arc::new(AtomicUsize::new(tuples.start));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, mut connection) = (next.clone(), server.connect().await);
        clients.spawn(async move {
            let mut instances = Vec::new();
            loop {
                let tuple = next.fetch_add(1, Ordering::Relaxed);
                if tuple >= tuples.end {
                    return instances;
                }
                let answer = connection.get(&format!("/journal?mode=t{tuple}")).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
                assert_eq!(answer.body, format!("[\"build\",\"enter mode=t{tuple}\"]"));
                instances.push(answer.instance());
            }
        });
    }
    instances.extend(clients.join_all().await.into_iter().flatten());
}
