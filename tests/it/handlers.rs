//! Web handlers of guests, WASI 0.2 and 0.3, without a network: what they see, bodies both ways, who answers in which
//! instance, and every way in which a guest can end.

mod gone;
mod leaving;
mod left;
mod named;
mod relayed;
mod told;
mod wire;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;
use tower_service::Service;
use wasmhost::{App, WebService};
use wasmhost_tests::{SOON, TestHost};

/// The guests with a handler, of each version.
const BOTH: [&str; 2] = ["http", "http-async"];

/// An answer: what there was of its body, and whether it ended well.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
    trailers: HeaderMap,
    is_whole: bool,
}

impl Reply {
    fn instance(&self) -> &str {
        self.headers.get("wasmhost-instance").map_or("", |id| id.to_str().unwrap())
    }

    #[track_caller]
    fn ok(&self) -> &str {
        assert!(self.status == 200 && self.is_whole, "{self:?}");
        &self.body
    }
}

type Answer = Response<wasmhost::Body>;

async fn call<B>(front: &WebService, request: Request<B>) -> Answer
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    front.clone().call(request).await.unwrap()
}

async fn read(answer: Answer) -> Reply {
    let (parts, mut body) = answer.into_parts();
    let (mut bytes, mut trailers, mut is_whole) = (Vec::new(), HeaderMap::new(), true);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend(data),
            Ok(Err(frame)) => trailers = frame.into_trailers().unwrap(),
            Err(_) => is_whole = false,
        }
    }
    let body = String::from_utf8(bytes).unwrap();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body, trailers, is_whole }
}

async fn get(front: &WebService, uri: &str) -> Reply {
    let request = Request::get(uri).header("host", "127.0.0.1").body(Full::new(Bytes::new())).unwrap();
    let answer = tokio::time::timeout(SOON, async { read(call(front, request).await).await }).await;
    answer.unwrap_or_else(|_| panic!("no answer, or no end of one: {uri}"))
}

/// A host that serves one guest at the root.
async fn serve(guest: &str, settings: &str) -> (TestHost, App, WebService) {
    let host = TestHost::new();
    let settings = match settings {
        "" => String::new(),
        settings => format!("[class.{guest}]\n{settings}"),
    };
    let app = host.app(guest, &settings).await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root(guest);
    (host, app, front)
}

/// A body that is written while it is sent.
struct Upload(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let frame = std::task::ready!(self.0.poll_recv(context));
        Poll::Ready(frame.map(|frame| match frame.data_ref().is_some_and(|data| data == "!") {
            true => Err(std::io::Error::other("reset")),
            false => Ok(frame),
        }))
    }
}

fn upload() -> (mpsc::UnboundedSender<Frame<Bytes>>, Upload) {
    let (sender, frames) = mpsc::unbounded_channel();
    (sender, Upload(frames))
}

fn post(path: &str, body: Upload) -> Request<Upload> {
    Request::post(path).header("host", "127.0.0.1").body(body).unwrap()
}

/// Sends a body in pieces, each of which has come back before the next one goes.
async fn flows_both_ways(front: &WebService, path: &str, what: &str) {
    let (sender, body) = upload();
    let mut answer = call(front, post(path, body)).await;
    for piece in ["one", "two", "three"] {
        sender.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
        let frame = tokio::time::timeout(SOON, answer.body_mut().frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece, "{what}");
    }
    drop(sender);
    assert!(read(answer).await.is_whole, "{what}");
}

#[tokio::test]
async fn a_guest_sees_the_request_as_it_was_routed() {
    for guest in BOTH {
        let (.., front) = serve(guest, "").await;
        for (host, path, seen, prefix) in [
            ("127.0.0.1:8080", "/request?a=b&a=%20", "/request?a=b&a=%20", None),
            (&*format!("{guest}.localhost"), "/request", "/request", None),
            (&*format!("{guest}--{guest}.localhost"), "/request?", "/request?", None),
            ("127.0.0.1", &*format!("/{guest}/{guest}/request?q"), "/request?q", Some(format!("/{guest}/{guest}"))),
        ] {
            let request = Request::get(path).header("host", host).header("x-forwarded-prefix", "/forged");
            let reply = read(call(&front, request.body(Full::new(Bytes::new())).unwrap()).await).await;
            let mut lines = reply.ok().lines();
            assert_eq!(lines.next().unwrap(), format!("Method::Get {seen}"));
            assert_eq!(lines.next().unwrap(), host, "{guest}");
            let prefix_seen = lines.find_map(|line| line.strip_prefix("x-forwarded-prefix: "));
            assert_eq!(prefix_seen, prefix.as_deref(), "{guest}");
        }
        assert_eq!(get(&front, "/no/such/thing").await.status, 404);
        assert_eq!(get(&front, "/status/204").await.status, 204);
    }
}

#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    for guest in BOTH {
        let (.., front) = serve(guest, "").await;
        flows_both_ways(&front, "/echo", guest).await;
    }
}

#[tokio::test]
async fn a_body_that_a_guest_passes_on_goes_on_without_it() {
    for settings in ["timeout = \"2s\"", "timeout = \"2s\"\nreuse = true\nconcurrency = 4"] {
        let (.., front) = serve("http-async", settings).await;
        flows_both_ways(&front, "/pass", settings).await;
        // One that stands still is not waited for without end.
        let (sender, body) = upload();
        let answer = call(&front, post("/pass", body)).await;
        sender.send(Frame::data(Bytes::from_static(b"one"))).unwrap();
        let reply = tokio::time::timeout(SOON, read(answer)).await.unwrap();
        assert!(!reply.is_whole && reply.body == "one", "{settings}: {reply:?}");
        drop(sender);
    }
}

#[tokio::test]
async fn a_body_comes_in_pieces_that_are_small_enough_to_wait() {
    for guest in BOTH {
        let (.., front) = serve(guest, "").await;
        let request = Request::get("/pieces/4194304").header("host", "a").body(Full::new(Bytes::new())).unwrap();
        let mut body = call(&front, request).await.into_body();
        let mut sizes = Vec::new();
        while let Some(frame) = body.frame().await {
            sizes.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), 4 << 20, "{guest}");
        assert!(sizes.iter().all(|size| *size <= 64 << 10), "{guest} {sizes:?}");
    }
}

#[tokio::test]
async fn trailers_go_both_ways() {
    for guest in BOTH {
        let (.., front) = serve(guest, "").await;
        let (sender, body) = upload();
        sender.send(Frame::data(Bytes::from_static(b"12345"))).unwrap();
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())]);
        sender.send(Frame::trailers(trailers)).unwrap();
        drop(sender);
        let reply = read(call(&front, post("/trailers", body)).await).await;
        assert_eq!(reply.ok(), "see the trailers");
        let trailer = |name| reply.trailers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((trailer("x-bytes"), trailer("x-sum-back")), (Some("5"), Some("9")), "{guest} {reply:?}");
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_was_read() {
    for guest in BOTH {
        let (.., front) = serve(guest, "").await;
        let (_sender, body) = upload();
        let reply = read(tokio::time::timeout(SOON, call(&front, post("/early", body))).await.unwrap()).await;
        assert_eq!((reply.status, &*reply.body), (413, "no, thanks"), "{guest}");
    }
}

#[tokio::test]
async fn no_way_to_die_looks_like_a_clean_end() {
    for guest in BOTH {
        let (host, _, front) = serve(guest, "reuse = true\ntimeout = \"300ms\"").await;
        for how in ["panic", "trap", "exit", "spin", "sleep", "leave"] {
            let before = get(&front, &format!("/die/{how}/before")).await;
            let status = if matches!(how, "spin" | "sleep") { 504 } else { 500 };
            assert_eq!(before.status, status, "{guest}, {how}: {before:?}");
            let after = get(&front, &format!("/die/{how}/after")).await;
            let is_cut = after.status == 200 && !after.is_whole && "the beginning".starts_with(&*after.body);
            assert!(is_cut || after.status == status, "{guest}, {how}: {after:?}");
            // What comes next is right, in another instance wherever this one broke.
            let next = get(&front, "/whole").await;
            assert_eq!(next.ok(), "", "{guest}, {how}");
            assert_eq!(next.instance() == after.instance(), how == "leave", "{guest}, {how}: {after:?} {next:?}");
        }
        host.host.shutdown().await;
    }
}

#[tokio::test]
async fn a_body_of_a_known_length_is_whole_only_when_its_guest_has_finished_it() {
    let (.., front) = serve("http", "").await;
    let reply = get(&front, "/length").await;
    assert!(reply.status == 500 || !reply.is_whole && reply.body.len() < 5, "{reply:?}");
}

#[tokio::test]
async fn answers_that_are_none_are_told_as_errors() {
    for (guest, settings) in [("http", ""), ("http-async", ""), ("http-async", "concurrency = 4")] {
        let (_host, _app, front) = serve(guest, settings).await;
        for status in [100, 101, 103] {
            let reply = get(&front, &format!("/status/{status}")).await;
            assert_eq!(reply.status, 500, "{guest} {settings}");
            assert!(
                reply.body.contains(&format!("answered with the status {status}")),
                "{guest} {settings}: {reply:?}"
            );
        }
        let reply = get(&front, "/longer").await;
        let is_told = reply.status == 500 && reply.body.contains("the body of the answer of `handle` ");
        // One of several may have its head sent before its body is known.
        assert!(is_told || settings.contains("concurrency") && !reply.is_whole, "{guest} {settings}: {reply:?}");
        assert_eq!(get(&front, "/whole").await.ok(), "", "{guest} {settings}");
    }
}

#[tokio::test]
async fn of_an_answer_to_head_the_rest_is_read_and_not_sent() {
    const BYTES: usize = 1 << 20;
    for (guest, settings) in [("http", "reuse = true"), ("http-async", ""), ("http-async", "concurrency = 4")] {
        let (_host, app, front) = serve(guest, settings).await;
        let first = get(&front, "/whole").await;
        for (path, length) in [(&*format!("/pieces/{BYTES}"), None), ("/longer", Some("5")), ("/whole", None)] {
            let request = Request::head(path).header("host", "127.0.0.1").body(Full::new(Bytes::new())).unwrap();
            let answer = call(&front, request).await;
            assert_eq!(answer.headers().get("content-length").map(|it| it.to_str().unwrap()), length, "{guest}{path}");
            assert_eq!(read(answer).await.ok(), "", "{guest} {settings}");
            wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 0)).await;
        }
        assert_eq!(get(&front, "/whole").await.instance(), first.instance(), "{guest} {settings}: it is still there");
    }
}

#[tokio::test]
async fn a_guest_may_answer_a_request_that_breaks_off() {
    let (.., front) = serve("http", "reuse = true").await;
    let first = get(&front, "/whole").await;
    let (sender, body) = upload();
    for piece in ["one", "!"] {
        sender.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
    }
    let judged = read(call(&front, post("/judge", body)).await).await;
    assert_eq!((judged.status, &*judged.body, judged.is_whole), (422, "judged", true));
    assert_eq!(judged.instance(), first.instance());
}

#[tokio::test]
async fn instances_are_used_again_by_who_asks_for_it() {
    for (guest, settings, counts) in [
        ("http", "", ["1", "1", "1"]),
        ("http", "reuse = true", ["1", "2", "3"]),
        ("http", "max-calls = 2", ["1", "2", "1"]),
        ("http-async", "", ["1", "2", "3"]),
    ] {
        let (.., front) = serve(guest, settings).await;
        for count in counts {
            assert_eq!(get(&front, "/count").await.ok(), count, "{guest} {settings}");
        }
    }
}

#[tokio::test]
async fn fresh_instances_are_no_new_sets_of_parameters() {
    let host = TestHost::with(|builder| builder.tuple_rate(1, 1));
    let app = host.app("http", "").await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root("http");
    for _ in 0..20 {
        assert_eq!(get(&front, "/count").await.ok(), "1");
        // Its pool is empty again, and gone.
        wait_until(|| app.pools().is_empty()).await;
    }
}

#[tokio::test]
async fn parameters_in_the_query_choose_the_pool_and_routes_come_before_the_handler() {
    let host = TestHost::new();
    let app = host.app("site", "[class.site.method.hits]\nweb = \"GET /hits\"").await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root("site");
    for (uri, answer) in [
        ("/x?name=a&size=1&other=2", "a at /x?name=a&size=1&other=2, hit 1"),
        ("/site/site/?size=01&name=a", "a at /?size=01&name=a, hit 2"),
        ("/x?name=b&size=1", "b at /x?name=b&size=1, hit 1"),
        ("/hits?name=a&size=1", "2"),
    ] {
        assert_eq!(get(&front, uri).await.ok(), answer, "{uri}");
    }
    let post = Request::post("/hits?name=a&size=1").header("host", "a").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(read(call(&front, post).await).await.ok(), "a at /hits?name=a&size=1, hit 3");
    for (uri, says) in [
        ("/x?size=1", "missing parameter `name`"),
        ("/x?name=c&size=one", "`size` needs a whole number"),
        ("/x?name=c&size=1&size=2", "`size`"),
        ("/x?name=%ff&size=1", "percent-encoded"),
    ] {
        let refused = get(&front, uri).await;
        assert!(refused.status == 400 && refused.body.contains(says), "{uri}: {refused:?}");
        assert_eq!(refused.instance(), "");
    }
    let starts: u64 = app.pools().iter().map(|pool| pool.starts).sum();
    assert_eq!(starts, 2);
    let failed = get(&front, "/?name=&size=1").await;
    assert!(failed.status == 503 && failed.headers.contains_key("retry-after"), "{failed:?}");
    host.host.shutdown().await;
    assert_eq!(host.printed.texts().iter().filter(|line| *line == "left").count(), 2);
}

#[tokio::test]
async fn a_client_that_goes_before_the_head_takes_the_instance_along() {
    for guest in BOTH {
        let (_host, app, front) = serve(guest, "reuse = true").await;
        for how in ["sleep", "spin"] {
            let request = Request::get(format!("/die/{how}/before")).header("host", "a");
            let asked = call(&front, request.body(Full::new(Bytes::new())).unwrap());
            assert!(tokio::time::timeout(Duration::from_millis(100), asked).await.is_err());
            wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 0)).await;
        }
        // The rest of a request that breaks off: its client is gone as well.
        let (sender, body) = upload();
        sender.send(Frame::data(Bytes::from_static(b"!"))).unwrap();
        let reply = read(tokio::time::timeout(SOON, call(&front, post("/whole", body))).await.unwrap()).await;
        assert_ne!(reply.status, 200, "{guest} {reply:?}");
        wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 0)).await;
        assert_eq!(get(&front, "/count").await.ok(), "1", "{guest}: another instance");
    }
}

#[tokio::test]
async fn requests_share_an_instance_where_the_class_says_so() {
    let (_host, app, front) = serve("http-async", "reuse = true\nconcurrency = 4").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let (sender, body) = upload();
        sender.send(Frame::data(Bytes::from_static(b"a piece"))).unwrap();
        let mut answer = call(&front, post("/echo", body)).await;
        let frame = tokio::time::timeout(SOON, answer.body_mut().frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "a piece");
        open.push((sender, answer));
    }
    let starts = |app: &App| app.pools().iter().map(|pool| pool.starts).sum::<u64>();
    assert_eq!(starts(&app), 1, "all four are in one instance");
    assert_eq!(get(&front, "/count").await.ok(), "1", "the fifth is in another");
    // One that nobody reads any more gives its slot back, and takes nobody along.
    drop(open.pop());
    wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 1)).await;
    for (sender, answer) in open {
        drop(sender);
        assert_eq!(read(answer).await.ok(), "");
    }
    wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 0)).await;
    assert_eq!(starts(&app), 2);
}

#[tokio::test]
async fn a_trap_in_a_shared_instance_cuts_all_answers_and_a_timeout_its_own() {
    let (_host, app, front) = serve("http-async", "reuse = true\nconcurrency = 4\ntimeout = \"300ms\"").await;
    let (sender, body) = upload();
    sender.send(Frame::data(Bytes::from_static(b"a piece"))).unwrap();
    let beside = call(&front, post("/echo", body)).await;
    let trapped = get(&front, "/die/trap/after").await;
    assert!(!trapped.is_whole || trapped.status == 500, "{trapped:?}");
    assert!(!read(beside).await.is_whole);
    assert_eq!(get(&front, "/count").await.ok(), "1");
    let late = get(&front, "/die/sleep/after").await;
    assert!(late.status == 200 && !late.is_whole, "{late:?}");
    assert_eq!(get(&front, "/die/sleep/before").await.status, 504);
    assert_eq!(get(&front, "/whole").await.ok(), "");
    wait_until(|| app.pools().iter().all(|pool| pool.waiting == 0)).await;
}

#[tokio::test]
async fn a_request_that_a_dying_instance_has_not_begun_is_answered_by_another_one() {
    let (_host, app, front) = serve("http-async", "reuse = true\nconcurrency = 4").await;
    let first = get(&front, "/count").await;
    let mut dying = std::pin::pin!(get(&front, "/die/late/before"));
    // It runs now, and nothing else does in its instance until it dies.
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut dying).await.is_err());
    let (sender, body) = upload();
    sender.send(Frame::data(Bytes::from_static(b"a piece"))).unwrap();
    drop(sender);
    let (dying, next) = tokio::join!(dying, async { read(call(&front, post("/whole", body)).await).await });
    assert_eq!((dying.status, dying.instance()), (500, first.instance()));
    assert_eq!(next.ok(), "a piece");
    assert_ne!(next.instance(), first.instance());
    assert_eq!(app.pools().iter().map(|pool| pool.starts).sum::<u64>(), 2);
}

#[tokio::test]
async fn requests_do_not_share_an_instance_of_wasi_0_2() {
    let error = TestHost::new().app("http", "[class.http]\nconcurrency = 2").await.unwrap_err();
    assert!(error.to_string().contains("of WASI 0.3, and this class has one of 0.2"), "{error}");
}

/// Looks until something is so, as long as it may take.
async fn wait_until(is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, looking).await.expect("it never came");
}
