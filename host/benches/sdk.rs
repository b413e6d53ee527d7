//! `sdk`: what the guest SDK costs beside the same class by hand, with plain wit-bindgen: the size of the component, and CPU
//! time per call of a warm instance through the library.
//!
//! ```text
//!                    with the SDK                  by hand
//!  async functions   guest-sdk/tests/guests/model  guest-sdk/tests/guests/by-hand
//!  none              guest-sdk/tests/guests/sync   examples/parameterized
//! ```
//! Both sides take turns, and the one that begins does, too. What is judged is the median of the ratios of one round each,
//! since a machine that slows down slows both. `cargo bench -p wasmhost --bench sdk`; under `cargo test` it is brief.

#![allow(clippy::print_stdout, reason = "what a bench has to say it prints")]

#[path = "common/goals.rs"]
mod goals;
#[path = "common/measure.rs"]
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use goals::Goals;
use measure::{median, per_operation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasmhost::{Host, Instance};

/// Promised of a component: its size, as a multiple of the one by hand.
const MAX_SIZE_RATIO: f64 = 1.10;

/// Promised of a call: its time, likewise.
const MAX_CALL_RATIO: f64 = 1.05;

const SDK_GUESTS: &str = "guest-sdk/tests/guests";

/// What `predict` returns.
#[derive(Debug, Deserialize, PartialEq)]
struct Prediction {
    label: String,
    score: f64,
}

/// The component of a guest or example.
fn component(workspace: &str, name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(workspace);
    let file = workspace.join(format!("target/wasm32-wasip2/release/{name}.wasm"));
    assert!(file.is_file(), "`{}` is not built: `cargo xtask bench` and `test` build the guests first", file.display());
    file
}

/// One class twice.
struct Sides {
    name: &'static str,
    sdk: PathBuf,
    by_hand: PathBuf,
}

impl Sides {
    fn judge_size(&self, goals: &mut Goals) {
        let [sdk, by_hand] =
            [&self.sdk, &self.by_hand].map(|file| std::fs::metadata(file).expect("it is a file").len() as f64);
        let ratio = sdk / by_hand;
        println!("{:<24} sdk {sdk:>10.0} B    by hand {by_hand:>10.0} B    ratio {ratio:>6.3}", self.name);
        let goal = format!("{}: {ratio:.3} of the size by hand, promised at most {MAX_SIZE_RATIO:.2}", self.name);
        goals.judge(ratio <= MAX_SIZE_RATIO, &goal);
    }

    /// Starts an instance of each.
    async fn start(&self, host: &Host, class: &str, parameters: &impl Serialize) -> [Instance; 2] {
        let start = async |file: &Path| {
            let app = host.load(file).await.expect("the guest loads");
            let class = app.class(class).expect("the class is there");
            class.bind(parameters).expect("the parameters fit").start().await.expect("the guest starts")
        };
        [start(&self.sdk).await, start(&self.by_hand).await]
    }
}

/// How long each side runs in a round, and how many rounds there are.
struct Plan {
    rounds: usize,
    span: Duration,
}

impl Plan {
    fn of(goals: &Goals) -> Self {
        match goals.are_measured() {
            true => Self { rounds: 101, span: Duration::from_millis(10) },
            false => Self { rounds: 2, span: Duration::ZERO },
        }
    }

    /// Calls a method of both sides in turns, and judges it.
    async fn compare<R>(
        &self,
        goals: &mut Goals,
        name: &str,
        [sdk, by_hand]: &[Instance; 2],
        (method, arguments, expected): (&str, &impl Serialize, R),
    ) where
        R: DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let call = async |instance: &Instance| {
            let result: R = instance.call(method, arguments).await.expect("the method returns");
            assert_eq!(result, expected);
        };
        let (mut of_sdk, mut of_hand, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms caches and is thrown away.
        for round in 0..=self.rounds {
            let sdk = async || per_operation(self.span, &mut async || call(sdk).await).await;
            let by_hand = async || per_operation(self.span, &mut async || call(by_hand).await).await;
            let (a, b) = if round % 2 == 0 {
                let a = sdk().await;
                (a, by_hand().await)
            } else {
                let b = by_hand().await;
                (sdk().await, b)
            };
            if round > 0 {
                of_sdk.push(a);
                of_hand.push(b);
                ratios.push(a / b);
            }
        }
        let [sdk, by_hand, ratio] = [&mut of_sdk, &mut of_hand, &mut ratios].map(|figures| median(figures));
        println!("{name:<24} sdk {:>10.2} µs   by hand {:>10.2} µs   ratio {ratio:>6.3}", sdk / 1e3, by_hand / 1e3);
        let goal = format!("{name}: {ratio:.3} of the time by hand, promised at most {MAX_CALL_RATIO:.2}");
        goals.judge(ratio <= MAX_CALL_RATIO, &goal);
    }
}

async fn run(goals: &mut Goals) {
    let plan = Plan::of(goals);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-cache");
    let host = Host::builder().max_instances(8).cache_dir(cache).build().expect("a host");
    println!("CPU time per call, medians of {} rounds that take turns", plan.rounds);

    let with_async =
        Sides { name: "size/async", sdk: component(SDK_GUESTS, "model"), by_hand: component(SDK_GUESTS, "by_hand") };
    with_async.judge_size(goals);
    let square = with_async.start(&host, "square", &()).await;
    plan.compare(goals, "call/number/async", &square, ("square", &(7,), 49)).await;
    let model = with_async.start(&host, "model", &("whale", 100)).await;
    let greeting = "user 7 of whale with a prompt of forty bytes, like others".to_owned();
    let home = ("home", &(7, "a prompt of forty bytes, like others"), greeting);
    plan.compare(goals, "call/string/async", &model, home).await;
    let prediction = Prediction { label: "whale".to_owned(), score: 6.0 };
    plan.compare(goals, "call/record/async", &model, ("predict", &([1.0, 2.0, 3.0],), prediction)).await;

    let sync = Sides {
        name: "size/sync",
        sdk: component(SDK_GUESTS, "sync"),
        by_hand: component("examples", "parameterized"),
    };
    sync.judge_size(goals);
    let pool = sync.start(&host, "my-class", &("fox", 7)).await;
    let answer = "This code is running in instance pool (fox, 7), with input qux=override".to_owned();
    plan.compare(goals, "call/string/sync", &pool, ("baz", &("override",), answer)).await;
    host.shutdown().await;
}

/// Runs on one thread: its CPU time is then all there is, but for the ticker's.
fn main() -> ExitCode {
    let mut goals = Goals::of_arguments();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&mut goals));
    goals.exit_code()
}
