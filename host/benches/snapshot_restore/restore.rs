//! Instances that start from a snapshot, up to the answer to their first call and up to their end.
//!
//! Times are those of the clock, over all rounds. The raw side has the same store with the same WASI context, and opens no
//! handles again, without which its guest could not print.

use std::path::Path;
use std::time::{Duration, Instant};

use wasmhost::raw::{self, RawInstance};
use wasmhost::{Bound, Host};
use wasmtime::component::{ComponentExportIndex, TypedFunc};

use super::goals::Goals;
use super::guests::{example, guest};

/// Promised of an instance with 5 MB of state and its first call.
const MAX_FIRST_CALL: Duration = Duration::from_micros(100);

/// Promised of the same, where nothing has to be opened again: as a multiple of raw wasmtime.
const MAX_RAW_RATIO: f64 = 1.5;

/// Promised of the same: how many times faster it is than doing the work again.
const MIN_COLD_RATIO: f64 = 50.0;

/// Promised of the examples in other languages: an instance with its first call.
const LANGUAGES: [(&str, Option<Duration>); 3] = [
    ("primes", None),
    ("primes-python", Some(Duration::from_millis(5))),
    ("primes-js", Some(Duration::from_millis(2))),
];

/// A number that is prime, at the end of the table.
const PRIME: u32 = 4_999_999;

/// How often everything runs.
struct Plan {
    rounds: usize,
    /// Instances of each kind in a round.
    instances: usize,
    /// Of those that take long.
    slow_instances: usize,
}

impl Plan {
    fn of(goals: &Goals) -> Self {
        match goals.are_measured() {
            true => Self { rounds: 31, instances: 100, slow_instances: 2 },
            false => Self { rounds: 1, instances: 2, slow_instances: 1 },
        }
    }
}

/// How long instances took to answer their first call, and to be gone.
#[derive(Default)]
struct Times {
    first_call: Vec<Duration>,
    whole: Vec<Duration>,
}

impl Times {
    /// Makes instances with `start`, which answers their first call too, and lets each go with `end`.
    async fn add<I>(&mut self, times: usize, start: impl AsyncFn() -> I, end: impl AsyncFn(I)) {
        for _ in 0..times {
            let began = Instant::now();
            let instance = start().await;
            self.first_call.push(began.elapsed());
            end(instance).await;
            self.whole.push(began.elapsed());
        }
    }

    fn first_call(&self) -> Duration {
        percentile(&self.first_call, 50)
    }

    fn print(&self, name: &str) {
        let [first, first_99, whole, whole_99] =
            [(&self.first_call, 50), (&self.first_call, 99), (&self.whole, 50), (&self.whole, 99)]
                .map(|(times, percent)| percentile(times, percent).as_secs_f64() * 1e6);
        println!(
            "{name:<24} first call p50 {first:>9.1} µs   p99 {first_99:>9.1} µs   with its end p50 {whole:>9.1} µs   \
             p99 {whole_99:>9.1} µs"
        );
    }
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// The same guest on wasmtime.
struct Raw<'a> {
    bound: &'a Bound,
    is_prime: ComponentExportIndex,
}

impl<'a> Raw<'a> {
    /// Finds the method once: it has the same place in every instance.
    async fn new(bound: &'a Bound) -> Self {
        let RawInstance { mut store, instance } = raw::instantiate(bound).await.expect("the guest starts");
        let interface =
            instance.get_export_index(&mut store, None, "test:table/table").expect("the interface is there");
        let is_prime =
            instance.get_export_index(&mut store, Some(&interface), "is-prime").expect("the method is there");
        Self { bound, is_prime }
    }

    async fn start(&self) -> RawInstance {
        let mut raw = raw::instantiate(self.bound).await.expect("the guest starts");
        let is_prime: TypedFunc<(u32,), (Result<bool, String>,)> =
            raw.instance.get_typed_func(&mut raw.store, self.is_prime).expect("the method has this type");
        let (found,) = is_prime.call_async(&mut raw.store, (PRIME,)).await.expect("the method returns");
        assert_eq!(found.as_ref(), Ok(&true), "the table is there");
        raw
    }
}

/// An instance that has answered.
async fn start(bound: &Bound) -> wasmhost::Instance {
    let instance = bound.start().await.expect("the guest starts");
    assert!(instance.call::<_, bool>("is-prime", &(PRIME,)).await.expect("the method returns"), "the table is there");
    instance
}

async fn exit(instance: wasmhost::Instance) {
    instance.exit().await.expect("the guest ends");
}

/// The guest with these settings of its class.
async fn table(host: &Host, dir: &Path, name: &str, settings: &str) -> Bound {
    let manifest = dir.join(format!("{name}.toml"));
    let source = guest("table");
    let text =
        format!("version = 1\nname = {name:?}\n[component.table]\nsource = {source:?}\n[class.table]\n{settings}\n");
    std::fs::write(&manifest, text).expect("the manifest is written");
    let app = host.load(manifest).await.expect("the guest loads");
    app.class("table").expect("the class is there").bind(&()).expect("it has no parameters")
}

async fn of_rust(host: &Host, plan: &Plan, goals: &mut Goals) {
    let dir = tempfile::tempdir().expect("a folder");
    let quiet = table(host, dir.path(), "quiet", "").await;
    let loud = table(host, dir.path(), "loud", "env = { LOUD = 'yes' }").await;
    let cold = table(host, dir.path(), "cold", "hooks = { build = false, enter = 'build' }").await;
    let [quiet_raw, loud_raw] = [Raw::new(&quiet).await, Raw::new(&loud).await];
    let [mut of_quiet, mut of_quiet_raw, mut of_loud, mut of_loud_raw, mut of_cold] =
        std::array::from_fn(|_| Times::default());
    let (all, gone) = (plan.instances, async |raw| drop::<RawInstance>(raw));
    // The first round warms caches and is thrown away.
    for round in 0..=plan.rounds {
        of_quiet.add(all, async || start(&quiet).await, exit).await;
        of_quiet_raw.add(all, async || quiet_raw.start().await, gone).await;
        of_loud.add(all, async || start(&loud).await, exit).await;
        of_loud_raw.add(all, async || loud_raw.start().await, gone).await;
        of_cold.add(plan.slow_instances, async || start(&cold).await, exit).await;
        if round == 0 {
            for times in [&mut of_quiet, &mut of_quiet_raw, &mut of_loud, &mut of_loud_raw, &mut of_cold] {
                *times = Times::default();
            }
        }
    }
    println!("rounds: {}, of {all} instances each, of 5 MB, that take turns", plan.rounds);
    for (name, ours, raw) in [("quiet", &of_quiet, &of_quiet_raw), ("loud", &of_loud, &of_loud_raw)] {
        ours.print(&format!("{name}/ours"));
        raw.print(&format!("{name}/raw"));
        let (took, ratio) = (ours.first_call(), ratio(ours.first_call(), raw.first_call()));
        goals.judge(took <= MAX_FIRST_CALL, &format!("{name}: {took:.1?}, promised at most {MAX_FIRST_CALL:?}"));
        if name == "loud" {
            println!("  loud: {ratio:.2} of raw, which opens nothing: its guest traps when it prints");
        } else {
            goals
                .judge(ratio <= MAX_RAW_RATIO, &format!("{name}: {ratio:.2} of raw, promised at most {MAX_RAW_RATIO}"));
        }
    }
    of_cold.print("cold");
    let faster = ratio(of_cold.first_call(), of_loud.first_call());
    let promise = format!("loud: {faster:.0} times faster than cold, promised at least {MIN_COLD_RATIO}");
    goals.judge(faster >= MIN_COLD_RATIO, &promise);
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

async fn of_languages(host: &Host, plan: &Plan, goals: &mut Goals) {
    for (name, promised) in LANGUAGES {
        let Some(folder) = example(name) else { continue };
        let app = host.load(folder).await.expect("the example loads");
        let bound = app.class("primes").expect("the class is there").bind(&("bench",)).expect("it has one parameter");
        let mut times = Times::default();
        for _ in 0..=plan.rounds {
            times.add(10, async || start(&bound).await, exit).await;
        }
        times.print(name);
        if let Some(promised) = promised {
            let took = times.first_call();
            goals.judge(took <= promised, &format!("{name}: {took:.2?}, promised at most {promised:?}"));
        }
    }
}

pub(super) async fn run(goals: &mut Goals) {
    let plan = Plan::of(goals);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-cache");
    let host = Host::builder().max_instances(8).cache_dir(cache).build().expect("a host");
    of_rust(&host, &plan, goals).await;
    if goals.are_measured() {
        of_languages(&host, &plan, goals).await;
    }
    host.shutdown().await;
}
