//! `etl-pipeline` with a server behind `DATABASE_URI`: what the server sees of an instance, from its start to its end.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use wasmhost_tests::{TestHost, example, root};

/// The manifest as it stands beside the example, but for the places of the server and of the component.
fn manifest(host: &TestHost, address: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(root().join("examples/etl-pipeline/database.toml")).unwrap();
    let component = "../target/wasm32-wasip2/release/etl_pipeline.wasm";
    assert!(text.contains(component) && text.matches("localhost:5432").count() == 2, "{text}");
    let text = text.replace(component, example("etl-pipeline").to_str().unwrap()).replace("localhost:5432", address);
    let path = host.dir().join("database.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_server_sees_a_connection_opened_used_and_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let host = TestHost::new();
    let app = host.host.load(manifest(&host, &address)).await.unwrap();
    let bound = app.class("etl-pipeline").unwrap().bind(&()).unwrap();

    let (instance, accepted) = tokio::join!(bound.start(), listener.accept());
    let instance = instance.unwrap();
    let mut lines = BufReader::new(accepted.unwrap().0).lines();
    let mut next = async || lines.next_line().await.unwrap();
    assert_eq!(next().await.as_deref(), Some("connected"));

    for (id, cents) in [(1, 800), (2, 450)] {
        let orders = json!([{ "id": id, "customer": "fox", "cents": cents, "status": "paid" }]);
        let summary: Value = instance.call("run", &(orders,)).await.unwrap();
        assert_eq!((&summary["loaded"], &summary["cents"]), (&json!(1), &json!(cents)));
        assert_eq!(next().await, Some(format!("loaded 1 skipped 0 cents {cents}")));
        assert_eq!(next().await, Some(format!("customer fox orders 1 cents {cents}")));
    }

    instance.exit().await.unwrap();
    assert_eq!(next().await.as_deref(), Some("closed"), "by `exit`, in the same connection");
    assert_eq!(next().await, None, "the connection has ended");
}

#[tokio::test]
async fn a_server_that_is_not_listed_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let host = TestHost::new();
    let settings = format!("[class.etl-pipeline]\nenv = {{ DATABASE_URI = \"tcp://{address}\" }}\n");
    let manifest = host.manifest_of("etl-pipeline", &example("etl-pipeline"), &settings);
    let class = host.host.load(manifest).await.unwrap().class("etl-pipeline").unwrap();
    let error = class.bind(&()).unwrap().start().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), wasmhost::ErrorKind::EnterFailed, "{error}");
    assert!(error.to_string().contains(&format!("cannot open `tcp://{address}`")), "{error}");
}
