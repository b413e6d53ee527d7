//! Calls that could only wait for their own callers: told within a tenth of a second, and no others.

use super::*;

/// What a call must not take that is refused for its circle.
const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_method_that_calls_its_own_pool_is_told() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let a = caller(&app, "a");
    a.call::<_, String>("echo", &("warm",)).await.unwrap();
    let step = own("a", "echo", &json!(["x"]));
    let began = Instant::now();
    let error = relay(&a, std::slice::from_ref(&step)).await.unwrap_err();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(error.starts_with("would-deadlock: the call would wait for an instance"), "{error}");
    assert!(error.contains("there are 1 for these parameters") && error.contains("`max-instances`"), "{error}");
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
    let began = Instant::now();
    let error = relay(&a, std::slice::from_ref(&chain)).await.unwrap_err();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(error.starts_with("returned-error: `relay` returned an error: \"would-deadlock: "), "{error}");

    let roomy = load(&host, "calls", "max-instances = 2").await;
    assert_eq!(relay(&caller(&roomy, "a"), &[chain]).await.as_deref(), Ok(r#""\"x\"""#));
    host.host.shutdown().await;
}

#[tokio::test]
async fn of_two_chains_that_wait_for_each_other_one_is_told_and_the_other_ends() {
    let host = TestHost::new();
    let app = load(&host, "calls", "max-instances = 1").await;
    let (a, b, gate) = (caller(&app, "a"), caller(&app, "b"), caller(&app, "gate"));
    // Both wait at the gate with their own instance taken, until the call that has the gate goes.
    let held = gate.call::<_, ()>("forever", &());
    let chain = |to: &str| [own("gate", "echo", &json!(["x"])), own(to, "echo", &json!([to]))];
    let (to_b, to_a) = (chain("b"), chain("a"));
    let both = async { tokio::join!(relay(&a, &to_b), relay(&b, &to_a)) };
    let opened = async {
        {
            let mut held = std::pin::pin!(held);
            let waits = until("both wait at the gate", || {
                app.pools().iter().any(|pool| pool.parameters["name"] == "gate" && pool.waiting == 2)
            });
            tokio::select! {
                _ = &mut held => panic!("it does not return"),
                () = waits => {}
            }
        }
        Instant::now()
    };
    let (opened, answers) = tokio::join!(opened, both);
    // The gate's instance is made anew first.
    assert!(opened.elapsed() < Duration::from_secs(5), "{:?}", opened.elapsed());
    let refused = [&answers.0, &answers.1].into_iter().filter(|answer| answer.is_err()).count();
    assert_eq!(refused, 1, "{answers:?}");
    let told = answers.0.as_ref().err().or(answers.1.as_ref().err()).unwrap();
    assert!(told.starts_with("would-deadlock: "), "{told}");
    host.host.shutdown().await;
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
    assert!(told.contains("would-deadlock: ") && told.contains("with 2 calls in each"), "{told}");
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
