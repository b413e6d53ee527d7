//! `cold` and `warm_call`: what a call through the library costs beside the same call straight on wasmtime, with the same
//! engine, store and guest, in one run. `web_request`: what a request costs in the web front, without hyper and sockets,
//! beside the same call through the library.
//!
//! Both sides take turns, so that a machine that slows down slows both; the figures are medians over the rounds of CPU time
//! of this thread per operation. `cargo bench -p wasmhost --bench calls [FILTER]`; under `cargo test` each side runs twice.

#![allow(clippy::print_stdout, reason = "what a bench has to say it prints")]

#[path = "common/measure.rs"]
mod measure;

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use measure::{median, per_operation};
use serde::{Deserialize, Serialize};
use wasmhost::raw::{self, RawInstance};
use wasmhost::{Bound, Host, Instance};
use wasmtime::component::{Func, Val};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    x: i32,
    y: i32,
}

/// How long each side runs in each round.
struct Plan {
    rounds: usize,
    span: Duration,
    filter: Option<String>,
    is_measuring: bool,
    /// Whether a promise was missed.
    missed: Cell<bool>,
}

impl Plan {
    fn of_arguments() -> Self {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let missed = Cell::new(false);
        let is_measuring = arguments.iter().any(|argument| argument == "--bench");
        let filter = arguments.into_iter().find(|argument| !argument.starts_with('-'));
        if is_measuring {
            Self { rounds: 31, span: Duration::from_millis(30), filter, is_measuring, missed }
        } else {
            Self { rounds: 2, span: Duration::ZERO, filter, is_measuring, missed }
        }
    }

    /// Runs both sides in turns and prints a line.
    async fn compare<A: AsyncFnMut(), B: AsyncFnMut()>(&self, name: &str, mut ours: A, mut raw: B) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        let (mut of_ours, mut of_raw) = (Vec::new(), Vec::new());
        // The first round warms caches and is thrown away.
        for round in 0..=self.rounds {
            let (a, b) = (per_operation(self.span, &mut ours).await, per_operation(self.span, &mut raw).await);
            if round > 0 {
                of_ours.push(a);
                of_raw.push(b);
            }
        }
        let (ours, raw) = (median(&mut of_ours), median(&mut of_raw));
        // Promised of a warm call: half as much again as the raw one, or a microsecond more.
        if self.is_measuring && name.starts_with("warm_call") && ours > raw * 1.5 && ours > raw + 1_000.0 {
            self.missed.set(true);
            print!("MISSED ");
        }
        println!(
            "{name:<24} ours {:>10.2} µs   raw {:>10.2} µs   ratio {:>5.2}   difference {:>7.2} µs",
            ours / 1e3,
            raw / 1e3,
            ours / raw,
            (ours - raw) / 1e3
        );
    }
}

/// One guest with both sides ready.
struct Sides {
    ours: Instance,
    raw: RawInstance,
    interface: &'static str,
}

impl Sides {
    async fn start(bound: &Bound, interface: &'static str) -> Self {
        let ours = bound.start().await.expect("the guest starts");
        let mut raw = raw::instantiate(bound).await.expect("the guest starts");
        let enter = func(&mut raw, interface, "enter");
        enter
            .call_async(&mut raw.store, &[Val::String(String::new())], &mut [Val::Bool(false)])
            .await
            .expect("enter returns");
        Self { ours, raw, interface }
    }

    fn func(&mut self, name: &str) -> Func {
        func(&mut self.raw, self.interface, name)
    }
}

fn func(raw: &mut RawInstance, interface: &str, name: &str) -> Func {
    let parent = raw.instance.get_export_index(&mut raw.store, None, interface).expect("the interface is exported");
    let index = raw.instance.get_export_index(&mut raw.store, Some(&parent), name).expect("the function is exported");
    raw.instance.get_func(&mut raw.store, index).expect("the function is there")
}

async fn bound(host: &Host, guest: &str) -> Bound {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/target/wasm32-wasip2/release");
    let file = folder.join(format!("{guest}.wasm"));
    assert!(file.is_file(), "`{}` is not built: `cargo xtask bench` and `test` build the guests first", file.display());
    let app = host.load(file).await.expect("the guest loads");
    app.class("probe").expect("the class is there").bind(&("",)).expect("it has one parameter")
}

async fn warm_calls(plan: &Plan, host: &Host, guest: &str, interface: &'static str, engine: &str) {
    let bound = bound(host, guest).await;
    let mut sides = Sides::start(&bound, interface).await;

    let noop = sides.func("noop").typed::<(), ()>(&sides.raw.store).expect("noop takes nothing");
    let Sides { ours, raw, .. } = &mut sides;
    plan.compare(
        &format!("warm_call/noop/{engine}"),
        async || ours.call::<_, ()>("noop", &()).await.expect("noop returns"),
        async || noop.call_async(&mut raw.store, ()).await.expect("noop returns"),
    )
    .await;

    let echo = sides.func("echo").typed::<(&str,), (String,)>(&sides.raw.store).expect("echo takes a string");
    let Sides { ours, raw, .. } = &mut sides;
    let text = "a prompt of fifty bytes, as people type them: hello";
    plan.compare(
        &format!("warm_call/string/{engine}"),
        async || drop(ours.call::<_, String>("echo", &(text,)).await.expect("echo returns")),
        async || drop(echo.call_async(&mut raw.store, (text,)).await.expect("echo returns")),
    )
    .await;

    if guest == "hooks" {
        records_and_bytes(plan, sides).await;
    }
}

async fn records_and_bytes(plan: &Plan, mut sides: Sides) {
    let point = sides.func("point");
    let Sides { ours, raw, .. } = &mut sides;
    let at = Position { x: 1, y: -2 };
    plan.compare(
        "warm_call/record/sync",
        async || {
            ours.call::<_, Position>("point", &(at,)).await.expect("point returns");
        },
        async || {
            let at = Val::Record(vec![("x".to_owned(), Val::S32(1)), ("y".to_owned(), Val::S32(-2))]);
            point.call_async(&mut raw.store, &[at], &mut [Val::Bool(false)]).await.expect("point returns");
        },
    )
    .await;

    let bytes = sides.func("bytes").typed::<(&[u8],), (Vec<u8>,)>(&sides.raw.store).expect("bytes takes bytes");
    let Sides { ours, raw, .. } = &mut sides;
    let data = vec![7u8; 4 << 20];
    plan.compare(
        "warm_call/vec-4MiB/sync",
        async || drop(ours.call::<_, Vec<u8>>("bytes", &(&data,)).await.expect("bytes returns")),
        async || drop(bytes.call_async(&mut raw.store, (data.as_slice(),)).await.expect("bytes returns")),
    )
    .await;
    let owned =
        func(raw, "test:hooks/probe", "bytes").typed::<(Vec<u8>,), (Vec<u8>,)>(&raw.store).expect("bytes takes bytes");
    plan.compare(
        "warm_call/bytes-4MiB-owned",
        async || {
            drop(
                ours.call::<_, serde_bytes::ByteBuf>("bytes", &(serde_bytes::Bytes::new(&data),))
                    .await
                    .expect("bytes returns"),
            )
        },
        async || drop(owned.call_async(&mut raw.store, (data.clone(),)).await.expect("bytes returns")),
    )
    .await;
    plan.compare(
        "warm_call/bytes-4MiB/sync",
        async || {
            drop(
                ours.call::<_, serde_bytes::ByteBuf>("bytes", &(serde_bytes::Bytes::new(&data),))
                    .await
                    .expect("bytes returns"),
            )
        },
        async || drop(bytes.call_async(&mut raw.store, (data.as_slice(),)).await.expect("bytes returns")),
    )
    .await;
}

async fn cold(plan: &Plan, host: &Host, guest: &str, interface: &'static str, engine: &str) {
    let bound = bound(host, guest).await;
    plan.compare(
        &format!("cold/{engine}"),
        async || bound.start().await.expect("the guest starts").exit().await.expect("exit returns"),
        async || {
            let mut raw = raw::instantiate(&bound).await.expect("the guest starts");
            for (hook, arguments) in [("build", vec![]), ("enter", vec![Val::String(String::new())]), ("exit", vec![])]
            {
                let hook = func(&mut raw, interface, hook);
                hook.call_async(&mut raw.store, &arguments, &mut [Val::Bool(false)]).await.expect("the hook returns");
            }
        },
    )
    .await;
}

#[cfg(feature = "http")]
async fn web_request(plan: &Plan, host: &Host) {
    use tower_service::Service;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/parameterized");
    let app = host.load(folder).await.expect("the example loads");
    host.publish(&app);
    let class = app.classes().next().expect("the example has a class");
    let bound = class.bind(&("hedgehog", 7)).expect("it has two parameters");
    let mut front = host.web_service().root(app.name());
    plan.compare(
        "web_request/library",
        async || {
            let uri = "/?foo=hedgehog&bar=7&qux=override";
            let request = http::Request::get(uri).header("host", "127.0.0.1:8080").body(String::new());
            let response = front.call(request.expect("a request")).await.expect("the front answers");
            assert_eq!(response.status(), 200);
        },
        async || drop(bound.call::<_, String>("baz", &("override",)).await.expect("baz returns")),
    )
    .await;
}

/// Runs on one thread: its CPU time is then all there is, but for the ticker's.
fn on_one_thread(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
}

fn main() -> ExitCode {
    let plan = Plan::of_arguments();
    on_one_thread(async {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-cache");
        let host = Host::builder().max_instances(8).cache_dir(cache).build().expect("a host");
        println!("CPU time per operation, medians of {} rounds that take turns", plan.rounds);
        warm_calls(&plan, &host, "hooks", "test:hooks/probe", "sync").await;
        warm_calls(&plan, &host, "hooks_async", "test:hooks-async/probe", "async").await;
        cold(&plan, &host, "hooks", "test:hooks/probe", "sync").await;
        cold(&plan, &host, "hooks_async", "test:hooks-async/probe", "async").await;
        #[cfg(feature = "http")]
        web_request(&plan, &host).await;
        host.shutdown().await;
    });
    if plan.missed.get() {
        println!("MISSED: a warm call is promised to cost at most 1.5 times the raw one, or 1 µs more");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
