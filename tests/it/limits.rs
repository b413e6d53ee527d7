//! Every limit of one instance: hit with a real guest, told by name with its value, and survived by everything else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmhost::{Class, Error, ErrorKind, Instance};
use wasmhost_tests::TestHost;

const GUESTS: [&str; 2] = ["hooks", "hooks-async"];

/// How much later than its timeout a guest may end.
const SLACK: Duration = Duration::from_millis(50);

/// And how much longer before `build` may run at all.
const COMPILING: Duration = Duration::from_secs(10);

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
        "enter" => {
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

/// Loads an app whose `build` misbehaves as its variable `MODE_BUILD` says, for it has no parameters to say it with.
async fn misbuild(host: &TestHost, manifest: &Path) -> (Error, Duration) {
    let started = Instant::now();
    let error = host.host.load(manifest).await.unwrap_err();
    (error, started.elapsed())
}

/// The settings under which every piece of guest code has 200 ms.
fn of_200_ms(place: &str, how: &str) -> String {
    let env = if place == "build" { format!("env = {{ MODE_BUILD = {how:?} }}") } else { String::new() };
    format!(
        "build-timeout = \"200ms\"\nenter-timeout = \"200ms\"\ntimeout = \"200ms\"\nexit-timeout = \"200ms\"\n{env}"
    )
}

/// Has guests misbehave at once, checks what each error says, and gives the longest time that one of them took.
async fn stopped_after(guest: &str, place: &'static str, how: &'static str, at_once: usize) -> Duration {
    let (host, settings) = (Arc::new(TestHost::new()), of_200_ms(place, how));
    let mut tasks = tokio::task::JoinSet::new();
    if place == "build" {
        let manifest = host.manifest(guest, &format!("[class.probe]\n{settings}"));
        for _ in 0..at_once {
            let (host, manifest) = (host.clone(), manifest.clone());
            tasks.spawn(async move { misbuild(&host, &manifest).await });
        }
    } else {
        let class = probe(&host, guest, &settings).await;
        for _ in 0..at_once {
            let class = class.clone();
            tasks.spawn(async move { misbehave(&class, place, how).await });
        }
    }
    let mut longest = Duration::ZERO;
    for (error, took) in tasks.join_all().await {
        let what = format!("{guest} {place} {how} x{at_once} after {took:?}: {error:?}");
        let kind = match place {
            "build" => ErrorKind::BuildFailed,
            "enter" => ErrorKind::EnterFailed,
            _ => ErrorKind::TimedOut,
        };
        assert_eq!(error.kind(), kind, "{what}");
        let setting = if place == "method" { "timeout".to_owned() } else { format!("{place}-timeout") };
        assert_eq!((error.setting(), error.limit()), (Some(setting.as_str()), Some("200ms")), "{what}");
        assert!(took >= Duration::from_millis(200), "{what}");
        longest = longest.max(took);
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_without_end_is_stopped_in_each_hook_and_four_at_once_too() {
    for guest in GUESTS {
        for place in ["build", "enter", "method", "exit"] {
            for (how, at_once) in [("spin", 1), ("spin", 4), ("sleep", 4)] {
                // Other tests run at the same time: one of three attempts has to find the machine free enough. Before `build`
                // runs, what it runs in is compiled.
                let most = Duration::from_millis(200) + if place == "build" { COMPILING } else { SLACK };
                let mut took = Vec::new();
                while took.len() < 3 && !took.iter().any(|took| *took < most) {
                    took.push(stopped_after(guest, place, how, at_once).await);
                }
                let is_in_time = took.iter().any(|took| *took < most);
                assert!(is_in_time, "{guest} {place} {how} x{at_once}: {took:?}");
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
            let settings = format!("memory = \"8MiB\"\n{env}");
            let (error, _) = match place {
                "build" => misbuild(&host, &host.manifest(guest, &format!("[class.probe]\n{settings}"))).await,
                _ => misbehave(&probe(&host, guest, &settings).await, place, "allocate").await,
            };
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
    let manifest = host.manifest("hooks", "[class.probe]\nmemory = \"64KiB\"");
    let (error, _) = misbuild(&host, &manifest).await;
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
    assert_eq!((error.kind(), error.setting()), (ErrorKind::TooLarge, Some("max-body")), "{error:?}");
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
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Trapped, Some("max-hostcall-bytes")), "{error:?}");
    let error = bound.call::<_, Vec<u32>>("make-list", &(200_000,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Trapped, Some("max-hostcall-bytes")), "{error:?}");
}

#[tokio::test]
async fn too_many_handles_and_too_much_randomness_are_told_by_name() {
    let host = TestHost::with(|builder| builder.max_handles(500).max_random_bytes(4096));
    let class = probe(&host, "hooks", "").await;

    let instance = enter(&class, "").await.unwrap();
    let error = instance.call::<_, u32>("open-handles", &(2000,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Trapped, Some("max-handles")), "{error:?}");

    let instance = enter(&class, "").await.unwrap();
    assert_eq!(instance.call::<_, u64>("random", &(4096,)).await.unwrap(), 4096);
    let error = instance.call::<_, u64>("random", &(4097,)).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Trapped, Some("max-random-bytes")), "{error:?}");
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

/// A component with this many instances of a module with one memory and one table.
fn of_parts(parts: usize) -> Vec<u8> {
    use wasm_encoder::{
        ComponentBuilder, MemorySection, MemoryType, Module, ModuleArg, RefType, TableSection, TableType,
    };
    let mut module = Module::new();
    let mut tables = TableSection::new();
    let element_type = RefType::FUNCREF;
    tables.table(TableType { element_type, minimum: 1, maximum: None, table64: false, shared: false });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    module.section(&tables).section(&memories);
    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, &module);
    for _ in 0..parts {
        component.core_instantiate(None, module, std::iter::empty::<(&str, ModuleArg)>());
    }
    component.finish()
}

#[tokio::test]
async fn a_component_of_too_many_parts_is_refused_with_the_number_and_the_setting() {
    for (limits, what) in [((2, 9, 9), "instances"), ((9, 2, 9), "memories"), ((9, 9, 2), "tables")] {
        let host = TestHost::with(|builder| builder.max_parts(limits.0, limits.1, limits.2));
        host.host.load_bytes("two", of_parts(2)).await.unwrap();
        let error = host.host.load_bytes("three", of_parts(3)).await.unwrap_err();
        for text in [what, "3", "2", "`max-parts`"] {
            assert!(error.message().contains(text), "`{text}` is not in: {error}");
        }
    }
}

#[tokio::test]
async fn one_instance_may_take_all_its_parts_in_a_host_of_few_instances() {
    let host = TestHost::with(|builder| builder.max_instances(1));
    host.host.load_bytes("many", of_parts(16)).await.unwrap();
}
