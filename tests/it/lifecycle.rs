//! One instance's life with real guests: what each hook and method may do wrong, and what follows.
//!
//! Every promise is checked with sync and with async hooks and methods: [`GUESTS`].

use std::time::{Duration, Instant};

use serde_json::json;
use wasmhost::{App, Class, Error, ErrorKind, Instance};
use wasmhost_tests::TestHost;

/// The guests with the same hooks and behaviours, once as `func` and once as `async func`.
const GUESTS: [&str; 2] = ["hooks", "hooks-async"];

/// Settings under which a hook that never ends is stopped soon. `more` are settings of the class.
fn settings(more: &str) -> String {
    format!(
        "[class.probe]\nmemory = \"16MiB\"\nbuild-timeout = \"300ms\"\nenter-timeout = \"300ms\"\ntimeout = \"300ms\"\n\
         exit-timeout = \"300ms\"\n{more}"
    )
}

async fn probe(host: &TestHost, guest: &str, more: &str) -> Class {
    app(host, guest, more).await.class("probe").unwrap()
}

async fn app(host: &TestHost, guest: &str, more: &str) -> App {
    host.app(guest, &settings(more)).await.unwrap()
}

async fn enter(class: &Class, mode: &str) -> Result<Instance, Error> {
    class.bind(&(mode,)).unwrap().start().await
}

async fn behave(instance: &Instance, how: &str) -> Result<(), Error> {
    instance.call("behave", &(how,)).await
}

#[tokio::test]
async fn hooks_run_once_and_in_order() {
    for guest in GUESTS {
        let host = TestHost::new();
        let instance = enter(&probe(&host, guest, "").await, "").await.unwrap();
        let first: Vec<String> = instance.call("journal", &()).await.unwrap();
        assert_eq!(first, ["build", "enter mode="], "{guest}");
        for calls in 2..5u32 {
            assert_eq!(
                instance.call::<_, u32>("count", &()).await.unwrap(),
                calls,
                "{guest}: the same instance serves every call"
            );
        }
        instance.exit().await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_build_or_enter_tells_why_and_runs_no_exit() {
    for guest in GUESTS {
        for (hook, kind) in [("build", ErrorKind::BuildFailed), ("enter", ErrorKind::EnterFailed)] {
            for how in ["err", "panic", "trap", "exit"] {
                let host = TestHost::new();
                let out = host.dir().join("out");
                std::fs::create_dir(&out).unwrap();
                std::fs::write(out.join("journal"), "").unwrap();
                let mount = format!(
                    "mounts = [{{ host = {:?}, path = \"/out\", write = true }}]\nenv = {{ MODE_{} = \"print+{how}\" }}",
                    out.display(),
                    hook.to_uppercase()
                );
                let error = match host.app(guest, &settings(&mount)).await {
                    Ok(app) => enter(&app.class("probe").unwrap(), "").await.unwrap_err(),
                    Err(error) => error,
                };
                let what = format!("{guest} {hook} {how}: {error:?}");
                assert_eq!(error.kind(), kind, "{what}");
                assert!(error.message().contains(&format!("`{hook}`")), "{what}");
                match how {
                    "err" => assert_eq!(error.value(), Some(&json!("failed on demand")), "{what}"),
                    "panic" => {
                        let stderr = error.guest_stderr().unwrap();
                        assert!(
                            stderr.contains("printed on stderr") && stderr.contains("panicked on demand"),
                            "{what}"
                        );
                    }
                    "trap" => assert_names_the_function(&error),
                    _ => assert!(error.message().contains("exit code"), "{what}"),
                }
                host.host.shutdown().await;
                assert_eq!(std::fs::read_to_string(out.join("journal")).unwrap(), "", "{what}: no exit ran");
            }
        }
    }
}

#[tokio::test]
async fn a_methods_own_error_leaves_the_instance() {
    for guest in GUESTS {
        let host = TestHost::new();
        let instance = enter(&probe(&host, guest, "").await, "").await.unwrap();
        for _ in 0..3 {
            let error = instance.call::<_, String>("fail", &("no luck",)).await.unwrap_err();
            assert_eq!((error.kind(), error.value()), (ErrorKind::ReturnedError, Some(&json!("no luck"))), "{guest}");
        }
        assert_eq!(instance.call::<_, u32>("count", &()).await.unwrap(), 4, "{guest}");
        assert!(instance.is_ready().await);
    }
}

#[tokio::test]
async fn a_typed_error_keeps_its_type() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Problem {
        NotFound(String),
        TooLarge(u32),
        Unlucky,
    }
    let host = TestHost::new();
    let instance = enter(&probe(&host, "hooks", "").await, "").await.unwrap();
    let mut refused = Vec::new();
    for code in 0..3u32 {
        let error = instance.call::<_, u32>("refuse", &(code,)).await.unwrap_err();
        refused.push(serde_json::from_value::<Problem>(error.value().unwrap().clone()).unwrap());
    }
    assert!(matches!(&refused[..], [Problem::NotFound(_), Problem::TooLarge(_), Problem::Unlucky]), "{refused:?}");
}

#[tokio::test]
async fn a_trap_fails_that_call_and_ends_the_instance_without_exit() {
    for guest in GUESTS {
        for how in ["panic", "trap", "exit"] {
            let host = TestHost::new();
            let instance = enter(&probe(&host, guest, "").await, "exit:print").await.unwrap();
            let error = behave(&instance, how).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Trapped, "{guest} {how}: {error:?}");
            if how == "trap" {
                assert_names_the_function(&error);
            }
            assert!(!instance.is_ready().await, "{guest} {how}");
            let again = instance.call::<_, u32>("count", &()).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::Conflict, "{guest} {how}: {again:?}");
            instance.exit().await.unwrap();
            assert!(!host.printed.texts().contains(&"printed on stdout".to_owned()), "{guest} {how}: no exit ran");
        }
    }
}

#[tokio::test]
async fn an_exit_that_fails_is_told_and_holds_nothing_up() {
    for guest in GUESTS {
        for (how, kind) in [
            ("err", ErrorKind::ReturnedError),
            ("panic", ErrorKind::Trapped),
            ("trap", ErrorKind::Trapped),
            ("spin", ErrorKind::TimedOut),
            ("sleep", ErrorKind::TimedOut),
            ("allocate", ErrorKind::MemoryExceeded),
        ] {
            let host = TestHost::new();
            let instance = enter(&probe(&host, guest, "").await, &format!("exit:print+{how}")).await.unwrap();
            let error = instance.exit().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{guest} {how}: {error:?}");
            if how == "trap" {
                assert_names_the_function(&error);
            }
            let started = host.printed.texts().iter().filter(|text| *text == "printed on stdout").count();
            assert_eq!(started, 1, "{guest} {how}: exit ran once");
        }
    }
}

#[tokio::test]
async fn an_instance_exits_with_its_host_and_an_exit_that_fails_does_not_spoil_its_calls() {
    for guest in GUESTS {
        let host = TestHost::new();
        let class = probe(&host, guest, "").await;
        let bound = class.bind(&("exit:print+err",)).unwrap();
        let text: String = bound.call("echo", &("hello",)).await.unwrap();
        assert_eq!(text, "hello", "{guest}");
        class.bind(&("",)).unwrap().call::<_, ()>("noop", &()).await.unwrap();
        assert!(!host.printed.texts().contains(&"printed on stdout".to_owned()), "{guest}: it stays warm");
        host.host.shutdown().await;
        assert!(host.printed.texts().contains(&"printed on stdout".to_owned()), "{guest}: exit ran");
        let metrics = host.host.metrics();
        for outcome in ["ok", "failed"] {
            let exits = format!(r#"wasmhost_exits_total{{app="{guest}",class="probe",outcome="{outcome}"}} 1"#);
            assert!(metrics.contains(&exits), "{exits}: {metrics}");
        }
    }
}

#[tokio::test]
async fn shutdown_exits_every_sound_instance_once_and_in_parallel() {
    for guest in GUESTS {
        let host = TestHost::new();
        let out = host.dir().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("journal"), "").unwrap();
        let mount = format!("mounts = [{{ host = {:?}, path = \"/out\", write = true }}]", out.display());
        let class = probe(&host, guest, &mount).await;
        let sound = [enter(&class, "a").await.unwrap(), enter(&class, "b").await.unwrap()];
        let broken = enter(&class, "broken").await.unwrap();
        behave(&broken, "trap").await.unwrap_err();
        let mut slow = Vec::new();
        for _ in 0..3 {
            slow.push(enter(&class, "exit:sleep").await.unwrap());
        }
        let started = Instant::now();
        host.host.shutdown().await;
        let took = started.elapsed();
        let mut exits: Vec<_> =
            std::fs::read_to_string(out.join("journal")).unwrap().lines().map(str::to_owned).collect();
        exits.sort();
        let slept = "exit mode=exit:sleep";
        assert_eq!(exits, ["exit mode=a", "exit mode=b", slept, slept, slept], "{guest}");
        assert!(
            took < Duration::from_millis(3 * 300),
            "{guest}: three exits of 300 ms took {took:?}, one after another"
        );
        let refused = sound[0].call::<_, u32>("count", &()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Draining, "{guest}");
        assert_eq!(enter(&class, "late").await.unwrap_err().kind(), ErrorKind::Draining, "{guest}");
    }
}

#[tokio::test]
async fn a_running_call_is_waited_for_at_shutdown_and_cancelled_after_its_grace() {
    for guest in GUESTS {
        let host = TestHost::with(|builder| builder.drain_timeout(Duration::from_millis(100)));
        let class = probe(&host, guest, "timeout = \"20s\"".replace("timeout", "idle-timeout").as_str()).await;
        let instance = enter(&class, "exit:print").await.unwrap();
        let call = behave(&instance, "sleep");
        let shutdown = async {
            // The call is under way once it was polled: `join` polls it first.
            host.host.shutdown().await;
        };
        let (called, ()) = tokio::join!(call, shutdown);
        assert_eq!(called.unwrap_err().kind(), ErrorKind::Draining, "{guest}");
        assert!(
            !host.printed.texts().contains(&"printed on stdout".to_owned()),
            "{guest}: a cancelled instance has no exit"
        );
    }
}

#[tokio::test]
async fn a_running_call_that_ends_within_the_grace_has_its_answer_and_its_exit() {
    let host = TestHost::new();
    let instance = enter(&probe(&host, "hooks", "").await, "exit:print").await.unwrap();
    let call = instance.call::<_, ()>("pause", &(50,));
    let (called, ()) = tokio::join!(call, host.host.shutdown());
    called.unwrap();
    assert!(host.printed.texts().contains(&"printed on stdout".to_owned()), "exit ran");
}

#[tokio::test]
async fn a_second_shutdown_waits_for_the_exits_of_the_first_even_if_that_was_dropped() {
    let host = TestHost::new();
    let _instance = enter(&probe(&host, "hooks", "").await, "exit:sleep+print").await.unwrap();
    let started = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(50), host.host.shutdown()).await.is_err(), "exit takes 300 ms");
    tokio::join!(host.host.shutdown(), host.host.shutdown());
    assert!(started.elapsed() >= Duration::from_millis(300), "both waited for the exit that the first began");
}

#[tokio::test]
async fn a_cancelled_call_ends_its_instance_without_exit() {
    for guest in GUESTS {
        let host = TestHost::new();
        let instance = enter(&probe(&host, guest, "").await, "exit:print").await.unwrap();
        {
            let mut call = std::pin::pin!(behave(&instance, "sleep"));
            // Polled until the guest waits in the host, and then dropped.
            assert!(tokio::time::timeout(Duration::from_millis(50), &mut call).await.is_err(), "{guest}");
        }
        assert!(!instance.is_ready().await, "{guest}");
        instance.exit().await.unwrap();
        assert!(!host.printed.texts().contains(&"printed on stdout".to_owned()), "{guest}: no exit ran");
    }
}

#[tokio::test]
async fn a_dropped_instance_exits_in_the_background_before_shutdown_returns() {
    for guest in GUESTS {
        let host = TestHost::new();
        drop(enter(&probe(&host, guest, "").await, "exit:print").await.unwrap());
        host.host.shutdown().await;
        assert!(host.printed.texts().contains(&"printed on stdout".to_owned()), "{guest}: exit ran");
    }
}

#[tokio::test]
async fn each_line_says_whose_it_is() {
    for guest in GUESTS {
        let host = TestHost::new();
        let class = probe(&host, guest, "").await;
        let instance = enter(&class, "enter:print").await.unwrap();
        let lines = host.printed.lines();
        assert_eq!(lines.len(), 2, "{guest}: {lines:?}");
        for line in lines {
            assert_eq!((line.origin.app.as_str(), line.origin.class.as_str()), (guest, "probe"));
            assert_eq!(line.origin.parameters, r#"{"mode":"enter:print"}"#);
            assert_eq!(line.origin.instance, instance.id().to_string());
        }
    }
}

#[tokio::test]
async fn hooks_can_be_renamed_and_turned_off() {
    let host = TestHost::new();
    let off = host.app("hooks", "[class.probe]\nhooks = false").await.unwrap().class("probe").unwrap();
    assert_eq!(off.parameters().len(), 0);
    assert!(off.method("enter").is_ok() && off.method("build").is_ok(), "what is no hook is a method");

    let renamed = host.app("hooks", "[class.probe]\nhooks = { exit = \"noop\", build = false }").await.unwrap();
    let renamed = renamed.class("probe").unwrap();
    assert!(renamed.method("noop").is_err() && renamed.method("exit").is_ok());

    let error = host.app("hooks", "[class.probe]\nhooks = { exit = \"echo\" }").await.unwrap_err();
    assert!(error.message().contains("`echo`") && error.message().contains("takes an argument"), "{error}");
    let error = host.app("hooks", "[class.probe]\nhooks = { exit = \"nope\" }").await.unwrap_err();
    assert!(error.message().contains("`nope`"), "{error}");
}

#[track_caller]
fn assert_names_the_function(error: &Error) {
    let functions = error.guest_backtrace().join("\n");
    assert!(functions.contains("deeper") && functions.contains("deep_inside"), "{error:?}");
}

#[test]
fn instances_that_go_without_a_runtime_are_told_once_when_the_host_goes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (host, instances) = runtime.block_on(async {
        let host = TestHost::new();
        let class = probe(&host, "hooks", "").await;
        let instances = [enter(&class, "exit:print").await.unwrap(), enter(&class, "exit:print").await.unwrap()];
        (host, instances)
    });
    drop(runtime);
    let printed = host.printed.clone();
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = std::sync::Arc::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        drop(instances);
        drop(host);
    });
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(log.matches("without `shutdown`").count(), 1, "{log}");
    assert!(log.contains("instances=2"), "{log}");
    assert!(!printed.texts().contains(&"printed on stdout".to_owned()), "no exit ran");
}
