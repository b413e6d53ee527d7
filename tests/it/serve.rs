//! `wasmhost serve`, the real program: ports, requests over TCP, signals, timeouts, `--watch`.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use wasmhost_tests::{SOON, Server, guest, run, wasmhost, wasmhost_command};

fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Writes a manifest for the guest with hooks, and gives its folder.
fn hooks(dir: &Path, settings: &str) -> String {
    write_manifest(dir, &guest("hooks"), "", settings);
    dir.to_str().unwrap().to_owned()
}

fn write_manifest(dir: &Path, component: &Path, build: &str, settings: &str) {
    let text = format!(
        "version = 1\nname = \"hooks\"\n[component.hooks]\nsource = {component:?}\n{build}\n[class.probe]\n\
         parameters = {{ mode = \"\" }}\n{settings}\n"
    );
    // At once, so that a server that watches never sees half of it.
    std::fs::write(dir.join(".new"), text).unwrap();
    std::fs::rename(dir.join(".new"), dir.join("wasmhost.toml")).unwrap();
}

const PAUSE: &str = "[class.probe.method.pause]\nweb = \"GET /pause/{milliseconds}\"";

#[test]
fn the_port_and_the_urls_are_printed_and_each_of_them_answers() {
    let mut server = Server::ready(["examples/parameterized", "--no-build", "--json"]);
    let mut line = String::new();
    server.stdout().read_line(&mut line).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(listed["address"], server.address().to_string());
    let urls = listed["apps"][0]["classes"][0]["routes"][0]["urls"].as_array().unwrap();
    assert_eq!(urls.len(), 3, "by host, by path, and at the root: {listed}");
    for url in urls.iter().map(|url| url.as_str().unwrap()) {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        for (query, answer) in [
            ("foo=hedgehog&bar=7&qux=override", "(hedgehog, 7), with input qux=override"),
            ("foo=hedgehog&qux=override", "(hedgehog, 10), with input qux=override"),
            ("foo=hedgehog&bar=10", "(hedgehog, 10), with input qux=default"),
            ("foo=hedgehog", "(hedgehog, 10), with input qux=default"),
        ] {
            let reply = read(server.request(host, &format!("/{path}?{query}")));
            assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with(answer), "{url}: {reply}");
        }
        assert!(server.says(url).contains(&format!("GET {url}")));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(0));
}

#[test]
fn what_cannot_be_asked_for_anything_is_said_to_be_so() {
    let server = Server::ready(["--no-build".into(), guest("cli")]);
    server.says("has neither methods nor a web handler");
}

#[test]
fn commands_find_the_server_and_its_instances() {
    let server = Server::ready(["examples/parameterized", "--no-build"]);
    let reply = server.get("/?foo=fox&bar=10");
    let instance = reply.lines().find_map(|line| line.strip_prefix("wasmhost-instance: ")).unwrap();
    let mut command = wasmhost_command();
    command.env("WASMHOST_DATA_DIR", server.data_dir());
    let called = run(command.args(["call", "--json", "parameterized/my-class.baz", "--foo", "fox"])).ok();
    let called: serde_json::Value = serde_json::from_str(&called).unwrap();
    let value = "This code is running in instance pool (fox, 10), with input qux=default";
    assert_eq!((&called["value"], called["instance"].to_string().trim_matches('"')), (&value.into(), instance));
}

#[test]
fn a_signal_lets_requests_end_and_the_exit_code_is_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::ready([&hooks(dir.path(), PAUSE), "--json"]);
        let idle = server.connect();
        let running = server.request("hooks.localhost", "/pause/1500?mode=enter:print,exit:print");
        server.says("printed on stdout");
        server.signal(signal);
        server.says("draining: 1 request, for at most 30s");
        assert_eq!(read(idle), "", "an idle connection is closed");
        let reply = read(running);
        assert!(reply.starts_with("HTTP/1.1 204 ") && reply.contains("connection: close"), "{reply}");
        assert_eq!(server.ends().code(), Some(0));
        let printed = server.said().matches("printed on stdout").count();
        assert_eq!(printed, 2, "`enter` and `exit` printed");
    }
}

#[test]
fn a_server_is_not_ready_for_as_long_as_the_delay_before_its_drain_and_answers_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::ready([&hooks(dir.path(), PAUSE), "--drain-delay", "1h"]);
    server.signal(Signal::TERM);
    server.until(|| {
        let ready = server.get("/.well-known/wasmhost/ready");
        ready.starts_with("HTTP/1.1 503 ") && ready.contains(r#""draining":true"#)
    });
    server.says("shutting down in 3600s, no longer ready; again to do so now");
    let reply = server.get("/pause/0");
    assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
    let call = ["call", "hooks/pause", "--milliseconds", "0"];
    run(wasmhost_command().env("WASMHOST_DATA_DIR", server.data_dir()).args(call)).ok();
    let running = server.request("hooks.localhost", "/pause/500?mode=enter:print,exit:print");
    server.says("printed on stdout");
    server.signal(Signal::TERM);
    let reply = read(running);
    assert!(reply.starts_with("HTTP/1.1 204 "), "the second signal begins the drain: {reply}");
    assert_eq!(server.ends().code(), Some(0));
}

#[test]
fn a_server_that_was_never_ready_ends_without_the_delay() {
    let dir = tempfile::tempdir().unwrap();
    write_manifest(dir.path(), &guest("hooks"), "build = \"until [ -e go ]; do sleep 0.05; done\"", "");
    let mut server = Server::start([dir.path().to_str().unwrap(), "--drain-delay", "1h"]);
    server.until(|| server.get("/.well-known/wasmhost/ready").contains("building"));
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(0));
}

#[test]
fn a_request_is_cut_off_when_the_drain_takes_too_long_and_a_second_signal_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let source = hooks(dir.path(), PAUSE);
    let path = "/pause/600000?mode=enter:print";

    let mut server = Server::ready([&source, "--drain-timeout", "300ms"]);
    let running = server.request("hooks.localhost", path);
    server.says("printed on stdout");
    server.signal(Signal::TERM);
    assert_eq!(read(running), "");
    assert_eq!(server.ends().code(), Some(0));
    server.says("1 request cut off after 300ms");

    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut server = Server::ready([&source]);
        let _running = server.request("hooks.localhost", path);
        server.says("printed on stdout");
        server.signal(Signal::TERM);
        server.says("draining: 1 request");
        server.signal(second);
        assert_eq!(server.ends().code(), Some(code));
    }
}

#[test]
fn a_client_that_leaves_takes_its_call_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::ready([&hooks(dir.path(), PAUSE)]);
    let running = server.request("hooks.localhost", "/pause/600000?mode=enter:print");
    server.says("printed on stdout");
    drop(running);
    assert!(server.get("/pause/0").starts_with("HTTP/1.1 204 "));
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(0));
    let said = server.said();
    assert!(!said.contains("draining"), "nothing was left to wait for: {said}");
}

#[test]
fn a_client_that_sends_its_head_too_slowly_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::ready([&hooks(dir.path(), PAUSE), "--header-timeout", "200ms"]);
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = server.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        assert_eq!(read(stream), "", "{sent}");
    }
    // Between two requests a connection may be silent for longer; their heads may not.
    let mut stream = server.connect();
    let request = "GET /pause/1 HTTP/1.1\r\nhost: hooks.localhost\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 204");
        while stream.set_read_timeout(Some(Duration::from_millis(400))).is_ok() && stream.read(&mut [0; 1]).is_ok() {}
    }
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET / HT").unwrap();
    assert_eq!(read(stream), "");
}

#[test]
fn requests_are_told_what_they_wait_for_while_an_app_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let build = "build = \"until [ -e go ]; do sleep 0.05; done\"";
    write_manifest(dir.path(), &guest("hooks"), build, PAUSE);
    let server = Server::start([dir.path().to_str().unwrap()]);
    server.until(|| server.get("/.well-known/wasmhost/ready").contains("building"));
    for (host, path) in [("hooks.localhost", "/pause/0"), ("127.0.0.1", "/hooks/probe/pause/0"), ("127.0.0.1", "/")] {
        let reply = read(server.request(host, path));
        assert!(reply.starts_with("HTTP/1.1 503 ") && reply.contains("retry-after: 1\r\n"), "{reply}");
        assert!(
            reply.contains(r#""kind":"starting","message":"the app `hooks` is not ready yet: building""#),
            "{reply}"
        );
    }
    assert!(read(server.request("other.localhost", "/")).starts_with("HTTP/1.1 404 "));
    assert!(read(server.request("hook.localhost", "/")).contains("did you mean `hooks`?"));
    assert!(server.get("/.well-known/wasmhost/live").ends_with("ok"));
    let asking =
        |arguments: &[&str]| run(wasmhost_command().env("WASMHOST_DATA_DIR", server.data_dir()).args(arguments));
    for target in ["hooks", "hooks/probe.pause"] {
        let error = asking(&["call", target, "--milliseconds", "0"]).failed(6);
        assert!(error.contains("the app `hooks` is not ready yet: building"), "{error}");
    }
    assert!(asking(&["call", "hook"]).failed(4).contains("did you mean `hooks`?"));
    let table = asking(&["ps", "hooks"]).ok();
    assert!(table.lines().nth(1).is_some_and(|row| row.starts_with("hooks")), "{table}");
    assert!(table.ends_with("hooks is not ready yet: building\n"), "{table}");
    let listed: serde_json::Value = serde_json::from_str(&asking(&["ps", "--json"]).ok()).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["phase"]), (&"starting".into(), &"building".into()), "{listed}");
    std::fs::write(dir.path().join("go"), "").unwrap();
    server.until(|| server.get("/pause/0").starts_with("HTTP/1.1 204 "));
    assert!(server.get("/.well-known/wasmhost/ready").ends_with("ok"));
}

#[test]
fn a_first_load_that_fails_ends_the_program_with_its_code() {
    let dir = tempfile::tempdir().unwrap();
    write_manifest(dir.path(), &guest("hooks"), "build = \"exit 9\"", "");
    let source = dir.path().to_str().unwrap();
    let error = wasmhost(&["serve", source, "--listen", "127.0.0.1:0"]).failed(1);
    assert!(error.contains("the build command of component `hooks` failed"), "{error}");
}

#[test]
fn mistakes_are_found_before_anything_is_served() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (hooks(one.path(), ""), hooks(two.path(), ""));
    let error = wasmhost(&["serve", &first, &second]).failed(5);
    for text in ["two apps are named `hooks`", &first, &second] {
        assert!(error.contains(text), "{error}");
    }
    let error = wasmhost(&["serve", &first, "--expose-methods", "--listen", "0.0.0.0:8080"]).failed(3);
    assert!(error.contains("`--listen 127.0.0.1:8080`"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = wasmhost(&["serve", &first, "--listen", &address]).failed(5);
    assert!(error.contains(&format!("listening on `{address}`")) && error.contains("port 0"), "{error}");
    assert!(wasmhost(&["serve", "--drain-timeout", "30"]).failed(2).contains("has no unit"));
}

/// What the method `echo` answers for this text when nobody gives one.
fn echoes(text: &str) -> String {
    format!("[class.probe.method.echo]\nweb = \"GET /\"\narguments = {{ text = \"{text}\" }}")
}

#[test]
fn watching_swaps_what_works_and_keeps_what_worked() {
    let dir = tempfile::tempdir().unwrap();
    let source = hooks(dir.path(), &echoes("one"));
    let server = Server::ready([&source, "--watch"]);
    let answers = |text: &str| server.get("/").ends_with(text);
    assert!(answers("one"));
    hooks(dir.path(), &echoes("two"));
    server.until(|| answers("two"));

    std::fs::write(dir.path().join("wasmhost.toml"), "version = 1\n[component.hooks]\nsourc = \"x\"").unwrap();
    server.says("`hooks` goes on as it was");
    assert!(answers("two"));
    hooks(dir.path(), &echoes("three"));
    server.until(|| answers("three"));

    let beside = format!("GET http://{}/beside/{{text}}", server.address());
    assert!(!server.says("served anew").contains(&beside));
    hooks(dir.path(), "[class.probe.method.echo]\nweb = \"GET /beside/{text}\"");
    server.says(&beside);
    assert!(server.get("/beside/four").ends_with("four"));
}

#[test]
fn watching_builds_when_a_source_changes_and_not_because_of_what_the_build_writes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("out")).unwrap();
    std::fs::write(dir.path().join("source"), "1").unwrap();
    let build = format!(
        "build = '''echo built >> ../{}.log; echo generated > generated; [ \"$(cat source)\" != bad ] && cp {} out/hooks.wasm'''",
        dir.path().file_name().unwrap().to_str().unwrap(),
        guest("hooks").display()
    );
    write_manifest(dir.path(), Path::new("out/hooks.wasm"), &build, &echoes("one"));
    let log = dir.path().with_extension("log");
    let builds = || std::fs::read_to_string(&log).unwrap().lines().count();
    let served_anew = |server: &Server| server.said().matches("is served anew").count();

    let server = Server::ready([dir.path().to_str().unwrap(), "--watch"]);
    assert_eq!(builds(), 1);
    std::fs::write(dir.path().join("source"), "2").unwrap();
    server.until(|| served_anew(&server) >= 1);
    std::fs::write(dir.path().join("source"), "bad").unwrap();
    server.says("`hooks` goes on as it was");
    assert!(server.get("/").ends_with("one"));
    // A component that someone else builds is loaded, and nothing is built for it.
    let before = (builds(), served_anew(&server));
    std::fs::copy(guest("hooks"), dir.path().join("out/other.wasm")).unwrap();
    let mut component = std::fs::read(guest("hooks")).unwrap();
    component.extend([0, 3, 1, b'x', 0]);
    std::fs::write(dir.path().join("out/new"), component).unwrap();
    std::fs::rename(dir.path().join("out/new"), dir.path().join("out/hooks.wasm")).unwrap();
    server.until(|| served_anew(&server) == before.1 + 1);
    assert_eq!((builds(), served_anew(&server)), (before.0, before.1 + 1));
    // Once for the start and once for each change of the source, and once for the file that the first build made.
    assert!((3..=4).contains(&before.0), "{before:?}");
    std::fs::remove_file(log).unwrap();
}
