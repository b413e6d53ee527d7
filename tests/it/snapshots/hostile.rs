//! Components made to do harm: each ends in an error that says what was too much, and another class goes on.

use std::path::Path;

use wasmhost::{Error, ErrorKind};
use wasmhost_tests::hostile;
use wasmhost_tests::{TestHost, text_guest};

/// The error that a class ends in: when it is loaded, or when its first instance starts.
async fn ends(host: &TestHost, name: &str, component: Vec<u8>, settings: &str) -> Error {
    let path = host.dir().join(format!("{name}.wasm"));
    std::fs::write(&path, component).unwrap();
    let manifest = host.manifest_of(name, Path::new(&path), settings);
    match host.host.load(manifest).await {
        Err(error) => error,
        Ok(app) => {
            let class = app.class("probe").unwrap();
            class.bind(&()).unwrap().start().await.map(|_| ()).unwrap_err()
        }
    }
}

/// Whether a class that has nothing to do with the others still answers.
async fn another_answers(host: &TestHost) {
    let class = host.host.load_bytes("start", text_guest("start")).await.unwrap().class("probe").unwrap();
    assert_eq!(class.bind(&()).unwrap().call::<_, u32>("built", &()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_build_that_never_ends_fails_at_its_timeout() {
    let host = TestHost::new();
    let error = ends(&host, "spins", text_guest("spins"), "[class.probe]\nbuild-timeout = \"200ms\"\n").await;
    assert_eq!(error.kind(), ErrorKind::BuildFailed, "{error}");
    assert!(error.to_string().contains("build-timeout"), "{error}");
    another_answers(&host).await;
}

#[tokio::test]
async fn a_build_that_allocates_without_end_fails_at_its_memory() {
    let host = TestHost::new();
    let error = ends(&host, "allocates", text_guest("allocates"), "[class.probe]\nmemory = \"16MiB\"\n").await;
    assert_eq!(error.kind(), ErrorKind::MemoryExceeded, "{error}");
    assert!(error.to_string().contains("`memory`"), "{error}");
    another_answers(&host).await;
}

#[tokio::test]
async fn fifty_megabytes_of_random_bytes_are_no_component() {
    let host = TestHost::new();
    for seed in 0..4 {
        let error = ends(&host, "random", hostile::random_bytes(50_000_000, seed), "").await;
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{seed}: {error}");
    }
    another_answers(&host).await;
}

#[tokio::test]
async fn a_thousand_nested_instances_are_too_many_parts() {
    let host = TestHost::new();
    for (depth, width) in [(3, 10), (1, 1_000), (9, 3)] {
        let error = ends(&host, "nested", hostile::instances_in_instances(depth, width), "").await;
        assert!(error.message().contains("`max-parts`"), "{depth}: {error}");
    }
    another_answers(&host).await;
}
