//! `web-endpoint` under `wasmhost serve`: a class with hooks, asked over HTTP.

use std::io::Read as _;

use wasmhost_tests::{Server, example};

#[test]
fn an_instance_is_entered_once_and_answers_all_requests() {
    example("web-endpoint");
    let server = Server::ready(["examples/web-endpoint", "--no-build"]);
    let get = |path: &str| {
        let mut answer = String::new();
        server.request("web-endpoint.localhost", path).read_to_string(&mut answer).unwrap();
        answer
    };
    for (x, y) in [("2", 3.0), ("-1.5", 0.8125)] {
        let answer = get(&format!("/predict/{x}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("wasmhost-instance: 1\r\n"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["y"], y, "{body}");
    }
    let answer = get("/predict/two");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("`x`"), "{answer}");
    assert_eq!(server.said().matches("loading the model").count(), 1);
}
