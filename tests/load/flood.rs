//! An app that is flooded with new sets of parameters is refused, at once, and another keeps its warm instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use wasmhost::{Class, ErrorKind};
use wasmhost_tests::TestHost;

use crate::server::{App, Server};
use crate::{Times, alone, figure, promised, size};

const CALLERS: usize = 4;
/// Sets of parameters for which the other app has a warm instance.
const WARM: usize = 8;

#[test]
fn a_flood_of_tuples_is_refused_at_once_and_another_app_keeps_its_instances() {
    alone(async {
        let flood = size(20_000, 1_000_000);
        let host = TestHost::with(|builder| builder.max_instances(64));
        let class = |name: &'static str| {
            // No instance goes but for the sake of another.
            let settings = "[class.probe]\nmemory = \"8MiB\"\nidle-timeout = \"1h\"";
            let host = &host;
            async move { host.app(name, settings).await.unwrap().class("probe").unwrap() }
        };
        let (flooded, calm) = (class("hooks").await, class("hooks-async").await);
        let calm: Vec<_> = (0..WARM).map(|warm| calm.bind(&(format!("warm{warm}"),)).unwrap()).collect();
        for warm in &calm {
            assert_eq!(warm.call::<_, u32>("count", &()).await.unwrap(), 1);
        }
        let (refusals, answered) = pour(&flooded, flood).await;
        figure(format_args!("flood: {flood} tuples, {answered} answered, refused {refusals}"));
        assert!(refusals.quantile(0.99) <= promised(5), "{refusals}");
        assert!(answered >= 1_000, "the burst goes through: {answered}");
        for warm in &calm {
            assert_eq!(warm.call::<_, u32>("count", &()).await.unwrap(), 2, "another app has the same instance");
        }
        host.host.shutdown().await;
    });
}

/// Calls that many tuples, each once: the times of those that were refused, and how many were not.
async fn pour(class: &Class, tuples: usize) -> (Times, usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (next, class) = (next.clone(), class.clone());
        callers.spawn(async move {
            let (mut refusals, mut answered) = (Times::default(), 0);
            loop {
                let tuple = next.fetch_add(1, Ordering::Relaxed);
                if tuple >= tuples {
                    return (refusals, answered);
                }
                let bound = class.bind(&(format!("t{tuple}"),)).unwrap();
                let mut time = Times::default();
                match time.time(bound.call::<_, ()>("noop", &())).await {
                    Ok(()) => answered += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Overloaded, "{error:?}");
                        refusals.0.append(&mut time.0);
                    }
                }
            }
        });
    }
    let ended = callers.join_all().await;
    let answered = ended.iter().map(|(_, answered)| answered).sum();
    (Times(ended.into_iter().flat_map(|(times, _)| times.0).collect()), answered)
}

#[test]
fn a_flood_over_http_is_answered_with_429() {
    alone(async {
        let app = |name| App {
            name,
            guest: "hooks",
            settings: "[class.probe]\nparameters = { mode = \"\" }\n[class.probe.method.count]\nweb = \"GET /count\"",
        };
        let limits = ["--max-instances", "64", "--tuple-rate", "50", "--tuple-burst", "100"];
        let server = Server::start(&[app("flood"), app("calm")], &limits);
        let kept = warm(&server).await;
        let (mut refusals, mut answered) = (Times::default(), 0);
        let mut connection = server.connect().await;
        for tuple in 0..2_000 {
            let mut time = Times::default();
            let path = format!("/flood/probe/count?mode=t{tuple}");
            let answer = time.time(connection.get(&path)).await.unwrap_or_else(|lost| panic!("{lost}"));
            match answer.status {
                200 => answered += 1,
                429 => refusals.0.append(&mut time.0),
                status => panic!("{status}: {}", answer.body),
            }
            assert!(answer.status == 200 || answer.header("retry-after").is_some(), "{answer:?}");
        }
        figure(format_args!("flood over HTTP: {answered} answered, refused {refusals}"));
        assert!(refusals.quantile(0.99) <= promised(5), "{refusals}");
        assert_eq!(warm(&server).await, kept, "another app keeps its instances");
    });
}

/// The instance that answers for each set of parameters of the other app.
async fn warm(server: &Server) -> Vec<u64> {
    let mut instances = Vec::with_capacity(WARM);
    for warm in 0..WARM {
        let answer = server.get(&format!("/calm/probe/count?mode=warm{warm}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        instances.push(answer.instance());
    }
    instances
}
