//! Calls that could only wait for their own callers: told within a tenth of a second, and no others.

use super::*;

/// What a call must not take that is refused for its circle.
const SOON: Duration = Duration::from_millis(100);

/// Does it again until it was done soon, on a machine that others use, too. Gives the last answer.
async fn soon<T>(mut attempt: impl AsyncFnMut() -> (Duration, T)) -> T {
    let mut took = Vec::new();
    loop {
        let (time, answer) = attempt().await;
        if time < SOON {
            return answer;
        }
        took.push(time);
        assert!(took.len() < 10, "never within {SOON:?}: {took:?}");
    }
}

/// A call that fails, and how long that takes.
async fn refused(caller: &Bound, step: &Value) -> (Duration, String) {
    let began = Instant::now();
    let error = relay(caller, std::slice::from_ref(step)).await.unwrap_err();
    (began.elapsed(), error)
}

#[tokio::test]
async fn a_method_that_calls_its_own_pool_is_told() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let a = caller(&app, "a");
    a.call::<_, String>("echo", &("warm",)).await.unwrap();
    let step = own("a", "echo", &json!(["x"]));
    let error = soon(async || refused(&a, &step).await).await;
    assert!(error.starts_with("would-deadlock: the call would wait for an instance"), "{error}");
    assert!(
        error.contains("`max-instances` of `caller` with the parameters {\"name\":\"a\"} is 1, and all"),
        "{error}"
    );
    assert_eq!((pool(&app, "a").starts, pool(&app, "a").waiting), (1, 0), "the caller goes on");

    let roomy = load(&host, "calls", "max-instances = 2").await;
    assert_eq!(relay(&caller(&roomy, "a"), &[step]).await.as_deref(), Ok("\"x\""));
    host.host.shutdown().await;
}

#[tokio::test]
async fn a_chain_that_comes_back_is_told() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let (a, b) = (caller(&app, "a"), caller(&app, "b"));
    for warm in [&a, &b] {
        warm.call::<_, String>("echo", &("warm",)).await.unwrap();
    }
    let chain = relayed("b", &[own("a", "echo", &json!(["x"]))]);
    let error = soon(async || refused(&a, &chain).await).await;
    assert!(error.starts_with("returned-error: `relay` returned an error: \"would-deadlock: "), "{error}");

    let roomy = load(&host, "calls", "max-instances = 2").await;
    assert_eq!(relay(&caller(&roomy, "a"), &[chain]).await.as_deref(), Ok(r#""\"x\"""#));
    host.host.shutdown().await;
}

#[tokio::test]
async fn of_two_chains_that_wait_for_each_other_one_is_told_and_the_other_ends() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let answers = soon(async || at_the_gate(&app).await).await;
    let told: Vec<_> = [&answers.0, &answers.1].into_iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(told.len() == 1 && told[0].starts_with("would-deadlock: "), "{answers:?}");
    host.host.shutdown().await;
}

/// Two calls that take their instances, wait at a gate and then call each other; and how long that takes once it is open.
async fn at_the_gate(app: &App) -> (Duration, (Result<String, String>, Result<String, String>)) {
    let (a, b, gate) = (caller(app, "a"), caller(app, "b"), caller(app, "gate"));
    let chain = |to: &str| [own("gate", "echo", &json!(["x"])), own(to, "echo", &json!([to]))];
    let (to_b, to_a) = (chain("b"), chain("a"));
    let both = async { tokio::join!(relay(&a, &to_b), relay(&b, &to_a)) };
    let opened = async {
        // Until this call is dropped the only instance of the gate is taken.
        let mut held = Box::pin(gate.call::<_, ()>("forever", &()));
        let is_waited_for = |pool: &PoolReport| pool.parameters["name"] == "gate" && pool.waiting == 2;
        tokio::select! {
            ended = &mut held => panic!("it does not return: {ended:?}"),
            () = until("both wait at the gate", || app.pools().iter().any(is_waited_for)) => {}
        }
        Instant::now()
    };
    let (opened, answers) = tokio::join!(opened, both);
    (opened.elapsed(), answers)
}

#[tokio::test]
async fn calls_that_share_the_only_instance_are_a_circle_once_its_slots_are_full() {
    let host = TestHost::new();
    let app = load(&host, "calls-async", "max-instances = 1\nconcurrency = 2").await;
    let a = caller(&app, "a");
    let inside = own("a", "echo", &json!(["x"]));
    let answers: Vec<Value> = a.call("fan-out", &(&inside, 3)).await.unwrap();
    assert!(
        answers.iter().all(|answer| answer["ok"] == "\"x\""),
        "one slot is left, which they take in turn: {answers:?}"
    );
    // Two calls that have both slots and call a third: the second to ask is told.
    let deeper = step("caller", "fan-out", &json!(["a"]), &json!([inside, 1]));
    let answers: Vec<Value> = a.call("fan-out", &(deeper, 1)).await.unwrap();
    let told = answers[0]["ok"].as_str().unwrap();
    assert!(
        told.contains("would-deadlock: ") && told.contains("with 2 calls in each") && told.contains("or `concurrency`"),
        "{told}"
    );
    host.host.shutdown().await;
}

#[tokio::test]
async fn who_only_waits_its_turn_is_not_told_anything() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let (a, b, c) = (caller(&app, "a"), caller(&app, "b"), caller(&app, "c"));
    let through = [own("shared", "echo", &json!(["x"]))];
    let through = &through;
    let calls = (0..50).flat_map(|_| [&a, &b, &c]).map(|caller| relay(caller, through));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.as_deref(), Ok("\"x\""));
    }
    assert_eq!(pool(&app, "shared").starts, 1);
    host.host.shutdown().await;
}

#[tokio::test]
async fn a_chain_that_takes_all_places_of_the_host_is_told() {
    let host = TestHost::with(|builder| builder.max_instances(3));
    let app = load(&host, "calls", "").await;
    let mut chain = own("e", "echo", &json!(["x"]));
    for name in ["d", "c", "b"] {
        chain = relayed(name, &[chain]);
    }
    // The call for `d` would be the fourth instance.
    let error = soon_or_told(&caller(&app, "a"), &chain).await;
    assert!(error.contains("would-deadlock: ") && error.contains("all 3 of the host are at work"), "{error}");
    // With an idle instance that goes for it, it works.
    let short = relayed("b", &[own("c", "echo", &json!(["x"]))]);
    assert!(relay(&caller(&app, "a"), &[short]).await.is_ok());
    let other = relayed("e", &[own("f", "echo", &json!(["x"]))]);
    assert!(relay(&caller(&app, "d"), &[other]).await.is_ok());
    host.host.shutdown().await;
}

/// What a chain is told, long before anybody would have waited for too long.
async fn soon_or_told(caller: &Bound, chain: &Value) -> String {
    let answer = relay(caller, std::slice::from_ref(chain));
    tokio::time::timeout(Duration::from_secs(15), answer)
        .await
        .expect("it does not wait for `wait-timeout`")
        .unwrap_err()
}

#[tokio::test]
async fn the_form_that_blocks_is_refused_where_calls_share_the_instance() {
    let host = TestHost::new();
    let app = load(&host, "calls-async", "max-instances = 1\nconcurrency = 4").await;
    let step = (own("b", "echo", &json!(["x"])),);
    let error = caller(&app, "a").call::<_, String>("blocking", &step).await.unwrap_err();
    let error = error.value().and_then(Value::as_str).expect("the method's own").to_owned();
    assert!(error.starts_with("conflict: `call` holds up all calls of the instance"), "{error}");
    let alone = load(&host, "calls-async", "").await;
    let answer: String = caller(&alone, "a").call("blocking", &step).await.unwrap();
    assert_eq!(answer, "\"x\"");
    host.host.shutdown().await;
}
