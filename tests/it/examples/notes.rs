//! `notes` under `wasmhost serve`: paths, methods, queries and bodies, all read by one handler.

use serde_json::json;
use wasmhost_tests::{Server, example};

use crate::client::{Reply, ask};

#[tokio::test]
async fn notes_are_added_found_changed_and_removed() {
    let server = server();
    let ask = async |method: &str, path: &str, body: &'static str| ask(&server, method, HOST, path, body).await;
    let added = ask("POST", "/notes", r#"{"text": "buy bread"}"#).await;
    assert_eq!((added.status, added.header("location")), (201, "notes/1"));
    assert_eq!(added.json(), json!({ "id": 1, "text": "buy bread" }));
    for text in [r#"{"text": "bake bread"}"#, r#"{"text": "sleep"}"#] {
        assert_eq!(ask("POST", "/notes", text).await.status, 201);
    }
    let ids = |reply: Reply| {
        let notes = reply.json();
        notes.as_array().unwrap().iter().map(|note| note["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for (query, found) in
        [("", &[1, 2, 3][..]), ("?contains=bread", &[1, 2]), ("?limit=1", &[1]), ("?contains=e%20b", &[2])]
    {
        assert_eq!(ids(ask("GET", &format!("/notes{query}"), "").await), found, "{query}");
    }
    let changed = ask("PUT", "/notes/2", r#"{"text": "eat bread"}"#).await;
    assert_eq!(changed.json(), json!({ "id": 2, "text": "eat bread" }));
    assert_eq!(ask("GET", "/notes/2", "").await.json(), changed.json());
    let removed = ask("DELETE", "/notes/2", "").await;
    assert_eq!((removed.status, removed.text()), (204, ""));
    assert_eq!(ask("GET", "/notes/2", "").await.status, 404);
    assert_eq!(ids(ask("GET", "/notes", "").await), [1, 3]);
}

#[tokio::test]
async fn what_is_not_there_or_not_right_is_answered_with_why() {
    let server = server();
    let ask = async |method: &str, path: &str, body: String| ask(&server, method, HOST, path, body).await;
    ask("POST", "/notes", r#"{"text": "one"}"#.into()).await;
    for (method, path, body, status, says) in [
        ("GET", "/", "", 404, "/notes"),
        ("GET", "/notes/2", "", 404, "`2`"),
        ("GET", "/notes/one", "", 404, "`one`"),
        ("GET", "/notes?limit=few", "", 400, "`few`"),
        ("GET", "/notes?page=1", "", 400, "`page`"),
        ("POST", "/notes", "{\"text\": 1}", 400, "string"),
        ("POST", "/notes", "{\"txt\": \"\"}", 400, "`text`"),
        ("PUT", "/notes/1", "text", 400, "line 1"),
    ] {
        let reply = ask(method, path, body.to_owned()).await;
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == status && error.contains(says), "{method} {path}: {reply:?}");
    }
    for (path, allow) in [("/notes", "GET, POST"), ("/notes/1", "GET, PUT, DELETE")] {
        let reply = ask("PATCH", path, String::new()).await;
        assert_eq!((reply.status, reply.header("allow")), (405, allow));
    }
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(64 << 10));
    assert_eq!(ask("POST", "/notes", large).await.status, 413);
}

const HOST: &str = "notes.localhost";

fn server() -> Server {
    example("notes");
    Server::ready(["examples/notes", "--no-build"])
}
