//! `web-endpoint` under `wasmhost serve`: a class with hooks, asked over HTTP.

use std::io::Read as _;

use serde_json::json;
use wasmhost_tests::{Server, example};

use crate::client;

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
    assert_eq!(server.says("loading the model").matches("loading the model").count(), 1);
}

#[tokio::test]
async fn a_handler_has_the_request_where_no_route_answers_in_the_same_instance() {
    example("web-endpoint");
    let server = Server::ready(["examples/web-endpoint", "--no-build"]);
    let ask = async |method: &str, path: &str, body: &'static str| {
        client::ask(&server, method, "web-endpoint.localhost", path, body).await
    };
    let one = ask("GET", "/predict/2", "").await;
    let all = ask("POST", "/predict", "2\n-1.5\n").await;
    assert_eq!(all.json(), json!([{ "x": 2.0, "y": 3.0 }, { "x": -1.5, "y": 0.8125 }]));
    assert_eq!(all.header("wasmhost-instance"), one.header("wasmhost-instance"));
    let wrong = ask("POST", "/predict", "2\ntwo").await;
    assert!(wrong.status == 400 && wrong.text().contains("invalid float"), "{wrong:?}");
    assert_eq!(ask("GET", "/nothing", "").await.status, 404);
    assert_eq!(server.says("loading the model").matches("loading the model").count(), 1);
}
