//! Pools with real guests: whose instance a call gets, what calls share, what happens around them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use wasmhost::{App, Bound, Class, ErrorKind, InstanceId, PoolReport};
use wasmhost_tests::TestHost;

use crate::log::listen;

async fn probe(host: &TestHost, guest: &str, settings: &str) -> (App, Class) {
    let app = host.app(guest, &format!("[class.probe]\n{settings}")).await.unwrap();
    let class = app.class("probe").unwrap();
    (app, class)
}

async fn instance_of(bound: &Bound) -> InstanceId {
    bound.reply::<_, String>("echo", &("",)).await.unwrap().instance
}

/// The only pool of an app.
fn pool(app: &App) -> PoolReport {
    let [pool] = <[PoolReport; 1]>::try_from(app.pools()).expect("one pool");
    pool
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
async fn a_thousand_calls_one_after_another_meet_in_one_instance() {
    let host = TestHost::new();
    let (app, class) = probe(&host, "hooks", "max-instances = 1").await;
    let (one, other) = (class.bind(&("",)).unwrap(), class.bind(&("enter:print",)).unwrap());
    for _ in 1..1_000 {
        one.call::<_, ()>("noop", &()).await.unwrap();
    }
    assert_eq!(one.call::<_, u32>("count", &()).await.unwrap(), 1_000, "what one method leaves another one finds");
    assert_eq!(other.call::<_, u32>("count", &()).await.unwrap(), 1, "but never with other parameters");
    let pools = app.pools();
    assert!(pools.iter().all(|pool| pool.starts == 1 && pool.instances.idle == 1), "{pools:?}");
    assert_eq!(pools.iter().map(|pool| pool.calls).sum::<u64>(), 1_001);
}

#[tokio::test]
async fn parameters_given_and_defaulted_are_one_pool_whatever_their_order() {
    let host = TestHost::new();
    let app = host.host.load(wasmhost_tests::root().join("examples/parameterized")).await.unwrap();
    let class = app.class("my-class").unwrap();
    let ask = async |parameters: serde_json::Value| {
        class.bind(&parameters).unwrap().reply::<_, String>("baz", &json!({})).await.unwrap().instance
    };
    let first = ask(json!({"foo": "hedgehog", "bar": 10})).await;
    assert_eq!(ask(json!({"foo": "hedgehog"})).await, first);
    assert_eq!(ask(json!({"bar": 10, "foo": "hedgehog"})).await, first);
    assert_ne!(ask(json!({"foo": "hedgehog", "bar": 7})).await, first);
}

#[tokio::test]
async fn a_call_whose_caller_goes_gives_everything_back() {
    for guest in ["hooks", "hooks-async"] {
        let host = TestHost::new();
        let (app, class) = probe(&host, guest, "max-instances = 1").await;
        let bound = class.bind(&("",)).unwrap();
        let before = instance_of(&bound).await;
        let sleeping = bound.call::<_, ()>("behave", &("sleep",));
        let queued = bound.call::<_, String>("echo", &("x",));
        tokio::time::timeout(Duration::from_millis(50), async { tokio::join!(sleeping, queued) }).await.unwrap_err();
        until("nobody is in the pool", || pool_is_quiet(&app)).await;
        assert_ne!(
            instance_of(&bound).await,
            before,
            "{guest}: the store of a call that was cut off is not used again"
        );
        assert_eq!(pool(&app).exits, 0, "{guest}: and has no exit");
    }
}

fn pool_is_quiet(app: &App) -> bool {
    app.pools().iter().all(|pool| pool.instances.busy == 0 && pool.waiting == 0 && pool.instances.starting == 0)
}

#[tokio::test]
async fn a_failing_enter_is_told_with_when_to_try_again() {
    let host = TestHost::new();
    let (app, class) = probe(&host, "hooks", "").await;
    let bound = class.bind(&("enter:err",)).unwrap();
    for _ in 0..3 {
        let error = bound.call::<_, ()>("noop", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EnterFailed);
        assert!(error.retry_after().is_some_and(|after| after <= Duration::from_secs(1)), "{error:?}");
    }
    let pool = pool(&app);
    assert_eq!((pool.failed_starts, pool.starts), (1, 0));
    assert!(pool.last_error.is_some_and(|error| error.contains("`enter` failed")));
}

#[tokio::test]
async fn an_instance_is_recycled_after_its_last_call_and_exits() {
    let host = TestHost::new();
    let (app, class) = probe(&host, "hooks", "max-calls = 3").await;
    let bound = class.bind(&("",)).unwrap();
    let mut instances = Vec::new();
    for _ in 0..7 {
        instances.push(instance_of(&bound).await);
    }
    assert!(instances[..3].iter().all(|instance| *instance == instances[0]));
    assert!(instances[3..6].iter().all(|instance| *instance == instances[3]));
    instances.dedup();
    assert_eq!(instances.len(), 3);
    until("both have exited", || pool(&app).exits == 2).await;
}

#[tokio::test]
async fn idle_instances_exit_in_time_and_kept_ones_stay() {
    let host = TestHost::new();
    let settings = "idle-timeout = \"20ms\"\nmin-instances = [{ parameters = { mode = \"kept\" }, count = 1 }]";
    let (app, class) = probe(&host, "hooks", settings).await;
    host.host.publish(&app);
    until("one is kept ready", || app.pools().iter().any(|pool| pool.instances.idle == 1)).await;
    let kept = instance_of(&class.bind(&("kept",)).unwrap()).await;
    instance_of(&class.bind(&("other",)).unwrap()).await;
    until("the other pool is gone", || app.pools().len() == 1).await;
    assert_eq!(instance_of(&class.bind(&("kept",)).unwrap()).await, kept);
}

#[tokio::test]
async fn min_instances_of_a_class_with_parameters_says_for_which() {
    let host = TestHost::new();
    let error = host.app("hooks", "[class.probe]\nmin-instances = 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(
        error.message().contains("`class.probe.min-instances`") && error.message().contains("count = 1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_published_app_that_is_replaced_lets_its_idle_instances_exit_and_its_calls_end() {
    let host = TestHost::new();
    let (old, class) = probe(&host, "hooks", "").await;
    host.host.publish(&old);
    let bound = class.bind(&("",)).unwrap();
    let busy = bound.call::<_, ()>("pause", &(200,));
    let other = class.bind(&("x",)).unwrap();
    instance_of(&other).await;
    let replace = async {
        until("a call runs", || old.pools().iter().any(|pool| pool.instances.busy == 1)).await;
        let (new, _) = probe(&host, "hooks", "").await;
        assert_eq!(host.host.publish(&new).map(|app| app.name().to_owned()).as_deref(), Some("hooks"));
        until("the idle one has exited", || old.pools().len() == 1).await;
    };
    let (paused, ()) = tokio::join!(busy, replace);
    paused.unwrap();
    until("the busy one has exited, too", || old.pools().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_share_an_instance() {
    let host = TestHost::new();
    let (app, class) = probe(&host, "hooks-async", "concurrency = 8").await;
    let bound = class.bind(&("",)).unwrap();
    instance_of(&bound).await;
    let began = Instant::now();
    let calls = (0..8).map(|_| {
        let bound = bound.clone();
        async move { bound.reply::<_, u32>("wait", &(1_000,)).await.unwrap() }
    });
    let mut waits = tokio::task::JoinSet::new();
    calls.for_each(|call| _ = waits.spawn(call));
    let replies = waits.join_all().await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    assert!(replies.iter().all(|reply| reply.instance == replies[0].instance));
    assert_eq!(replies.iter().map(|reply| reply.value).max(), Some(8), "all were in it at once");
    assert_eq!(pool(&app).starts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_fails_the_calls_of_its_instance_and_no_other() {
    let host = TestHost::new();
    let (_app, class) = probe(&host, "hooks-async", "concurrency = 8").await;
    let (bound, other) = (class.bind(&("",)).unwrap(), class.bind(&("other",)).unwrap());
    let before = instance_of(&bound).await;
    let elsewhere = instance_of(&other).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..7 {
        let bound = bound.clone();
        calls.spawn(async move { bound.call::<_, u32>("wait", &(10_000,)).await.unwrap_err() });
    }
    let spared = tokio::task::JoinSet::from_iter([async move {
        let reply = other.reply::<_, u32>("wait", &(300,)).await.unwrap();
        (reply.instance, reply.value)
    }]);
    until("all seven are in it", || _app.pools().iter().any(|pool| pool.calls >= 8)).await;
    let error = bound.call::<_, ()>("behave", &("trap",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trapped);
    for error in calls.join_all().await {
        assert_eq!(error.kind(), ErrorKind::Trapped, "{error:?}");
    }
    assert_eq!(spared.join_all().await, [(elsewhere, 1)]);
    assert_ne!(instance_of(&bound).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_leaves_a_shared_instance_does_not_disturb_the_others() {
    let host = TestHost::new();
    let (app, class) = probe(&host, "hooks-async", "concurrency = 4\ntimeout = \"400ms\"").await;
    let bound = class.bind(&("",)).unwrap();
    let before = instance_of(&bound).await;
    let stays = bound.reply::<_, u32>("wait", &(200,));
    let goes = tokio::time::timeout(Duration::from_millis(50), bound.call::<_, ()>("wait-forever", &()));
    let (stays, goes) = tokio::join!(stays, goes);
    assert!(goes.is_err());
    assert_eq!(stays.unwrap().instance, before);
    // The task that was left behind keeps its slot; alone at its limit it takes the instance with it.
    until("the instance is given up", || pool_is_quiet(&app)).await;
    let overdue = bound.call::<_, ()>("wait-forever", &()).await.unwrap_err();
    assert_eq!((overdue.kind(), overdue.setting()), (ErrorKind::TimedOut, Some("timeout")));
    let spins = bound.call::<_, ()>("behave", &("spin",)).await.unwrap_err();
    assert_eq!((spins.kind(), spins.setting()), (ErrorKind::TimedOut, Some("timeout")));
    instance_of(&bound).await;
    host.host.shutdown().await;
    assert!(app.pools().is_empty(), "{:?}", app.pools());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_with_nobody_but_those_who_left_is_given_up() {
    let host = TestHost::new();
    let settings = "concurrency = 8\nmax-instances = 1\ntimeout = \"400ms\"";
    let (app, class) = probe(&host, "hooks-async", settings).await;
    let bound = class.bind(&("",)).unwrap();
    let before = instance_of(&bound).await;
    let overdue = bound.call::<_, u32>("wait", &(600_000,));
    let later = async {
        until("the first is in it", || app.pools().iter().any(|pool| pool.instances.busy == 1)).await;
        bound.reply::<_, u32>("wait", &(390,)).await
    };
    let (overdue, later) = tokio::join!(overdue, later);
    assert_eq!(overdue.unwrap_err().kind(), ErrorKind::TimedOut);
    // Whichever ended first: the second had its answer, or its own time was over on a busy machine.
    assert!(later.is_ok_and(|reply| reply.instance == before) || pool_is_quiet(&app));
    assert_ne!(instance_of(&bound).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_leave_a_shared_instance_fail_no_others() {
    let host = TestHost::new();
    let (_app, class) = probe(&host, "hooks-async", "concurrency = 8\nmax-instances = 2").await;
    let bound = class.bind(&("",)).unwrap();
    let leaves = async {
        for _ in 0..200 {
            let call = bound.call::<_, u32>("wait", &(500,));
            _ = tokio::time::timeout(Duration::from_millis(2), call).await;
        }
    };
    let stays = async {
        for _ in 0..400 {
            bound.call::<_, ()>("noop", &()).await.unwrap();
        }
    };
    tokio::join!(leaves, stays);
}

#[tokio::test]
async fn concurrency_is_for_classes_with_async_methods() {
    let host = TestHost::new();
    let error = host.app("hooks", "[class.probe]\nconcurrency = 8").await.unwrap_err();
    assert_eq!(error.setting(), Some("concurrency"));
    assert!(error.message().contains("`async func`"), "{error}");
}

#[tokio::test]
async fn the_hosts_places_are_shared_and_the_least_recently_used_idle_one_goes_first() {
    let host = TestHost::with(|builder| builder.max_instances(2));
    let (app, class) = probe(&host, "hooks", "").await;
    let bound = ["a", "b", "c"].map(|mode| class.bind(&(mode,)).unwrap());
    let first = instance_of(&bound[0]).await;
    let second = instance_of(&bound[1]).await;
    assert_eq!(instance_of(&bound[0]).await, first);
    instance_of(&bound[2]).await;
    assert_eq!(instance_of(&bound[0]).await, first, "used after the second");
    assert_ne!(instance_of(&bound[1]).await, second);
    assert_eq!(app.pools().iter().map(|pool| pool.instances.idle).sum::<u64>(), 2);
}

#[tokio::test]
async fn over_the_memory_budget_an_idle_instance_goes_and_never_a_busy_one() {
    const MIB: u64 = 1 << 20;
    let host = TestHost::with(|builder| builder.memory_budget_bytes(20 * MIB));
    let (app, class) = probe(&host, "hooks", "").await;
    let bound = ["a", "b", "c"].map(|mode| class.bind(&(mode,)).unwrap());
    let grow = async |bound: &Bound| bound.reply::<_, u64>("allocate", &(8 * MIB,)).await.unwrap().instance;
    let oldest = grow(&bound[0]).await;
    let second = grow(&bound[1]).await;
    assert_eq!(instance_of(&bound[0]).await, oldest, "two of them fit");
    // The one used least recently is busy, so the other goes.
    let busy = bound[1].reply::<_, ()>("pause", &(300,));
    let grows = async {
        until("the second is busy", || app.pools().iter().any(|pool| pool.instances.busy == 1)).await;
        grow(&bound[2]).await;
        until("one has gone", || app.pools().len() == 2).await;
    };
    let (busy, ()) = tokio::join!(busy, grows);
    assert_eq!(busy.unwrap().instance, second);
    assert_ne!(instance_of(&bound[0]).await, oldest);
}

#[tokio::test]
async fn what_became_of_a_tuple_goes_on_to_count_when_it_comes_back() {
    let host = TestHost::with(|builder| builder.max_instances(1));
    let (app, class) = probe(&host, "hooks", "").await;
    let bound = ["a", "b"].map(|mode| class.bind(&(mode,)).unwrap());
    for _ in 0..2 {
        instance_of(&bound[0]).await;
        instance_of(&bound[1]).await;
    }
    until("only the last is there", || app.pools().len() == 1).await;
    let PoolReport { parameters, calls, starts, exits, evictions, .. } = pool(&app);
    assert_eq!(parameters, json!({"mode": "b"}));
    assert_eq!((calls, starts, exits, evictions), (2, 2, 1, 1));
}

/// The spans that were made.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Made>>>);

/// A span's name, whether it stands alone, and the number of its instance.
type Made = (&'static str, bool, String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let is_alone = context.span(id).unwrap().parent().is_none();
        let span = (attributes.metadata().name(), is_alone, String::new());
        self.0.lock().unwrap().insert(id.into_u64(), span);
        attributes.record(&mut Number(self, id));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Number(self, id));
    }
}

/// Reads the number of the instance off a span.
struct Number<'a>(&'a Spans, &'a Id);

impl Visit for Number<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "instance"
            && let Some((_, _, instance)) = self.0.0.lock().unwrap().get_mut(&self.1.into_u64())
        {
            *instance = format!("{value:?}");
        }
    }
}

#[tokio::test]
async fn starts_exits_and_shared_instances_have_spans_of_their_own() {
    let spans = Spans::default();
    let _listening = listen(tracing_subscriber::registry().with(spans.clone()));
    let host = TestHost::new();
    let (_app, class) = probe(&host, "hooks-async", "concurrency = 8").await;
    let bound = class.bind(&("",)).unwrap();
    let instance = instance_of(&bound).instrument(tracing::info_span!("caller")).await.to_string();
    host.host.shutdown().await;
    let spans: Vec<_> = spans.0.lock().unwrap().values().cloned().collect();
    for name in ["start", "instance", "exit"] {
        let of_name: Vec<_> = spans.iter().filter(|(found, ..)| *found == name).collect();
        assert_eq!(of_name, [&(name, true, instance.clone())], "{spans:?}");
    }
    assert!(spans.iter().any(|(name, is_alone, _)| *name == "call" && !is_alone), "the call is in its caller's");
}
