//! Many callers at once on a set of parameters that has no instance yet.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Answer, Connection};
use crate::server::{App, Server};
use crate::{Times, alone, figure, promised, size};

const SLOTH: App<'_> = App {
    name: "sloth",
    guest: "slow",
    settings: "[class.sloth]\nmax-instances = 4\n[class.sloth.method.noop]\nweb = \"GET /\"",
};

#[test]
fn a_herd_on_a_cold_tuple_waits_for_the_same_few_starts() {
    alone(async {
        let herd = size(300, 1_000);
        let server = Server::start(&[SLOTH], &[]);
        let answers = stampede(&server, herd, "/?milliseconds=1000&fails=false").await;
        let times = Times(answers.iter().map(|(_, time)| *time).collect());
        let starts = server.metric("wasmhost_cold_starts_total", "").await;
        figure(format_args!("herd: {times}, {starts} starts"));
        for (answer, _) in &answers {
            assert_eq!(answer.status, 204, "{}", answer.body);
        }
        assert!(starts <= 4, "{starts} starts");
    });
}

#[test]
fn a_herd_hears_of_a_start_that_fails_and_no_other_is_tried_within_its_step() {
    alone(async {
        let herd = size(100, 1_000);
        let server = Server::start(&[SLOTH], &[]);
        let path = "/?milliseconds=500&fails=true";
        let failed = async || server.metric("wasmhost_cold_starts_total", "outcome=\"failed\"").await;

        // Nothing is known of the guest: one start is tried, and all wait for it.
        let times = refused(stampede(&server, herd, path).await);
        let first = failed().await;
        let spread = times.quantile(1.0).saturating_sub(times.quantile(0.0));
        figure(format_args!("herd: a failing start, {times}, told within {spread:.1?}, {first} attempts"));
        assert_eq!(first, 1, "one attempt for the whole herd");
        assert!(spread <= promised(100), "the first to hear and the last are {spread:?} apart");

        // Within the step of a second nobody waits.
        let times = refused(stampede(&server, 20, path).await);
        assert!(times.quantile(1.0) < Duration::from_millis(400), "{times}");
        assert_eq!(failed().await, first, "no attempt within the step");

        crate::until("the step is over", async || {
            let answer = server.get(path).await;
            assert_eq!(answer.status, 503);
            failed().await > first
        })
        .await;
        assert_eq!(failed().await, first + 1, "one attempt after the step");
    });
}

/// Sends that many requests at once, each on a connection of its own.
async fn stampede(server: &Server, herd: usize, path: &'static str) -> Vec<(Answer, Duration)> {
    let mut connections = Vec::with_capacity(herd);
    for _ in 0..herd {
        connections.push(server.connect().await);
    }
    let mut requests = JoinSet::new();
    let start = Instant::now();
    for connection in connections {
        requests.spawn(request(connection, path, start));
    }
    requests.join_all().await
}

async fn request(mut connection: Connection, path: &str, start: Instant) -> (Answer, Duration) {
    let answer = connection.get(path).await.unwrap_or_else(|lost| panic!("{lost}"));
    (answer, start.elapsed())
}

/// The times of answers that all say when to come again.
fn refused(answers: Vec<(Answer, Duration)>) -> Times {
    for (answer, _) in &answers {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert!(answer.body.contains("too slow"), "{}", answer.body);
    }
    Times(answers.into_iter().map(|(_, time)| time).collect())
}
