//! Components that the snapshotter refuses, or might: each works, with a snapshot or without, and where there is none the
//! reason is told.

use wasmhost_tests::{Server, TestHost, text_guest};

#[tokio::test]
async fn whatever_a_component_is_made_of_its_build_takes_effect() {
    let host = TestHost::new();
    for (name, reason) in [
        ("composed", Some("nested")),
        ("table", Some("table")),
        ("twice", Some("at most once")),
        ("vector", Some("v128")),
        ("waits", Some("asynchronous")),
        ("start", None),
    ] {
        let class = host.host.load_bytes(name, text_guest(name)).await.unwrap().class("probe").unwrap();
        match (reason, class.without_snapshot()) {
            (None, None) => {}
            (Some(expected), Some(reason)) => assert!(reason.contains(expected), "{name}: {reason}"),
            (expected, reason) => panic!("{name}: {expected:?} was expected, and the reason is {reason:?}"),
        }
        for _ in 0..2 {
            let instance = class.bind(&()).unwrap().start().await.unwrap();
            assert_eq!(instance.call::<_, u32>("built", &()).await.unwrap(), 1, "{name}");
            instance.exit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_composed_component_that_builds_itself_draws_for_itself() {
    let host = TestHost::new();
    let class = host.host.load_bytes("composed", text_guest("composed")).await.unwrap().class("probe").unwrap();
    let draw = async || {
        let instance = class.bind(&()).unwrap().start().await.unwrap();
        instance.call::<_, u64>("drawn", &()).await.unwrap()
    };
    assert_ne!(draw().await, draw().await);
}

#[test]
fn a_server_says_once_why_there_is_no_snapshot() {
    for name in ["composed", "table"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("component.wasm"), text_guest(name)).unwrap();
        let manifest = "version = 1\n[component.odd]\nsource = \"component.wasm\"\n\
                        [class.probe]\nidle-timeout = \"1ms\"\n[class.probe.method.built]\nweb = \"GET /built\"\n";
        std::fs::write(dir.path().join("wasmhost.toml"), manifest).unwrap();
        let server = Server::ready([dir.path()]);
        for _ in 0..5 {
            let answer = server.get("/built");
            assert!(answer.ends_with("\r\n\r\n1"), "{name}: {answer}");
        }
        let said = server.said();
        assert_eq!(said.matches("no snapshot can be taken").count(), 1, "{name}: {said}");
    }
}

#[tokio::test]
async fn a_component_with_200_mib_of_built_state_works() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| builder.cache_dir(cache.path()));
    let settings = format!(
        "[class.witness]\nmemory = \"512MiB\"\n\
         mounts = [{{ host = {:?}, path = \"/notes\", write = true }}]\n\
         env = {{ TABLE_MIB = \"200\", NOTES = \"/notes\" }}\n",
        host.dir()
    );
    let class = host.app("clones", &settings).await.unwrap().class("witness").unwrap();
    let instance = class.bind(&("a",)).unwrap().start().await.unwrap();
    let found: serde_json::Value = instance.call("look", &()).await.unwrap();
    assert_eq!((&found["table-bytes"], &found["builds"]), (&(200_u64 << 20).into(), &1.into()));
    instance.exit().await.unwrap();
}

/// A guest whose `build` leaves something open has no snapshot, says why with this name, and works.
async fn is_told_by_name(left: &str, name: &str, settings: &str) {
    let host = TestHost::new();
    let settings = format!(
        "[class.witness]\n{settings}\nmounts = [{{ host = {:?}, path = \"/notes\", write = true }}]\n\
         env = {{ LEAVES = {left:?}, NOTES = \"/notes\" }}\n",
        host.dir()
    );
    let class = host.app("clones", &settings).await.unwrap().class("witness").unwrap();
    let reason = class.without_snapshot().unwrap_or_else(|| panic!("{left}: there is a snapshot"));
    assert!(reason.contains(name), "{left}: {reason}");
    let instance = class.bind(&("a",)).unwrap().start().await.unwrap();
    let found: serde_json::Value = instance.call("look", &()).await.unwrap();
    assert_eq!(found["builds"], 1, "{left}");
    instance.exit().await.unwrap();
}

#[tokio::test]
async fn what_build_leaves_open_is_told_by_name() {
    is_told_by_name("file", "the file `/image/t.bin`", "").await;
    is_told_by_name("directory-stream", "the listing of a directory", "").await;
    is_told_by_name("timer", "such as a timer", "").await;
}

#[tokio::test]
async fn a_connection_that_build_leaves_open_is_told_by_name() {
    is_told_by_name("tcp-socket", "a TCP connection", "allow-outbound = [\"tcp://localhost:1\"]").await;
}
