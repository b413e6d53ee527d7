//! `pool_acquire`: what it costs to lease a warm instance and give it back, with one pool and with 100,000.
//!
//! ```text
//!  one      the only pool there is
//!  same     one of 1,000 pools with an idle instance, among 100,000 that are known
//!  random   any of these 1,000
//! ```
//! Pools without an instance are forgotten, but for those whose guest failed to enter: the others fail. All take turns; the
//! figures are medians over the rounds of CPU time of this thread. Each is shown also with a call of a method that does
//! nothing, which has costs of its own: an instance that was not used lately is in no cache of the machine.
//! `cargo bench -p wasmhost --bench pool_acquire`; under `cargo test` it is small and brief.

#![allow(clippy::print_stdout, reason = "what a bench has to say it prints")]

#[path = "common/measure.rs"]
mod measure;

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use measure::{median, per_operation};
use wasmhost::{App, Bound, ErrorKind, Host, raw};

/// Promised of a random key: nanoseconds more than with one pool.
const MAX_RANDOM_NS: f64 = 500.0;

/// Promised of the same key: as a multiple of one pool.
const MAX_SAME_RATIO: f64 = 1.3;

/// How much is measured, and for how long.
struct Plan {
    rounds: usize,
    span: Duration,
    warm: usize,
    known: usize,
    is_measuring: bool,
}

impl Plan {
    fn of_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            Self { rounds: 31, span: Duration::from_millis(30), warm: 1_000, known: 100_000, is_measuring: true }
        } else {
            Self { rounds: 1, span: Duration::ZERO, warm: 10, known: 100, is_measuring: false }
        }
    }

    /// Medians for one pool, the same key and random keys.
    async fn compare(&self, one: &Bound, many: &[Bound], operation: impl AsyncFn(&Bound)) -> [f64; 3] {
        let mut figures = [const { Vec::new() }; 3];
        let random = Cell::new(0x9e37_79b9_7f4a_7c15_u64);
        // The first round warms caches and is thrown away.
        for round in 0..=self.rounds {
            let sides = [
                per_operation(self.span, &mut async || operation(one).await).await,
                per_operation(self.span, &mut async || operation(&many[0]).await).await,
                per_operation(self.span, &mut async || operation(&many[below(&random, many.len())]).await).await,
            ];
            if round > 0 {
                figures.iter_mut().zip(sides).for_each(|(figures, side)| figures.push(side));
            }
        }
        figures.map(|mut figures| median(&mut figures))
    }

    /// Says what leases cost, and whether that is as promised.
    fn judge(&self, [one, same, random]: [f64; 3]) -> bool {
        let goals = [
            (
                format!("same key: {:.2} of one pool, promised at most {MAX_SAME_RATIO}", same / one),
                same <= one * MAX_SAME_RATIO,
            ),
            (
                format!("random keys: {:+.0} ns, promised at most {MAX_RANDOM_NS:+}", random - one),
                random <= one + MAX_RANDOM_NS,
            ),
        ];
        for (what, is_kept) in &goals {
            let verdict = match (self.is_measuring, is_kept) {
                (false, _) => "not judged: too brief",
                (true, true) => "kept",
                (true, false) => "MISSED",
            };
            println!("{what}: {verdict}");
        }
        !self.is_measuring || goals.iter().all(|(_, is_kept)| *is_kept)
    }
}

/// A number below `limit` that looks random.
fn below(state: &Cell<u64>, limit: usize) -> usize {
    let mut next = state.get();
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    state.set(next);
    usize::try_from(next >> 33).expect("31 bits fit") % limit
}

async fn app(host: &Host, dir: &Path) -> App {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/target/wasm32-wasip2/release/hooks.wasm");
    assert!(source.is_file(), "`{}` is not built: `cargo xtask bench` and `test` build it first", source.display());
    let manifest = dir.join("wasmhost.toml");
    let class = "[class.probe]\nmemory = \"8MiB\"\nidle-timeout = \"1h\"\nmax-instances = 1";
    let text = format!("version = 1\nname = \"hooks\"\n[component.hooks]\nsource = {source:?}\n{class}\n");
    std::fs::write(&manifest, text).expect("the manifest is written");
    host.load(manifest).await.expect("the guest loads")
}

fn host(instances: u32) -> Host {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-cache");
    let builder = Host::builder().max_instances(instances).cache_dir(cache);
    builder.max_tuples(1_000_000).tuple_rate(1_000_000, 1_000_000).build().expect("a host")
}

/// The pool with these parameters, with an instance in it.
async fn warm(app: &App, mode: String) -> Bound {
    let bound = app.class("probe").expect("the class is there").bind(&(mode,)).expect("it has one parameter");
    bound.call::<_, ()>("noop", &()).await.expect("noop returns");
    bound
}

/// Makes a pool known that has no instance.
async fn fail(app: &App, index: usize) {
    let class = app.class("probe").expect("the class is there");
    let bound = class.bind(&(format!("enter:err,{index}"),)).expect("it has one parameter");
    let error = bound.call::<_, ()>("noop", &()).await.expect_err("enter fails");
    assert_eq!(error.kind(), ErrorKind::EnterFailed);
}

async fn run(plan: &Plan) -> bool {
    let dir = tempfile::tempdir().expect("a folder");
    let (alone, crowded) = (host(4), host(1_100));
    let one = warm(&app(&alone, dir.path()).await, "0".into()).await;
    let app = app(&crowded, dir.path()).await;
    let mut many = Vec::with_capacity(plan.warm);
    for index in 0..plan.warm {
        many.push(warm(&app, index.to_string()).await);
    }
    for index in plan.warm..plan.known {
        fail(&app, index).await;
    }
    println!("CPU time per operation, medians of {} rounds that take turns", plan.rounds);
    let lease = async |bound: &Bound| raw::acquire(bound).await.expect("an instance is idle");
    let call = async |bound: &Bound| bound.call::<_, ()>("noop", &()).await.expect("noop returns");
    let leases = plan.compare(&one, &many, lease).await;
    for (name, [one, same, random]) in [("lease", leases), ("call", plan.compare(&one, &many, call).await)] {
        println!("pool_acquire/{name:<6} one {one:>7.0} ns   same {same:>7.0} ns   random {random:>7.0} ns");
    }
    // Long enough after the setup, what failed would be forgotten, and the figures be those of fewer pools.
    let known = app.pools().len();
    assert_eq!(known, plan.known, "pools known at the end");
    tokio::join!(alone.shutdown(), crowded.shutdown());
    plan.judge(leases)
}

fn main() -> ExitCode {
    let plan = Plan::of_arguments();
    // On one thread: its CPU time is then all there is, but for the ticker's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(run(&plan)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
