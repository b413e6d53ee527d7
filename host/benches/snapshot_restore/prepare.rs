//! How long it takes to make a component ready, by phase: in this process, each time with an empty cache.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmhost::{Host, PrepareEvent, PrepareListener, PreparePhase};

use super::goals::Goals;
use super::guests::{example, guest};

/// In the order in which they come.
const PHASES: [PreparePhase; 7] = [
    PreparePhase::Examine,
    PreparePhase::Instrument,
    PreparePhase::Build,
    PreparePhase::Capture,
    PreparePhase::CompileSnapshot,
    PreparePhase::Verify,
    PreparePhase::Keep,
];

/// Adds up what each phase took.
#[derive(Clone, Default)]
struct Phases(Arc<Mutex<HashMap<PreparePhase, Duration>>>);

impl Phases {
    fn took(&self, phase: PreparePhase) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&phase).copied().unwrap_or_default()
    }
}

impl PrepareListener for Phases {
    fn event(&self, event: &PrepareEvent<'_>) {
        if let Some(took) = event.took {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(event.phase).or_default() += took;
        }
    }
}

/// One preparation: each phase, then all together.
async fn prepare(source: &Path) -> Vec<Duration> {
    let cache = tempfile::tempdir().expect("a folder");
    let phases = Phases::default();
    let builder = Host::builder().max_instances(8).cache_dir(cache.path()).on_prepare(phases.clone());
    let host = builder.build().expect("a host");
    let began = Instant::now();
    let app = host.load(source).await.expect("the component is prepared");
    let whole = began.elapsed();
    assert!(
        phases.took(PreparePhase::Compile).is_zero(),
        "there is a snapshot, so the component is not compiled as it came"
    );
    drop(app);
    host.shutdown().await;
    PHASES.map(|phase| phases.took(phase)).into_iter().chain([whole]).collect()
}

async fn measure(name: &str, source: &Path, rounds: usize) {
    let mut rows = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        rows.push(prepare(source).await);
    }
    let medians = (0..=PHASES.len()).map(|column| {
        let mut figures: Vec<_> = rows.iter().map(|row| row[column]).collect();
        figures.sort_unstable();
        figures[figures.len() / 2]
    });
    print!("{name:<14}");
    for (name, took) in PHASES.iter().map(|phase| phase.as_str()).chain(["all"]).zip(medians) {
        print!("   {name} {:.1} ms", took.as_secs_f64() * 1e3);
    }
    println!();
}

pub(super) async fn run(goals: &Goals) {
    if !goals.are_measured() {
        return measure("table", &guest("table"), 1).await;
    }
    println!("medians: of 5 in Rust, of 3 in other languages");
    measure("table", &guest("table"), 5).await;
    for (name, rounds) in [("primes", 5), ("primes-python", 3), ("primes-js", 3)] {
        if let Some(folder) = example(name) {
            measure(name, &folder, rounds).await;
        }
    }
}
