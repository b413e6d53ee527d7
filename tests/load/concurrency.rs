//! Calls that share an instance: they wait side by side, and a trap is the end of those in it and of no other.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Answer;
use crate::server::{App, Server};
use crate::{alone, figure};

const SHARED: App<'_> = App {
    name: "shared",
    guest: "hooks-async",
    settings: "[class.probe]\nconcurrency = 8\nparameters = { mode = \"\" }\n\
               [class.probe.method.wait]\nweb = \"GET /wait/{milliseconds}\"\n\
               [class.probe.method.behave]\nweb = \"GET /behave/{how}\"",
};

#[test]
fn eight_calls_share_an_instance_and_a_trap_fails_these_and_no_other() {
    alone(async {
        let server = Server::start(&[SHARED], &[]);
        assert_eq!(server.get("/wait/0?mode=a").await.status, 200);
        let start = Instant::now();
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            call(&server, "/wait/1000?mode=a", &mut calls).await;
        }
        let answers = calls.join_all().await;
        let took = start.elapsed();
        figure(format_args!("concurrency: eight calls of a second took {took:.2?}"));
        let instance = answers[0].instance();
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.instance() == instance), "{answers:?}");
        assert!(took < Duration::from_millis(1_500), "{took:?}");

        let (mut calls, mut others) = (JoinSet::new(), JoinSet::new());
        for _ in 0..8 {
            call(&server, "/wait/1000?mode=b", &mut others).await;
        }
        for _ in 0..7 {
            call(&server, "/wait/60000?mode=a", &mut calls).await;
        }
        let busy = "state=\"busy\"";
        crate::until("both are at work", async || server.metric("wasmhost_instances", busy).await == 2).await;
        call(&server, "/behave/trap?mode=a", &mut calls).await;
        for answer in calls.join_all().await {
            assert_eq!((answer.status, answer.instance()), (500, instance), "{}", answer.body);
            assert!(answer.body.contains("\"trapped\""), "{}", answer.body);
        }
        for answer in others.join_all().await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let next = server.get("/wait/0?mode=a").await;
        assert!(next.status == 200 && next.instance() != instance, "{next:?}");
    });
}

async fn call(server: &Server, path: &'static str, calls: &mut JoinSet<Answer>) {
    let mut connection = server.connect().await;
    calls.spawn(async move { connection.get(path).await.unwrap_or_else(|lost| panic!("{lost}")) });
}
