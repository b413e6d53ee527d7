//! `pools`: its classes looked up by name, from a shell, over HTTP, through the socket of a server, and in a program.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use wasmhost_tests::{Ran, Server, TestHost, example, root, run, wasmhost, wasmhost_command};

const APP: &str = "parameterized-function-app";

fn answer(pool: &str, qux: &str) -> String {
    format!("This code is running in instance pool ({pool}), with input qux={qux}")
}

fn serve() -> Server {
    example("pools");
    Server::ready(["examples/pools", "--no-build"])
}

fn call(server: &Server, arguments: &[&str]) -> Ran {
    run(wasmhost_command().env("WASMHOST_DATA_DIR", server.data_dir()).arg("call").args(arguments))
}

#[test]
fn a_float_parameter_has_its_default_and_takes_others() {
    let baz = |options: &[&str]| {
        wasmhost(&[&["run", "-r", "--no-build", "examples/pools::my-float-class.baz"], options].concat())
    };
    example("pools");
    assert_eq!(baz(&["--foo", "snake"]).ok(), answer("snake, 10.3", "default") + "\n");
    assert_eq!(baz(&["--foo", "snake", "--bar", "0.5"]).ok(), answer("snake, 0.5", "default") + "\n");
    let error = baz(&["--foo", "snake", "--bar", "much"]).failed(2);
    assert!(error.contains("`--bar` needs a number"), "{error}");
}

#[test]
fn main_calls_two_pools_by_handle_and_another_class_by_name() {
    let printed = wasmhost(&["run", "examples/pools"]).ok();
    let expected = [("hedgehog, 7", "default"), ("fox, 10", "override"), ("snake, 10.3", "default")];
    let expected = expected.map(|(pool, qux)| answer(pool, qux) + "\n").concat();
    assert_eq!(printed, expected);
}

#[test]
fn requests_name_their_pool_in_the_query() {
    let server = serve();
    for (query, pool, qux) in [
        ("foo=hedgehog&bar=7&qux=override", "hedgehog, 7", "override"),
        ("foo=hedgehog&qux=override", "hedgehog, 10", "override"),
        ("foo=hedgehog&bar=7", "hedgehog, 7", "default"),
        ("foo=hedgehog", "hedgehog, 10", "default"),
    ] {
        let mut reply = String::new();
        server.request(&format!("{APP}.localhost"), &format!("/?{query}")).read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with(&answer(pool, qux)), "{query}: {reply}");
    }
}

#[test]
fn a_class_is_found_by_name_and_each_way_in_leads_to_the_same_pool() {
    let server = serve();
    let options = [&format!("{APP}/my-class.baz"), "--foo", "snake", "--bar", "12"];
    let called: Value = serde_json::from_str(&call(&server, &[&["--json"], &options[..]].concat()).ok()).unwrap();
    assert_eq!(called["value"], answer("snake, 12", "default"));

    let body = json!({ "parameters": { "foo": "snake", "bar": 12 } }).to_string();
    let mut socket = UnixStream::connect(server.socket()).unwrap();
    write!(
        socket,
        "POST /v1/apps/{APP}/classes/my-class/methods/baz/calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    let reply: Value = serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(reply, called, "the same instance has answered");

    let mut reply = String::new();
    server.request(&format!("{APP}.localhost"), "/?foo=snake&bar=12").read_to_string(&mut reply).unwrap();
    let instance = called["instance"].as_str().unwrap();
    assert!(reply.contains(&format!("wasmhost-instance: {instance}\r\n")), "{reply}");
}

#[tokio::test]
async fn a_program_finds_the_class_by_name() {
    example("pools");
    let host = TestHost::new();
    let app = host.host.load(root().join("examples/pools")).await.unwrap();
    assert_eq!(app.name(), APP);
    let snake = app.class("my-class").unwrap().bind(&json!({ "foo": "snake", "bar": 12 })).unwrap();
    assert_eq!(snake.call::<_, String>("baz", &()).await.unwrap(), answer("snake, 12", "default"));
}
