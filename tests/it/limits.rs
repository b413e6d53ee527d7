//! Every limit of one instance: hit with a real guest, told by name with its value, and survived by everything else.

use std::time::{Duration, Instant};

use wasmhost::{Class, Error, ErrorKind, Instance};
use wasmhost_tests::TestHost;

const GUESTS: [&str; 2] = ["hooks", "hooks-async"];

/// How much later than its timeout a guest may end.
const SLACK: Duration = Duration::from_millis(50);

async fn probe(host: &TestHost, guest: &str, settings: &str) -> Class {
    host.app(guest, &format!("[class.probe]\n{settings}")).await.unwrap().class("probe").unwrap()
}

async fn enter(class: &Class, mode: &str) -> Result<Instance, Error> {
    class.bind(&(mode,)).unwrap().start().await
}

/// Runs one piece of guest code that misbehaves in the way of `how`, and gives its error and how long it took.
async fn misbehave(class: &Class, place: &str, how: &str) -> (Error, Duration) {
    let mode = format!("{place}:{how}");
    let started;
    let error = match place {
        // The variable `MODE_BUILD` of the class makes `build` misbehave; it has no parameters to say it with.
        "build" | "enter" => {
            started = Instant::now();
            enter(class, &mode).await.unwrap_err()
        }
        "exit" => {
            let instance = enter(class, &mode).await.unwrap();
            started = Instant::now();
            instance.exit().await.unwrap_err()
        }
        _ => {
            let instance = enter(class, "").await.unwrap();
            started = Instant::now();
            instance.call::<_, ()>("behave", &(how,)).await.unwrap_err()
        }
    };
    (error, started.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_without_end_is_stopped_in_each_hook_and_four_at_once_too() {
    let timeout = Duration::from_millis(200);
    for guest in GUESTS {
        for place in ["build", "enter", "method", "exit"] {
            for (how, at_once) in [("spin", 1), ("spin", 4), ("sleep", 4)] {
                let host = TestHost::new();
                let env = if place == "build" { format!("env = {{ MODE_BUILD = {how:?} }}") } else { String::new() };
                let settings = format!(
                    "build-timeout = \"200ms\"\nenter-timeout = \"200ms\"\ntimeout = \"200ms\"\nexit-timeout = \"200ms\"\n{env}"
                );
                let class = probe(&host, guest, &settings).await;
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..at_once {
                    let class = class.clone();
                    tasks.spawn(async move { misbehave(&class, place, how).await });
                }
                for (error, took) in tasks.join_all().await {
                    let what = format!("{guest} {place} {how} x{at_once} after {took:?}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{what}");
                    let setting = if place == "method" { "timeout".to_owned() } else { format!("{place}-timeout") };
                    assert_eq!((error.setting(), error.limit()), (Some(setting.as_str()), Some("200ms")), "{what}");
                    assert!(took >= timeout && took < timeout + SLACK, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn allocating_without_end_is_memory_exceeded_in_each_hook() {
    for guest in GUESTS {
        for place in ["build", "enter", "method", "exit"] {
            let host = TestHost::new();
            let env = if place == "build" { "env = { MODE_BUILD = \"allocate\" }" } else { "" };
            let class = probe(&host, guest, &format!("memory = \"8MiB\"\n{env}")).await;
            let (error, _) = misbehave(&class, place, "allocate").await;
            let what = format!("{guest} {place}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::MemoryExceeded, "{what}");
            assert_eq!((error.setting(), error.limit()), (Some("memory"), Some("8MiB")), "{what}");
            assert!(error.message().contains("8MiB") && error.message().contains("`memory`"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_guest_that_survives_a_refused_growth_is_not_blamed_later() {
    let host = TestHost::new();
    let class = probe(&host, "hooks", "memory = \"8MiB\"").await;
    let instance = enter(&class, "").await.unwrap();
    let error = instance.call::<_, u64>("try-allocate", &(64 << 20,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReturnedError);
    let error = instance.call::<_, ()>("behave", &("trap",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trapped);
}

#[tokio::test]
async fn a_component_that_begins_with_too_much_memory_is_refused_by_name() {
    let host = TestHost::new();
    let class = probe(&host, "hooks", "memory = \"64KiB\"").await;
    let error = enter(&class, "").await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::MemoryExceeded, Some("memory")), "{error:?}");
}

#[tokio::test]
async fn parameters_may_be_16_kib_and_not_a_byte_more() {
    let host = TestHost::new();
    let class = probe(&host, "hooks", "").await;
    let overhead = class.bind(&("x",)).unwrap().key().len() - 1;
    // The length of a text this long takes more bytes than that of one letter, so the largest is searched for.
    let largest = (0..=16 << 10).rev().find(|len| class.bind(&("x".repeat(*len),)).is_ok()).unwrap();
    assert!(largest + overhead + 8 >= 16 << 10, "{largest}");
    assert_eq!(class.bind(&("x".repeat(largest),)).unwrap().key().len(), 16 << 10);
    let error = class.bind(&("x".repeat((16 << 10) + 1),)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(error.message().contains("16384") || error.message().contains("16 KiB"), "{error}");
}

#[tokio::test]
async fn arguments_over_the_body_limit_are_refused_and_the_instance_stays() {
    let host = TestHost::new();
    let instance = enter(&probe(&host, "hooks", "").await, "").await.unwrap();
    let four = vec![7u8; 4 << 20];
    let echoed: Vec<u8> = instance.call("bytes", &(&four,)).await.unwrap();
    assert!(echoed == four);

    let error = instance.call::<_, Vec<u8>>("bytes", &(vec![7u8; 64 << 20],)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-body-bytes")), "{error:?}");
    assert!(error.message().contains("67108864") && error.message().contains("4194304"), "{error}");
    let echoed: Vec<u8> = instance.call("bytes", &(vec![1u8, 2],)).await.unwrap();
    assert_eq!(echoed, [1, 2], "the instance stayed");
}

#[tokio::test]
async fn a_result_over_the_hostcall_limit_is_told_by_name() {
    let host = TestHost::with(|builder| builder.max_hostcall_bytes(1 << 20));
    let app = host.app("types", "").await.unwrap();
    let bound = app.class("echo").unwrap().bind(&()).unwrap();
    let fits: Vec<u8> = bound.call("make-bytes", &(1000,)).await.unwrap();
    assert_eq!(fits.len(), 1000);
    let error = bound.call::<_, Vec<u8>>("make-bytes", &(2 << 20,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-hostcall-bytes")), "{error:?}");
    let error = bound.call::<_, Vec<u32>>("make-list", &(200_000,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-hostcall-bytes")), "{error:?}");
}

#[tokio::test]
async fn too_many_handles_and_too_much_randomness_are_told_by_name() {
    let host = TestHost::with(|builder| builder.max_handles(500).max_random_bytes(4096));
    let class = probe(&host, "hooks", "").await;

    let instance = enter(&class, "").await.unwrap();
    let error = instance.call::<_, u32>("open-handles", &(2000,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-handles")), "{error:?}");

    let instance = enter(&class, "").await.unwrap();
    assert_eq!(instance.call::<_, u64>("random", &(4096,)).await.unwrap(), 4096);
    let error = instance.call::<_, u64>("random", &(4097,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-random-bytes")), "{error:?}");
}

#[tokio::test]
async fn deep_recursion_is_a_trap_and_no_more() {
    let host = TestHost::new();
    let class = probe(&host, "hooks", "").await;
    let instance = enter(&class, "").await.unwrap();
    let error = instance.call::<_, u32>("recurse", &(u32::MAX,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trapped, "{error:?}");
    assert_eq!(enter(&class, "").await.unwrap().call::<_, u32>("recurse", &(10,)).await.unwrap(), 10);
}

#[tokio::test]
async fn a_flood_of_output_is_bounded_and_what_was_dropped_is_counted() {
    let host = TestHost::with(|builder| builder.guest_output_rate(0, 64 << 10));
    let instance = enter(&probe(&host, "hooks", "").await, "").await.unwrap();
    let (lines, width) = (10_000u64, 100u64);
    instance.call::<_, ()>("write", &("stdout", lines, width)).await.unwrap();
    instance.exit().await.unwrap();
    let kept = host.printed.texts().len() as u64;
    let (dropped, bytes) = host.printed.dropped();
    assert_eq!(kept + dropped, lines, "each line is kept or counted");
    assert_eq!(kept, (64 << 10) / width);
    assert_eq!(bytes, dropped * (width - 1));

    let host = TestHost::new();
    let instance = enter(&probe(&host, "hooks", "").await, "").await.unwrap();
    instance.call::<_, ()>("write", &("stderr", 1, 100_000)).await.unwrap();
    let lines = host.printed.lines();
    let [line] = &lines[..] else { panic!("one line, cut: {}", lines.len()) };
    assert_eq!((line.text.len() as u64 + line.cut_bytes, line.text.len()), (99_999, 16 << 10));
}

#[tokio::test]
async fn more_instances_than_the_host_has_are_refused_by_name() {
    let host = TestHost::with(|builder| builder.max_instances(2));
    let class = probe(&host, "hooks", "").await;
    let _held = [enter(&class, "").await.unwrap(), enter(&class, "").await.unwrap()];
    let error = enter(&class, "").await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Overloaded, Some("max-instances")), "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn cpu_is_refused_with_a_sentence() {
    let host = TestHost::new();
    let error = host.app("hooks", "[class.probe]\ncpu = 2").await.unwrap_err();
    assert!(error.message().contains("cpu") && error.message().contains("`timeout`"), "{error}");
}
