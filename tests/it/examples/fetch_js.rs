//! `fetch-js` under `wasmhost serve`, without a manifest: a listener for `fetch`, in an instance of its own for each request.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use wasmhost_tests::{Language, Server, root, run};

use crate::client::ask;

const HOST: &str = "127.0.0.1";

/// The component, made as its README says. `None` where the tools are missing.
fn made() -> Option<PathBuf> {
    Language::JavaScript.tools()?;
    let example = root().join("examples/fetch-js");
    run(Command::new("npm").args(["run", "--silent", "build"]).current_dir(&example)).ok();
    Some(example.join("fetch.wasm"))
}

/// A JavaScript engine is compiled for longer than other servers may take to be ready.
const COMPILED: Duration = Duration::from_secs(600);

fn ready(component: PathBuf) -> Server {
    let (server, began) = (Server::start([component]), Instant::now());
    while !server.get("/.well-known/wasmhost/ready").starts_with("HTTP/1.1 200 ") {
        assert!(began.elapsed() < COMPILED, "{}", server.said());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    server
}

#[tokio::test]
async fn each_request_is_answered_in_an_instance_of_its_own() {
    let Some(component) = made() else { return };
    let server = ready(component);
    let mut instances = Vec::new();
    for (path, name) in [("/", "world"), ("/?name=fox", "fox"), ("/?name=%C3%A4", "ä")] {
        let reply = ask(&server, "GET", HOST, path, "").await;
        assert_eq!((reply.status, reply.text()), (200, &*format!("Hello, {name}! This is visit 1.\n")));
        assert!(!instances.contains(&reply.header("wasmhost-instance").to_owned()), "{reply:?} {instances:?}");
        instances.push(reply.header("wasmhost-instance").to_owned());
    }

    let sum = ask(&server, "POST", HOST, "/sum", "[1, 2.5, 3]").await;
    assert_eq!((sum.status, sum.json()), (200, json!({ "sum": 6.5 })));
    let refused = ask(&server, "POST", HOST, "/sum", "[1, \"2\"]").await;
    assert_eq!((refused.status, refused.json()), (400, json!({ "error": "this is no list of numbers" })));
    let refused = ask(&server, "GET", HOST, "/sum", "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
    assert_eq!(ask(&server, "GET", HOST, "/nothing", "").await.status, 404);

    let bytes: Bytes = (0..=255_u8).cycle().take(2 << 20).collect();
    let echo = ask(&server, "POST", HOST, "/echo", bytes.clone()).await;
    assert!(echo.status == 200 && echo.body == bytes, "{} bytes", echo.body.len());
    let countdown = ask(&server, "GET", HOST, "/countdown", "").await;
    assert_eq!(countdown.text(), "3\n2\n1\nlift-off\n");
}
