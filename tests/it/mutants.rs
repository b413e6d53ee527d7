//! Components damaged at random: each is refused or runs, here and in a process that prepares it, and the host goes on.

use wasmhost::{ErrorKind, PrepareLimits};
use wasmhost_tests::hostile::Mutator;
use wasmhost_tests::{TestHost, guest, is_full, text_guest};

use super::child;

const SETTINGS: &str = "[class.probe]\nbuild-timeout = \"100ms\"\nenter-timeout = \"100ms\"\nmemory = \"16MiB\"";

/// Components of the class `probe`; of what is compiled as fast as most of these a thousand can be tried.
fn components() -> Vec<Vec<u8>> {
    let mut components = ["twice", "composed", "table", "start", "vector"].map(text_guest).to_vec();
    components.push(std::fs::read(guest("hooks")).unwrap());
    components
}

/// Damages so many components, and has each loaded and started. Gives how many went on to be an app, and to start.
async fn mutate(host: &TestHost, mutants: usize, seed: u64) -> (usize, usize) {
    let components = components();
    let large = components.len() - 1;
    let (mut mutator, mut loaded, mut started) = (Mutator::new(seed), 0, 0);
    let file = host.dir().join("mutant.wasm");
    let manifest = host.manifest_of("mutant", &file, SETTINGS);
    for round in 0..mutants {
        let of = if round % 25 == 0 { large } else { round % large };
        let other = &components[(of + 1) % components.len()];
        std::fs::write(&file, mutator.mutate(&components[of], other)).unwrap();
        let error = match host.host.load(&manifest).await {
            Ok(app) => {
                loaded += 1;
                let bound = app.class("probe").and_then(|class| class.bind(&()));
                match bound {
                    Ok(bound) => {
                        let start = bound.start().await.map(drop);
                        started += usize::from(start.is_ok());
                        start.err()
                    }
                    Err(error) => Some(error),
                }
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            assert_ne!(error.kind(), ErrorKind::Internal, "{round} of seed {seed}: {error}");
            assert!(!error.message().contains("its process ended"), "{round} of seed {seed}: {error}");
        }
    }
    (loaded, started)
}

/// Whether a class that is what it was still answers.
async fn another_answers(host: &TestHost) {
    let class = host.host.load_bytes("start", text_guest("start")).await.unwrap().class("probe").unwrap();
    assert_eq!(class.bind(&()).unwrap().call::<_, u32>("built", &()).await.unwrap(), 1);
}

#[tokio::test]
async fn damaged_components_are_refused_or_run() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| builder.cache_dir(cache.path()));
    let mutants = if is_full() { 10_000 } else { 500 };
    let (loaded, started) = mutate(&host, mutants, 1).await;
    assert!(started > 0 && loaded < mutants, "{loaded} of {mutants} were loaded, {started} started");
    another_answers(&host).await;
}

#[tokio::test]
async fn damaged_components_are_refused_or_run_in_another_process() {
    let cache = tempfile::tempdir().unwrap();
    let host = child::host(cache.path(), PrepareLimits::default());
    let mutants = if is_full() { 1_000 } else { 100 };
    let (loaded, started) = mutate(&host, mutants, 2).await;
    assert!(started > 0 && loaded < mutants, "{loaded} of {mutants} were loaded, {started} started");
    another_answers(&host).await;
}
