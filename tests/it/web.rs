//! The web front as a tower service, without a network: matching, inputs, answers, refusals, with real guests.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower_service::Service;
use wasmhost::{ErrorKind, Host, WebService};
use wasmhost_tests::{TestHost, guest, root};

/// An answer, read whole.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of an error of this status and kind, which is JSON.
    #[track_caller]
    fn refused(&self, status: u16, kind: &str) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, "application/json"), "{self:?}");
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["error"]["kind"], kind, "{self:?}");
        document["error"]["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn ok(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        &self.body
    }
}

async fn send<B>(front: &WebService, request: Request<B>) -> Reply
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = front.clone().call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.into()).unwrap() }
}

/// A request such as `GET http://app.localhost/path`, with its header fields and its body.
async fn ask(front: &WebService, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let (verb, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(verb);
    // As on a connection: the host is a field, the rest the target.
    request = match uri.strip_prefix("http://") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            request.header("host", host).uri(path)
        }
        None => request.uri(uri),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(front, request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
}

async fn get(front: &WebService, uri: &str) -> Reply {
    ask(front, &format!("GET {uri}"), &[], "").await
}

const JSON: (&str, &str) = ("content-type", "application/json");

async fn front(host: &Host, app: wasmhost::Result<wasmhost::App>) -> WebService {
    host.publish(&app.unwrap());
    host.web_service()
}

/// The guest with hooks, with routes.
async fn probe(host: &TestHost, settings: &str) -> WebService {
    let settings = format!("[class.probe]\nparameters = {{ mode = \"\" }}\n{settings}");
    front(&host.host, host.app("hooks", &settings).await).await
}

const ROUTES: &str = r#"
[class.probe.method.echo]
web = "GET /echo/{text}"
[class.probe.method.read-file]
web = "GET /files/{*path}"
[class.probe.method.noop]
web = "POST /noop"
[class.probe.method.point]
web = "PUT /point"
[class.probe.method.fail]
web = "GET /fail/{message}"
[class.probe.method.behave]
web = "DELETE /behave/{how}"
[class.probe.method.read-env]
web = "GET /env/{name}"
[class.probe.method.bytes]
web = "POST /bytes"
"#;

#[tokio::test]
async fn the_four_urls_of_the_example_answer_by_host_by_path_and_at_the_root() {
    let host = TestHost::with(|builder| builder.max_instances(64));
    let front = front(&host.host, host.host.load(root().join("examples/parameterized")).await).await;
    let front = front.domain("Example.org.").root("parameterized");
    for base in [
        "http://parameterized.localhost:8080/",
        "http://parameterized--my-class.localhost/",
        "http://PARAMETERIZED.example.org./",
        "http://127.0.0.1:8080/parameterized/my-class/",
        "/parameterized/my-class",
        "http://127.0.0.1/",
        "/",
    ] {
        for (query, answer) in [
            ("foo=hedgehog&bar=7&qux=override", "(hedgehog, 7), with input qux=override"),
            ("foo=hedgehog&qux=override", "(hedgehog, 10), with input qux=override"),
            ("foo=hedgehog&bar=10", "(hedgehog, 10), with input qux=default"),
            ("foo=hedgehog", "(hedgehog, 10), with input qux=default"),
        ] {
            let reply = get(&front, &format!("{base}?{query}")).await;
            assert_eq!(reply.ok(), format!("This code is running in instance pool {answer}"), "{base}");
            assert!(reply.header("wasmhost-instance").parse::<u64>().is_ok(), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn what_matches_nothing_is_told_what_would_have() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    for (uri, says) in [
        ("http://hook.localhost/", "there is no app `hook`; did you mean `hooks`?"),
        ("http://hooks--prob.localhost/", "the app `hooks` has no class `prob`; did you mean `probe`?"),
        ("/hook/probe/", "there is no app `hook`; did you mean `hooks`?"),
        ("/hooks/prob/noop", "the app `hooks` has no class `prob`; did you mean `probe`?"),
        ("/hooks", "answers under its classes"),
        ("/", "no app answers at `/`"),
        ("http://hooks.localhost/nope", "no route of the class `probe` answers `/nope`; its routes are `"),
        ("/.well-known/wasmhost/x", "`live` and `ready`"),
    ] {
        let message = get(&front, uri).await.refused(404, "not-found");
        assert!(message.contains(says), "{uri}: {message}");
    }
}

#[tokio::test]
async fn names_come_from_path_query_and_body_each_once() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    let hooks = "http://hooks.localhost";
    assert_eq!(get(&front, &format!("{hooks}/echo/a%2Fb%20c%2525+d?mode=")).await.ok(), "a/b c%25+d");
    assert_eq!(get(&front, &format!("{hooks}/%65cho/x")).await.ok(), "x");
    get(&front, &format!("{hooks}/files/no/such//file")).await.refused(500, "returned-error");
    let point = |query: &'static str, body: &'static str| {
        let (front, line) = (&front, format!("PUT {hooks}/point{query}"));
        async move { ask(front, &line, &[JSON], body).await }
    };
    assert_eq!(point("", r#"{"at": {"x": 1, "y": 2}, "mode": ""}"#).await.ok(), r#"{"x":2,"y":1}"#);
    assert_eq!(point("?at=%7B%22x%22:1,%22y%22:2%7D", "").await.ok(), r#"{"x":2,"y":1}"#);
    for (query, body, says) in [
        ("?mode=", r#"{"mode": "", "at": {"x": 1, "y": 2}}"#, "parameter `mode` is given twice"),
        ("?mode=a&mode=b", "", "parameter `mode` is given twice"),
        ("", "", "missing argument `at`"),
        ("", r#"{"att": 1}"#, "there is no parameter or argument `att`; did you mean `at`? known: `at`, `mode`"),
        ("", r#"{"at": {"x": 1, "y": "z"}}"#, "`at.y` needs a whole number"),
        ("?at=5", "", "`at` needs"),
        ("", "[1]", "an object with parameters and arguments by name"),
        ("", "{", "not JSON"),
        ("?mode=%zz", "", "the query is not percent-encoded UTF-8"),
        ("?mode=%ff", "", "the query is not percent-encoded UTF-8"),
    ] {
        let message = point(query, body).await.refused(400, "bad-request");
        assert!(message.contains(says), "{query} {body}: {message}");
    }
    let message = get(&front, &format!("{hooks}/echo/x?text=y")).await.refused(400, "bad-request");
    assert_eq!(message, "argument `text` is given twice");
    let message = get(&front, &format!("{hooks}/echo/%c3")).await.refused(400, "bad-request");
    assert_eq!(message, "the path is not percent-encoded UTF-8");
}

#[tokio::test]
async fn answers_have_the_form_that_suits_what_came_back() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    let reply = ask(&front, "POST http://hooks.localhost/noop", &[], "").await;
    assert_eq!((reply.status, reply.body.as_str(), reply.header("content-type")), (204, "", ""));
    let reply = get(&front, "http://hooks.localhost/env/NOT_SET").await;
    assert_eq!((reply.ok(), reply.header("content-type")), ("null", "application/json"));
    let reply = ask(&front, "POST http://hooks.localhost/bytes", &[JSON], r#"{"data": "aGk="}"#).await;
    assert_eq!(reply.ok(), r#""aGk=""#);
    let echo = "GET http://hooks.localhost/echo/hi";
    let reply = ask(&front, echo, &[], "").await;
    assert_eq!((reply.ok(), reply.header("content-type")), ("hi", "text/plain; charset=utf-8"));
    let reply = ask(&front, echo, &[("accept", "application/json, */*;q=0.1")], "").await;
    assert_eq!((reply.ok(), reply.header("content-type")), (r#""hi""#, "application/json"));
    assert_eq!(reply.header("vary"), "accept");
    let reply = ask(&front, "HEAD http://hooks.localhost/echo/hello", &[], "").await;
    assert_eq!((reply.ok(), reply.header("content-length")), ("", "5"));
    assert!(!reply.header("wasmhost-instance").is_empty());
    let reply = ask(&front, "HEAD http://hooks.localhost/fail/x", &[], "").await;
    assert_eq!((reply.status, reply.body.as_str()), (500, ""));
    assert_ne!(reply.header("content-length"), "0");
}

#[tokio::test]
async fn the_errors_of_guests_are_told_without_their_insides() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    let reply = get(&front, "http://hooks.localhost/fail/oh%20no").await;
    reply.refused(500, "returned-error");
    let document: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["error"]["value"], "oh no");
    assert!(!reply.header("wasmhost-instance").is_empty(), "a call ran: {reply:?}");

    let reply = ask(&front, "DELETE http://hooks.localhost/behave/panic", &[], "").await;
    reply.refused(500, "trapped");
    assert!(!reply.header("wasmhost-instance").is_empty(), "a call ran: {reply:?}");
    for secret in ["panicked on demand", "backtrace", "stderr", "behave::"] {
        assert!(!reply.body.contains(secret), "{reply:?}");
    }
    let reply = get(&front, "http://hooks.localhost/echo/x?mode=enter:err").await;
    reply.refused(503, "enter-failed");
    assert!(reply.body.contains(r#""value":"failed on demand""#), "{reply:?}");
    assert_eq!(reply.header("retry-after"), "1");

    host.host.shutdown().await;
    let reply = get(&front, "http://hooks.localhost/echo/x").await;
    reply.refused(503, "draining");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(get(&front, "/.well-known/wasmhost/ready").await.status, 503);
    assert_eq!(get(&front, "/.well-known/wasmhost/live").await.ok(), "ok");
}

#[tokio::test]
async fn a_timeout_is_a_504_with_its_setting() {
    let host = TestHost::new();
    let front = probe(&host, &format!("timeout = \"50ms\"\n{ROUTES}")).await;
    let reply = ask(&front, "DELETE http://hooks.localhost/behave/spin", &[], "").await;
    reply.refused(504, "timed-out");
    let document: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&document["error"]["setting"], &document["error"]["limit"]), (&json!("timeout"), &json!("50ms")));
}

#[tokio::test]
async fn verbs_that_are_not_answered_are_told_those_that_are() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    for verb in ["POST", "PUT", "CONNECT", "BREW"] {
        let reply = ask(&front, &format!("{verb} http://hooks.localhost/echo/x"), &[], "").await;
        reply.refused(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "GET, HEAD, OPTIONS");
    }
    let reply = ask(&front, "OPTIONS http://hooks.localhost/noop", &[("origin", "https://a.example")], "").await;
    assert_eq!((reply.status, reply.header("allow")), (204, "POST, OPTIONS"));
    assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "CORS is off: {reply:?}");
    ask(&front, "OPTIONS http://hooks.localhost/nope", &[], "").await.refused(404, "not-found");
}

/// A body that never ends, or says that it is long.
struct Slow {
    says: u64,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let mut hint = http_body::SizeHint::new();
        hint.set_lower(self.says);
        hint
    }
}

#[tokio::test]
async fn bodies_are_held_to_type_size_and_time() {
    let host = TestHost::with(|builder| builder.max_body_bytes(64));
    let front = probe(&host, ROUTES).await.body_timeout(Duration::from_millis(50));
    let put = "PUT http://hooks.localhost/point";
    for headers in [&[][..], &[("content-type", "application/x-www-form-urlencoded")]] {
        let message = ask(&front, put, headers, "at=1").await.refused(415, "bad-request");
        assert!(message.contains("`content-type: application/json`"), "{message}");
    }
    let echo = ask(&front, "GET http://hooks.localhost/echo/x", &[("content-type", "text/plain")], "x").await;
    echo.refused(415, "bad-request");
    let ok = ask(&front, put, &[("content-type", "application/vnd.a+json; charset=UTF-8")], r#"{"at":{"x":1,"y":2}}"#);
    ok.await.ok();

    let reply = ask(&front, put, &[JSON], &" ".repeat(65)).await;
    assert!(reply.refused(413, "too-large").contains("64 bytes; the setting is `max-body`"));
    let request = |says| {
        let request = Request::put("/hooks/probe/point").header(JSON.0, JSON.1);
        request.body(Slow { says }).unwrap()
    };
    // Never read: it would not end.
    send(&front, request(65)).await.refused(413, "too-large");
    let reply = send(&front, request(0)).await;
    reply.refused(408, "bad-request");
    assert_eq!(reply.header("connection"), "close");
    assert!(reply.body.contains(r#""setting":"body-timeout""#), "{reply:?}");
}

#[tokio::test]
async fn pages_of_listed_origins_see_answers_and_errors_and_others_nothing() {
    let host = TestHost::new();
    let cors = format!("cors = [\"https://a.example\"]\n{ROUTES}");
    let front = probe(&host, &cors).await;
    let (ours, other) = (("origin", "https://a.example"), ("origin", "https://b.example"));
    let preflight = [ours, ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-mine")];
    let reply = ask(&front, "OPTIONS http://hooks.localhost/point", &preflight, "").await;
    assert_eq!((reply.status, reply.header("access-control-allow-methods")), (204, "PUT, OPTIONS"));
    assert_eq!(reply.header("access-control-allow-headers"), "x-mine");
    assert_eq!(reply.header("access-control-max-age"), "600");
    assert!(host.printed.lines().is_empty() && reply.header("wasmhost-instance").is_empty(), "nothing was started");
    for (uri, status) in [("echo/x", 200), ("fail/x", 500), ("nope", 404), ("noop", 405), ("echo/x?y=1", 400)] {
        let line = format!("GET http://hooks.localhost/{uri}");
        let reply = ask(&front, &line, &[ours], "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, "https://a.example"));
        assert_eq!(reply.header("access-control-expose-headers"), "wasmhost-instance");
        assert!(reply.headers.get_all("vary").iter().any(|vary| vary == "origin"), "{reply:?}");
        let reply = ask(&front, &line, &[other], "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, ""));
    }
}

#[tokio::test]
async fn methods_without_a_route_answer_only_when_they_are_exposed() {
    let host = TestHost::new();
    let front = probe(&host, ROUTES).await;
    ask(&front, "POST http://hooks.localhost/count", &[], "").await.refused(404, "not-found");
    let front = front.expose_methods(true);
    for (uri, calls) in [("http://hooks.localhost/count", "1"), ("/hooks/probe/count", "2")] {
        assert_eq!(ask(&front, &format!("POST {uri}"), &[], "").await.ok(), calls);
    }
    let reply = ask(&front, "POST http://hooks.localhost/read_env?mode=", &[JSON], r#"{"name": "X"}"#).await;
    assert_eq!(reply.ok(), "null");
    // Routes come first, and `allow` knows both.
    assert_eq!(ask(&front, "POST http://hooks.localhost/noop", &[], "").await.status, 204);
    let reply = get(&front, "http://hooks.localhost/count").await;
    reply.refused(405, "method-not-allowed");
    assert_eq!(reply.header("allow"), "POST, OPTIONS");
    ask(&front, "POST http://hooks.localhost/enter", &[], "").await.refused(404, "not-found");
}

#[tokio::test]
async fn web_pages_do_not_call_methods_that_are_only_exposed_unless_cors_lists_them() {
    let host = TestHost::new();
    let exposed = |front: WebService| front.expose_methods(true);
    let count = async |front: &WebService, at: &str, headers: &[(&str, &str)]| {
        ask(front, &format!("POST http://{at}/count"), headers, "").await
    };
    let (here, evil) = ("localhost:8080/hooks/probe", "https://evil.example");
    let front = exposed(probe(&host, ROUTES).await);
    for (at, headers) in [
        (here, &[("origin", evil)][..]),
        (here, &[("origin", "null"), ("sec-fetch-site", "cross-site")]),
        (here, &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")]),
        (here, &[("sec-fetch-site", "cross-site")]),
        // The name leads to this machine since the page was loaded.
        ("evil.example:8080/hooks/probe", &[("origin", "http://evil.example:8080"), ("sec-fetch-site", "same-origin")]),
    ] {
        let reply = count(&front, at, headers).await;
        let message = reply.refused(403, "forbidden");
        assert!(message.contains("`POST /count` is for programs") && message.contains("`cors`"), "{message}");
        assert!(reply.body.contains(r#""limit":"none""#) && reply.body.contains(r#""setting":"cors""#), "{reply:?}");
    }
    let own = [("origin", "http://hooks.localhost:8080"), ("sec-fetch-site", "same-origin")];
    assert_eq!(count(&front, "hooks.localhost:8080", &own).await.ok(), "1", "nothing was called before");
    assert_eq!(count(&front, "any.name/hooks/probe", &[]).await.ok(), "2", "a program");
    let named = [("origin", "http://box:8080")];
    count(&front, "box:8080/hooks/probe", &named).await.refused(403, "forbidden");
    let at_home = front.clone().domain("box");
    assert_eq!(count(&at_home, "box:8080/hooks/probe", &named).await.ok(), "3");
    // A route is meant for the world.
    let noop = ask(&front, "POST http://hooks.localhost/noop", &[("origin", evil)], "").await;
    assert_eq!(noop.status, 204);

    let listed = exposed(probe(&host, &format!("cors = [\"https://a.example\"]\n{ROUTES}")).await);
    let reply = count(&listed, here, &[("origin", "https://a.example"), ("sec-fetch-site", "cross-site")]).await;
    assert_eq!((reply.ok(), reply.header("access-control-allow-origin")), ("1", "https://a.example"));
    let reply = count(&listed, here, &[("origin", evil)]).await;
    reply.refused(403, "forbidden");
    assert!(reply.body.contains(r#""limit":"https://a.example""#), "{reply:?}");
    let all = exposed(probe(&host, &format!("cors = \"*\"\n{ROUTES}")).await);
    assert_eq!(count(&all, here, &[("origin", evil), ("sec-fetch-site", "cross-site")]).await.ok(), "1");
}

#[tokio::test]
async fn the_class_with_routes_is_the_apps_own_unless_another_is_the_default() {
    let host = TestHost::new();
    let greet = "http://two-classes.localhost/greet/Ann?greeting=Hi";
    let by_routes = front(&host.host, host.app("two-classes", "").await).await;
    assert!(get(&by_routes, greet).await.ok().contains("Ann"));
    let by_default = front(&host.host, host.app("two-classes", "[class.near-misses]\ndefault = true").await).await;
    let message = get(&by_default, greet).await.refused(404, "not-found");
    assert!(message.contains("the class `near-misses` has no routes"), "{message}");
    // The front made before sees the same apps: publishing replaced one.
    get(&by_routes, greet).await.refused(404, "not-found");
    assert!(get(&by_routes, "/two-classes/greeter/greet/Ann?greeting=Hi").await.ok().contains("Ann"));
    host.host.unpublish("two-classes").unwrap();
    assert!(get(&by_routes, "/two-classes/greeter/").await.refused(404, "not-found").contains("no apps"));
}

#[tokio::test]
async fn routes_that_answer_the_same_requests_and_two_defaults_are_refused_at_load() {
    let host = TestHost::new();
    let routes = "[class.probe.method]\necho = { web = \"GET /a/{text}\" }\nfail = { web = \"GET /a/{message}\" }";
    let error = host.app("hooks", routes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    for name in ["`GET /a/{message}`", "`echo`", "fail"] {
        assert!(error.message().contains(name), "{error}");
    }

    // One default in the file, the other in the component's own section.
    let mut component = std::fs::read(guest("two-classes")).unwrap();
    let section = br#"{"version": 1, "class": {"near-misses": {"default": true}}}"#;
    wasm_encoder::Encode::encode(&CustomSection(section), &mut component);
    let file = host.dir().join("defaults.wasm");
    std::fs::write(&file, component).unwrap();
    let manifest = host.dir().join("wasmhost.toml");
    let text =
        "version = 1\nname = \"defaults\"\n[component.a]\nsource = \"defaults.wasm\"\n[class.greeter]\ndefault = true";
    std::fs::write(&manifest, text).unwrap();
    let error = host.host.load(manifest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("`near-misses` and `greeter`"), "{error}");
}

/// The section in which a component carries settings, as it is appended to one.
struct CustomSection(&'static [u8]);

impl wasm_encoder::Encode for CustomSection {
    fn encode(&self, sink: &mut Vec<u8>) {
        sink.push(0);
        wasm_encoder::CustomSection { name: "wasmhost:manifest".into(), data: self.0.into() }.encode(sink);
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_the_front_as_it_was() {
    let host = TestHost::new();
    let front = probe(&host, "[class.probe.method.pause]\nweb = \"GET /pause/{milliseconds}\"").await;
    let request = Request::get("/hooks/probe/pause/60000").body(Full::<Bytes>::default()).unwrap();
    let answer = front.clone().call(request);
    let dropped: Result<Result<Response<_>, _>, _> = tokio::time::timeout(Duration::from_millis(100), answer).await;
    assert!(dropped.is_err());
    assert_eq!(get(&front, "/hooks/probe/pause/0").await.status, 204);
    host.host.shutdown().await;
}
