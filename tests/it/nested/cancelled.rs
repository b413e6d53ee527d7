//! Calls end with their callers.

use super::*;

fn is_at_work(app: &App, name: &str) -> bool {
    app.pools().iter().any(|pool| pool.parameters["name"] == name && pool.instances.busy > 0)
}

/// Makes a call that makes another one that does not end, and goes as soon as that is at work.
async fn leave(app: &App, call: impl Future<Output: std::fmt::Debug>) {
    let mut call = Box::pin(call);
    tokio::select! {
        ended = &mut call => panic!("it does not end: {ended:?}"),
        () = until("the nested call is at work", || is_at_work(app, "b")) => {}
    }
}

#[tokio::test]
async fn a_caller_who_goes_takes_its_calls_along() {
    let host = TestHost::new();
    let app = load(&host, "calls", "").await;
    let a = caller(&app, "a");
    leave(&app, a.call::<_, String>("relay", &([relayed("c", &[own("b", "forever", &json!([]))])],))).await;
    until("the three are gone", || ["a", "b", "c"].iter().all(|name| !is_at_work(&app, name))).await;
    host.host.shutdown().await;
}

#[tokio::test]
async fn also_one_that_shares_its_instance() {
    let host = TestHost::new();
    let app = load(&host, "calls-async", "concurrency = 4\nmax-instances = 1").await;
    let (a, idle) = (caller(&app, "a"), own("c", "forever", &json!([])));
    // Somebody else is in the instance, so it stays.
    let (idle, goes) = ((idle, 1), (own("b", "forever", &json!([])), 2));
    let stays = a.call::<_, Vec<Value>>("fan-out", &idle);
    let goes = a.call::<_, Vec<Value>>("fan-out", &goes);
    let left = async {
        leave(&app, goes).await;
        until("what it called is gone", || !is_at_work(&app, "b")).await;
        assert!(is_at_work(&app, "c") && is_at_work(&app, "a"), "the other call goes on");
        a.call::<_, String>("echo", &("still there",)).await.unwrap()
    };
    tokio::select! {
        ended = stays => panic!("it does not end: {ended:?}"),
        answer = left => assert_eq!(answer, "still there"),
    }
    assert_eq!(pool(&app, "a").starts, 1);
    host.host.shutdown().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_alone() {
    let host = TestHost::new();
    let app = load(&host, "calls-async", "").await;
    let answer: String = caller(&app, "a").call("give-up", &(own("b", "forever", &json!([])),)).await.unwrap();
    assert_eq!(answer, "ended: false");
    until("it is gone", || !is_at_work(&app, "b")).await;
    let again: String = caller(&app, "a").call("echo", &("x",)).await.unwrap();
    assert_eq!((again.as_str(), pool(&app, "a").starts), ("x", 1), "its caller goes on");
    host.host.shutdown().await;
}

#[tokio::test]
async fn calls_under_way_may_call_while_the_host_drains() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let (a, gate) = (caller(&app, "a"), caller(&app, "gate"));
    let held = gate.call::<_, ()>("forever", &());
    let steps = [own("gate", "echo", &json!(["x"])), own("b", "echo", &json!(["late"]))];
    let waits = relay(&a, &steps);
    let drained = async {
        {
            let mut held = std::pin::pin!(held);
            tokio::select! {
                _ = &mut held => panic!("it does not return"),
                () = until("it waits", || app.pools().iter().any(|pool| pool.waiting == 1)) => {}
            }
            let mut shutdown = std::pin::pin!(host.host.shutdown());
            tokio::select! {
                biased;
                () = &mut shutdown => panic!("a call runs"),
                () = std::future::ready(()) => {}
            }
        }
        host.host.shutdown().await;
    };
    let (answer, ()) = tokio::join!(waits, drained);
    assert_eq!(answer.as_deref(), Ok("\"late\""));
}
