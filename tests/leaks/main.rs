//! Nothing is left behind: a thousand runs in one process, every fourth of them failing in another way, and the process is
//! as large at the end as after the first hundred. A program of its own, because it measures its process.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, its helpers too")]

use std::time::Duration;

use wasmhost::{Class, ErrorKind};
use wasmhost_tests::TestHost;

/// Runs for each guest; with `cargo xtask test --full` ten times as many.
const RUNS: usize = 1_000;
const WARM_UP: usize = 100;

/// What a process holds.
#[derive(Debug)]
struct Held {
    resident_kib: u64,
    threads: u64,
    files: u64,
    mappings: u64,
}

impl Held {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            resident_kib: field("VmRSS:"),
            threads: field("Threads:"),
            files: std::fs::read_dir("/proc/self/fd").unwrap().count() as u64,
            mappings: std::fs::read_to_string("/proc/self/maps").unwrap().lines().count() as u64,
        }
    }
}

/// The ways to fail: where, how, and the kind of error that follows.
const FAILURES: [(&str, &str, ErrorKind); 13] = [
    ("enter", "err", ErrorKind::EnterFailed),
    ("enter", "trap", ErrorKind::EnterFailed),
    ("enter", "panic", ErrorKind::EnterFailed),
    ("enter", "spin", ErrorKind::EnterFailed),
    ("enter", "allocate", ErrorKind::MemoryExceeded),
    ("method", "err", ErrorKind::ReturnedError),
    ("method", "trap", ErrorKind::Trapped),
    ("method", "panic", ErrorKind::Trapped),
    ("method", "exit", ErrorKind::Trapped),
    ("method", "spin", ErrorKind::TimedOut),
    ("method", "sleep", ErrorKind::TimedOut),
    ("method", "allocate", ErrorKind::MemoryExceeded),
    ("arguments", "no-such-behaviour", ErrorKind::BadRequest),
];

async fn run(class: &Class, index: usize) {
    if index % 4 != 3 {
        let bound = class.bind(&("",)).unwrap();
        let text: String = bound.call("echo", &("hello",)).await.unwrap();
        assert_eq!(text, "hello");
        return;
    }
    let way = index / 4;
    // Two ways that are no error of the call: its future is dropped, and its `exit` fails.
    match way % (FAILURES.len() + 2) {
        13 => {
            let instance = class.bind(&("",)).unwrap().start().await.unwrap();
            let call = instance.call::<_, ()>("behave", &("sleep",));
            assert!(tokio::time::timeout(Duration::from_millis(2), call).await.is_err());
        }
        14 => {
            let instance = class.bind(&("exit:trap",)).unwrap().start().await.unwrap();
            instance.exit().await.unwrap_err();
        }
        way => {
            let (place, how, kind) = FAILURES[way];
            let mode = format!("{place}:{how}");
            let behaviour = if place == "enter" { "succeed" } else { how };
            let error = class.bind(&(mode,)).unwrap().call::<_, ()>("behave", &(behaviour,)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{place} {how}: {error:?}");
        }
    }
}

#[test]
fn a_thousand_runs_leave_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // File operations of guests run on these: a fixed number of them can be counted.
        .max_blocking_threads(2)
        .thread_keep_alive(Duration::from_secs(3600))
        .enable_all()
        .build()
        .unwrap();
    for guest in ["hooks", "hooks-async"] {
        runtime.block_on(async {
            let host = TestHost::new();
            let settings = "[class.probe]\nmemory = \"8MiB\"\nenter-timeout = \"100ms\"\ntimeout = \"100ms\"";
            let class = host.app(guest, settings).await.unwrap().class("probe").unwrap();
            let runs = if wasmhost_tests::is_full() { 10 * RUNS } else { RUNS };
            let mut early = None;
            for index in 0..runs {
                if index == WARM_UP {
                    early = Some(Held::now());
                }
                run(&class, index).await;
                host.printed.forget();
            }
            let (early, late) = (early.unwrap(), Held::now());
            println!("{guest}: after {WARM_UP} runs {early:?}, after {runs} {late:?}");
            let grown = late.resident_kib.saturating_sub(early.resident_kib);
            assert!(grown * 50 <= early.resident_kib, "resident memory: {early:?} → {late:?}");
            assert_eq!((early.threads, early.files), (late.threads, late.files), "{early:?} → {late:?}");
            assert!(late.mappings <= early.mappings + early.mappings / 50, "{early:?} → {late:?}");
            host.host.shutdown().await;
        });
    }
}
