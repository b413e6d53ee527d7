//! Guests that compute without end take their own time and nobody else's.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::server::{App, Server};
use crate::{Random, Times, alone, figure, pause, promised, size};

const SPINNERS: usize = 16;
/// However many cores the machine has: with as many threads as spinners none would be held up.
const WORKERS: &str = "2";
const TIMEOUT: Duration = Duration::from_secs(3);

#[test]
fn guests_that_spin_hold_up_neither_other_apps_nor_the_health_check() {
    alone(async {
        let spin = App {
            name: "spin",
            guest: "hooks",
            settings: "[class.probe]\ntimeout = \"3s\"\nparameters = { mode = \"\" }\n\
                       [class.probe.method.behave]\nweb = \"GET /behave/{how}\"",
        };
        let calm = App {
            name: "calm",
            guest: "hooks",
            settings: "[class.probe]\nparameters = { mode = \"\" }\n[class.probe.method.count]\nweb = \"GET /count\"",
        };
        let server = Server::start(&[spin, calm], &["--max-instances", "64", "--workers", WORKERS]);
        assert_eq!(server.get("/calm/probe/count").await.status, 200);

        let (stop, stopped) = watch::channel(false);
        let mut spinners = JoinSet::new();
        for _ in 0..SPINNERS {
            spinners.spawn(spin_until(stopped.clone(), server.connect().await));
        }
        crate::until("all spin", async || {
            server.metric("wasmhost_instances", "app=\"spin\",class=\"probe\",state=\"busy\"").await == SPINNERS as u64
        })
        .await;
        let calls = size(50, 200);
        let calm = visit(&server, "/calm/probe/count", calls).await;
        let live = visit(&server, "/.well-known/wasmhost/live", calls).await;
        stop.send_replace(true);
        let spun = Times(spinners.join_all().await.into_iter().flatten().collect());
        let longest = spun.quantile(1.0);
        figure(format_args!("spinners: another app {calm}; live {live}; 504 {spun} longest {longest:.3?}"));

        assert!(calm.quantile(0.99) <= promised(50), "another app: {calm}");
        assert!(live.quantile(0.99) <= promised(20), "the health check: {live}");
        assert!(longest <= TIMEOUT + promised(50), "a guest that spins is stopped: {longest:?}");
    });
}

/// Has a guest spin, again and again, and gives how long each took to be stopped.
async fn spin_until(stopped: watch::Receiver<bool>, mut connection: Connection) -> Vec<Duration> {
    let mut times = Times::default();
    while !*stopped.borrow() {
        let answer = times.time(connection.get("/spin/probe/behave/spin")).await.unwrap();
        assert_eq!(answer.status, 504, "{}", answer.body);
    }
    times.0
}

/// Calls at random moments, one after another.
async fn visit(server: &Server, path: &str, calls: usize) -> Times {
    let (mut times, mut random) = (Times::default(), Random::new(1));
    let mut connection = server.connect().await;
    let start = Instant::now();
    for _ in 0..calls {
        pause(random.time(40)).await;
        let answer = times.time(connection.get(path)).await.unwrap();
        assert_eq!(answer.status, 200, "{path} after {:?}: {}", start.elapsed(), answer.body);
    }
    times
}
