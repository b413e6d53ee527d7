//! Calls that guests make: whose instance they get, what they are told, and that they never wait for themselves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmhost::{App, Bound, ErrorKind, PoolReport};
use wasmhost_tests::TestHost;

mod cancelled;
mod circles;
mod entrypoints;

/// A call for a guest to make.
fn step(class: &str, method: &str, parameters: &Value, arguments: &Value) -> Value {
    json!({
        "class": class, "method": method, "parameters": parameters.to_string(), "arguments": arguments.to_string()
    })
}

/// A call of the guest's own class, in the instances of this name.
fn own(name: &str, method: &str, arguments: &Value) -> Value {
    step("caller", method, &json!([name]), arguments)
}

/// A call that makes others itself.
fn relayed(name: &str, steps: &[Value]) -> Value {
    own(name, "relay", &json!([steps]))
}

async fn load(host: &TestHost, guest: &str, settings: &str) -> App {
    host.app(guest, &format!("[class.caller]\n{settings}")).await.unwrap()
}

fn caller(app: &App, name: &str) -> Bound {
    app.class("caller").unwrap().bind(&(name,)).unwrap()
}

async fn relay(bound: &Bound, steps: &[Value]) -> Result<String, String> {
    let answer: wasmhost::Result<String> = bound.call("relay", &(steps,)).await;
    answer.map_err(|error| match error.kind() {
        ErrorKind::ReturnedError => error.value().unwrap().as_str().unwrap().to_owned(),
        _ => panic!("{error:?}"),
    })
}

fn pool(app: &App, name: &str) -> PoolReport {
    let named = json!({ "name": name });
    app.pools().into_iter().find(|pool| pool.parameters == named).unwrap_or_else(|| panic!("no pool for {name}"))
}

/// Waits until what a host tells of itself is as it should be.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_method_calls_another_pool_and_gets_its_answer() {
    let host = TestHost::new();
    let app = load(&host, "calls", "").await;
    let answer = relay(&caller(&app, "a"), &[own("b", "echo", &json!({ "text": "hi" }))]).await;
    assert_eq!(answer.as_deref(), Ok(r#""hi""#), "JSON, as every way in gives it");
    assert_eq!((pool(&app, "a").calls, pool(&app, "b").calls), (1, 1));
    // By the class's full name as well, by position as by name, and nothing where there is nothing.
    let full = step("test:calls/caller", "echo", &json!(["b"]), &json!(["again"]));
    assert_eq!(relay(&caller(&app, "a"), &[full]).await.as_deref(), Ok(r#""again""#));
    let text = own("b", "relay", &json!({ "steps": [] }));
    assert_eq!(relay(&caller(&app, "a"), &[text]).await.as_deref(), Ok(r#""""#));
    assert_eq!((pool(&app, "b").starts, pool(&app, "b").calls), (1, 3), "one instance, used again");
    host.host.shutdown().await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_by_its_kind() {
    let host = TestHost::new();
    let app = load(&host, "calls", "allow-calls = [\"listed\"]").await;
    let a = caller(&app, "a");
    let cases = [
        (
            step("caler", "echo", &json!(["b"]), &json!(["x"])),
            "not-found: the app `calls` has no class `caler`; did you mean `caller`?",
        ),
        (own("b", "eco", &json!(["x"])), "not-found: the class `caller` has no method `eco`; did you mean `echo`?"),
        (
            own("b", "echo", &json!({ "txt": "x" })),
            "bad-request: unknown argument `txt`; did you mean `text`? known: `text`",
        ),
        (own("b", "echo", &json!({})), "bad-request: missing argument `text` (a string)"),
        (step("caller", "echo", &json!({}), &json!(["x"])), "bad-request: missing parameter `name` (a string)"),
        (
            step("else/caller", "echo", &json!({}), &json!(["x"])),
            "forbidden: the app `calls` may not call the app `else` from here; the setting is the calling class's `allow-calls`",
        ),
        (
            step("listed/caller", "echo", &json!({}), &json!(["x"])),
            "not-found: there is no app `listed`; there are no apps",
        ),
        (
            own("b", "refuse", &json!(["not now"])),
            "returned-error: `refuse` returned an error: \"not now\" <\"not now\">",
        ),
    ];
    for (step, told) in cases {
        assert_eq!(relay(&a, &[step]).await, Err(told.to_owned()));
    }
    let not_json = json!({ "class": "caller", "method": "echo", "parameters": "{", "arguments": "{}" });
    let error = relay(&a, &[not_json]).await.unwrap_err();
    assert!(error.starts_with("bad-request: "), "{error}");
    let trapped = relay(&a, &[own("b", "panics", &json!([]))]).await.unwrap_err();
    assert!(trapped.starts_with("trapped: `panics` trapped: wasm `unreachable`"), "{trapped}");
    assert_eq!(pool(&app, "a").starts, 1, "whoever calls somebody who fails goes on");
    host.host.shutdown().await;
}

#[tokio::test]
async fn an_instance_knows_who_it_is() {
    let host = TestHost::new();
    let app = load(&host, "calls", "timeout = \"7s\"").await;
    let who: Vec<String> = caller(&app, "a").call("who", &()).await.unwrap();
    let expected = [
        "app calls",
        "version None",
        "class Some(\"caller\")",
        "parameters {\"name\":\"a\"}",
        "call known",
        "seconds Some(7)",
    ];
    assert_eq!(who, expected);
    host.host.shutdown().await;
}

#[tokio::test]
async fn a_nested_call_has_no_more_time_than_its_caller() {
    let host = TestHost::new();
    let settings = "timeout = \"60s\"";
    let app = load(&host, "calls-async", settings).await;
    let slow = load(&host, "calls", "timeout = \"2s\"\nallow-calls = [\"calls-async\"]").await;
    host.host.publish(&slow);
    host.host.publish(&app);
    // Two seconds of the caller, sixty of the one it calls.
    let step = step("calls-async/caller", "who", &json!(["x"]), &json!([own("y", "echo", &json!(["z"]))]));
    let answer = relay(&caller(&slow, "a"), &[step]).await.unwrap();
    let answer: Vec<String> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer[3], "Some(2)");
    assert!(!answer[0].is_empty() && answer[0] == answer[2], "one call has one number: {answer:?}");
    let error = caller(&slow, "a").call::<_, String>("relay", &([own("b", "forever", &json!([]))],)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    until("nothing is left of both", || slow.pools().iter().all(|pool| pool.instances.busy == 0)).await;
    host.host.shutdown().await;
}

#[tokio::test]
async fn hooks_call_nobody() {
    let host = TestHost::new();
    let app = load(&host, "calls", "").await;
    let error = caller(&app, "from-enter").call::<_, String>("echo", &("x",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EnterFailed);
    assert!(error.to_string().contains("calls are made from methods and entrypoints"), "{error}");
    host.host.shutdown().await;
}

#[tokio::test]
async fn calls_that_share_an_instance_call_in_their_own_names() {
    let host = TestHost::new();
    let app = load(&host, "calls-async", "max-instances = 1\nconcurrency = 8").await;
    let shared = caller(&app, "a");
    let ask = (own("b", "echo", &json!(["x"])),);
    let asks = (0..8).map(|_| shared.call::<_, Vec<String>>("who", &ask));
    let answers = futures_util::future::join_all(asks).await;
    let mut numbers = Vec::new();
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!((&answer[0], answer[1].as_str()), (&answer[2], "\"x\""), "{answer:?}");
        numbers.push(answer[0].clone());
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 8, "each has a number of its own");
    assert_eq!(pool(&app, "a").starts, 1);
    host.host.shutdown().await;
}

#[tokio::test]
async fn depth_and_width_are_bounded_by_settings() {
    let host = TestHost::with(|builder| builder.max_call_depth(3).max_nested_calls(5));
    let app = load(&host, "calls", "").await;
    let mut chain = own("e", "echo", &json!(["deep"]));
    for name in ["d", "c"] {
        chain = relayed(name, &[chain]);
    }
    assert!(relay(&caller(&app, "b"), std::slice::from_ref(&chain)).await.unwrap().contains("deep"));
    let error = relay(&caller(&app, "a"), &[relayed("b", &[chain])]).await.unwrap_err();
    assert!(error.contains("too-large: calls stand 3 deep already"), "{error}");
    assert!(error.contains("`max-call-depth`"), "{error}");

    let wide = load(&host, "calls-async", "allow-calls = [\"calls\"]").await;
    // They end by their own limit, so that all are there when the last one comes.
    host.host.publish(&load(&host, "calls", "timeout = \"500ms\"").await);
    let forever = step("calls/caller", "forever", &json!(["b"]), &json!([]));
    let answers: Vec<Value> = caller(&wide, "a").call("fan-out", &(forever, 6)).await.unwrap();
    let told: Vec<_> = answers.iter().filter_map(|answer| answer["err"].as_str()).collect();
    assert_eq!(
        told.iter().filter(|told| told.starts_with("timed-out: `forever` ran longer than 500ms")).count(),
        5,
        "{told:?}"
    );
    assert!(told[5].starts_with("overloaded: 5 calls that this one made are under way"), "{told:?}");
    assert!(told[5].contains("`max-nested-calls`"), "{told:?}");
    host.host.shutdown().await;
}

#[tokio::test]
async fn a_thousand_calls_at_once_end_on_four_instances() {
    let host = TestHost::with(|builder| builder.max_nested_calls(1_000));
    let app = load(&host, "calls-async", "max-instances = 4").await;
    let step = own("b", "echo", &json!(["x"]));
    let answers: Vec<Value> = caller(&app, "a").call("fan-out", &(step, 1_000)).await.unwrap();
    assert_eq!(answers.len(), 1_000);
    assert!(answers.iter().all(|answer| answer["ok"] == "\"x\""), "{:?}", answers.iter().find(|a| a["ok"].is_null()));
    assert!(pool(&app, "b").starts <= 4);

    // And a thousand callers of a pool that calls itself: those who can go on do, and nobody waits for ever.
    let recursive = load(&host, "calls", "max-instances = 4").await;
    let deep = caller(&recursive, "a");
    let calls = (0..1_000).map(|_| async { relay(&deep, &[own("a", "echo", &json!(["x"]))]).await });
    let answers = futures_util::future::join_all(calls).await;
    let ended = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(ended > 0, "none of them ended well");
    let odd = answers.iter().find(|answer| matches!(answer, Err(error) if !error.starts_with("would-deadlock: ")));
    assert_eq!(odd, None);
    assert_eq!(pool(&recursive, "a").waiting, 0);
    host.host.shutdown().await;
}
