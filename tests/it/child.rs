//! Components prepared by a process of their own: each of its limits is hit, and named, and the host goes on.

use std::path::Path;
use std::time::Duration;

use wasmhost::{Error, ErrorKind, PrepareLimits};
use wasmhost_tests::hostile::slow_to_compile;
use wasmhost_tests::{TestHost, guest, text_guest, wasmhost_command};

/// A host that prepares in processes of the real program, in a cache of its own.
pub(crate) fn host(cache: &Path, limits: PrepareLimits) -> TestHost {
    TestHost::with(|builder| builder.cache_dir(cache).prepare_in_child(wasmhost_command().get_program(), limits))
}

/// The error that a component ends in.
async fn refused(limits: PrepareLimits, component: Vec<u8>, settings: &str) -> Error {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path(), limits);
    let file = host.dir().join("hostile.wasm");
    std::fs::write(&file, component).unwrap();
    let error = host.host.load(host.manifest_of("hostile", &file, settings)).await.unwrap_err();
    assert!(error.message().contains("hostile.wasm"), "it is named: {error}");
    error
}

#[tokio::test]
async fn what_takes_long_to_compile_ends_at_the_time_of_its_process() {
    let limits = PrepareLimits { time: Duration::from_secs(1), ..PrepareLimits::default() };
    let error = refused(limits, slow_to_compile(16 << 20), "").await;
    assert_eq!(error.kind(), ErrorKind::BuildFailed, "{error}");
    assert!(error.message().ends_with("was not done after 1s; the setting is `prepare-timeout`"), "{error}");
}

#[tokio::test]
async fn what_takes_long_to_compile_ends_at_the_cpu_time_of_its_process() {
    let limits = PrepareLimits { cpu_time: Duration::from_millis(900), ..PrepareLimits::default() };
    let error = refused(limits, slow_to_compile(16 << 20), "").await;
    assert_eq!(error.kind(), ErrorKind::BuildFailed, "{error}");
    assert!(error.message().ends_with("used more CPU time than 0.9s; the setting is `prepare-cpu-time`"), "{error}");
}

#[tokio::test]
async fn what_takes_much_memory_to_compile_ends_at_the_memory_of_its_process() {
    let limits = PrepareLimits { memory_bytes: 200 << 20, ..PrepareLimits::default() };
    let error = refused(limits, slow_to_compile(32 << 20), "").await;
    assert_eq!(error.kind(), ErrorKind::MemoryExceeded, "{error}");
    assert!(error.message().ends_with("takes more memory than 200MiB; the setting is `prepare-memory`"), "{error}");
}

#[tokio::test]
async fn a_build_that_takes_more_than_its_process_may_ends_at_the_memory_of_its_process() {
    let limits = PrepareLimits { memory_bytes: 300 << 20, ..PrepareLimits::default() };
    let error = refused(limits, text_guest("allocates"), "[class.probe]\nmemory = \"2GiB\"").await;
    assert_eq!(error.kind(), ErrorKind::MemoryExceeded, "{error}");
    assert!(error.message().contains("`prepare-memory`"), "{error}");
}

#[tokio::test]
async fn the_limits_of_its_class_hold_for_build_in_another_process_too() {
    let hostile = [
        ("spins", "build-timeout = \"300ms\"", ErrorKind::BuildFailed, "`build-timeout`"),
        ("allocates", "memory = \"16MiB\"", ErrorKind::MemoryExceeded, "`memory`"),
    ];
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path(), PrepareLimits::default());
    for (name, setting, kind, says) in hostile {
        let file = host.dir().join(name).with_extension("wasm");
        std::fs::write(&file, text_guest(name)).unwrap();
        let manifest = host.manifest_of(name, &file, &format!("[class.probe]\n{setting}"));
        let error = host.host.load(manifest).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(says), "{error}");
    }
    let manifest = host.manifest_of("hooks", &guest("hooks"), "[class.probe.env]\nMODE_BUILD = \"print+image\"");
    let class = host.host.load(manifest).await.unwrap().class("probe").unwrap();
    let read = class.bind(&("a",)).unwrap().call::<_, String>("read-file", &("/image/built.txt",)).await;
    assert_eq!(read.unwrap(), "written by build", "another one is prepared by the same host");
}
