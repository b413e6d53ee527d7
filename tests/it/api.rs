//! The control API over its socket, with real guests: calls, errors, who may ask, and what a client that leaves takes along.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use wasmhost::api::place::Place;
use wasmhost::api::{Control, Options};
use wasmhost::{ErrorKind, HostBuilder};
use wasmhost_tests::{TestHost, example, root};

const BAZ: &str = "/v1/apps/parameterized/classes/my-class/methods/baz/calls";

/// How long something may take that takes no time.
const SOON: Duration = Duration::from_secs(20);

/// A host with a control API in a data directory of its own.
pub(crate) struct Served {
    pub(crate) host: TestHost,
    pub(crate) control: Control,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let host = TestHost::with(configure);
        let place = Place::Kept(host.dir().join("data"));
        Self { control: start(&host, place).unwrap(), host }
    }

    /// With the app `parameterized`.
    pub(crate) async fn parameterized() -> Self {
        Self::parameterized_with(|builder| builder).await
    }

    async fn parameterized_with(configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let served = Self::with(configure);
        example("parameterized");
        served.host.host.publish(&served.host.host.load(root().join("examples/parameterized")).await.unwrap());
        served
    }

    /// Publishes a guest with settings, which are the rest of a manifest, under the guest's name.
    pub(crate) async fn publish(&self, guest: &str, settings: &str) {
        self.host.host.publish(&self.host.app(guest, settings).await.unwrap());
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.host.dir().join("data")
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(self.control.socket(), method, path, body, "").await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Calls a method of the guest `hooks`, entered with `mode`.
    async fn probe(&self, method: &str, mode: &str, arguments: Value) -> Answer {
        let body = json!({ "parameters": { "mode": mode }, "arguments": arguments });
        self.ask("POST", &format!("/v1/apps/hooks/classes/probe/methods/{method}/calls"), &body.to_string()).await
    }

    /// Waits until the metrics have this line.
    pub(crate) async fn until_metrics(&self, line: &str) {
        let started = Instant::now();
        while !self.host.host.metrics().lines().any(|found| found == line) {
            assert!(started.elapsed() < SOON, "`{line}` is not in: {}", self.host.host.metrics());
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a guest has printed.
    pub(crate) async fn until_printed(&self) {
        let started = Instant::now();
        while self.host.printed.lines().is_empty() {
            assert!(started.elapsed() < SOON, "no guest printed");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn start(host: &TestHost, place: Place) -> wasmhost::Result<Control> {
    Control::start(host.host.clone(), Handle::current(), Options::new(place))
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Status and kind of an answer in the shape that every error has.
    #[track_caller]
    fn refused(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert!(!error["message"].as_str().unwrap().is_empty());
        (self.status, error["kind"].as_str().unwrap().to_owned())
    }
}

async fn send(socket: &Path, method: &str, path: &str, body: &str, headers: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let length = body.len();
    // In one piece: a server that refuses the head and closes with a body unread takes its answer back.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    // Of a body that is too long not all may be read.
    let _ = stream.write_all(request.as_bytes()).await;
    stream
}

async fn ask(socket: &Path, method: &str, path: &str, body: &str, headers: &str) -> Answer {
    let mut stream = send(socket, method, path, body, headers).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_write_a_call_gives_the_same() {
    let served = Served::parameterized().await;
    let bodies = [
        json!({"parameters": {"foo": "hedgehog", "bar": 10}, "arguments": {"qux": "q"}}),
        json!({"arguments": {"qux": "q"}, "parameters": {"bar": "10", "foo": "hedgehog"}}),
        json!({"parameters": ["hedgehog"], "arguments": ["q"]}),
        json!({"text": {"qux": "q", "bar": "10", "foo": "hedgehog"}}),
        json!({"text": {"qux": "q"}, "parameters": {"foo": "hedgehog"}}),
    ];
    for body in bodies {
        let answer = served.ask("POST", BAZ, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        let expected = "This code is running in instance pool (hedgehog, 10), with input qux=q";
        assert_eq!(answer.json()["value"], expected, "{body}");
        let instance = answer.json()["instance"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("wasmhost-instance"), Some(instance.as_str()));
        assert!(instance.parse::<u64>().unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_with_lines_between_words_are_one_and_nothing_is_null() {
    let served = Served::new();
    served.publish("hooks", "").await;
    let path = "/v1/apps/hooks/classes/probe/methods/read_env/calls";
    let answer = served.ask("POST", path, r#"{"parameters": [""], "arguments": {"name": "NONE"}}"#).await;
    assert_eq!((answer.status, &answer.json()["value"]), (200, &Value::Null));
    let by_interface = "/v1/apps/hooks/classes/test%3Ahooks%2Fprobe/methods/noop/calls";
    let answer = served.ask("POST", by_interface, r#"{"text": {"mode": ""}}"#).await;
    assert_eq!((answer.status, &answer.json()["value"]), (200, &Value::Null), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_error_has_its_status() {
    let served = Served::new();
    served.publish("hooks", "[class.probe]\ntimeout = \"300ms\"\nmemory = \"16MiB\"").await;
    let behave = async |how: &str| served.probe("behave", "", json!([how])).await;

    let returned = behave("err").await;
    assert_eq!(returned.refused(), (500, "returned-error".to_owned()));
    assert_eq!(returned.json()["error"]["value"], "failed on demand");
    assert!(returned.header("wasmhost-instance").is_some() && returned.header("retry-after").is_none());
    let trapped = behave("trap").await;
    assert_eq!(trapped.refused(), (500, "trapped".to_owned()));
    assert!(trapped.json()["error"]["backtrace"].to_string().contains("deep_inside"), "{trapped:?}");
    assert!(behave("panic").await.json()["error"]["stderr"].as_str().unwrap().contains("panicked on demand"));
    assert_eq!(behave("spin").await.refused(), (504, "timed-out".to_owned()));
    let exceeded = behave("allocate").await;
    assert_eq!(exceeded.refused(), (500, "memory-exceeded".to_owned()));
    assert_eq!(exceeded.json()["error"]["setting"], "memory");
    let entering = served.probe("noop", "enter:err", json!([])).await;
    assert_eq!(entering.refused(), (503, "enter-failed".to_owned()));
    assert!(entering.header("retry-after").is_some());
    let bad = behave("loud").await;
    assert_eq!(bad.refused(), (400, "bad-request".to_owned()));

    served.host.host.shutdown().await;
    let draining = behave("succeed").await;
    assert_eq!(draining.refused(), (503, "draining".to_owned()));
    assert!(draining.header("retry-after").is_some());
    assert_eq!(served.get("/v1/ready").await.status, 503);
    assert_eq!(served.get("/v1/apps").await.json()["apps"][0]["state"], "draining");
    assert_eq!(served.get("/v1/live").await.status, 200, "it still lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fits_nothing_is_told_what_would() {
    let served = Served::with(|builder| builder.max_body_bytes(300_000));
    served.publish("hooks", "").await;
    let says = |answer: &Answer, words: &[&str]| {
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let unknown = |app, class, method| format!("/v1/apps/{app}/classes/{class}/methods/{method}/calls");
    for (path, name) in [
        (unknown("hoks", "probe", "noop"), "`hooks`"),
        (unknown("hooks", "prob", "noop"), "`probe`"),
        (unknown("hooks", "probe", "nop"), "`noop`"),
    ] {
        let answer = served.ask("POST", &path, "{}").await;
        assert_eq!(answer.refused(), (404, "not-found".to_owned()), "{path}");
        says(&answer, &["did you mean", name]);
    }
    let call = unknown("hooks", "probe", "echo");
    for (body, words) in [
        (r#"{"params": {}}"#, &["`params`", "`parameters`", "`arguments`", "`text`"][..]),
        ("[1]", &["a JSON object"]),
        ("{", &["a JSON object"]),
        (r#"{"arguments": {}}"#, &["missing parameter `mode`"]),
        (r#"{"parameters": {"mood": ""}}"#, &["`mood`", "did you mean `mode`"]),
        (r#"{"parameters": {"mode": 7}}"#, &["`mode` needs a string, got `7`"]),
        (r#"{"text": {"mode": "", "text": "a", "size": "1"}}"#, &["unknown argument `size`"]),
        (r#"{"text": {"mode": "", "mode": "a"}}"#, &["`mode` is given twice"]),
    ] {
        let answer = served.ask("POST", &call, body).await;
        assert_eq!(answer.refused(), (400, "bad-request".to_owned()), "{body}");
        says(&answer, words);
    }
    let of = |bytes: usize| json!({"parameters": [""], "arguments": ["x".repeat(bytes)]}).to_string();
    assert_eq!(served.ask("POST", &call, &of(300_000)).await.status, 200, "what the host allows fits into a body");
    let too_large = served.ask("POST", &call, &of(310_000)).await;
    assert_eq!(too_large.refused(), (413, "too-large".to_owned()));
    let body = served.ask("POST", &call, &of(1_000_000)).await;
    assert_eq!(body.refused(), (413, "too-large".to_owned()));
    let error = &body.json()["error"];
    assert_eq!((&error["setting"], &error["limit"]), (&json!("max-body"), &json!("300000")));
    says(&body, &["465536 bytes", "300000 bytes together", "`max-body`"]);

    assert_eq!(served.get("/v2/apps").await.refused(), (404, "not-found".to_owned()));
    let get = served.get(&call).await;
    assert_eq!((get.refused(), get.header("allow")), ((405, "method-not-allowed".to_owned()), Some("POST")));
    let post = served.ask("POST", "/v1/apps", "{}").await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(served.get("/v1/apps/hooks/pools?limt=1").await.refused(), (400, "bad-request".to_owned()));
    assert_eq!(served.get("/v1/apps/hooks/pools?class=x").await.refused(), (404, "not-found".to_owned()));
    assert_eq!(served.get("/v1/apps/%ff/pools").await.refused(), (400, "bad-request".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_is_429_and_says_when_to_come_back() {
    let served = Served::with(|builder| builder.max_instances(1));
    served.publish("hooks", "[class.probe]\ntimeout = \"20s\"\nwait-timeout = \"20ms\"").await;
    let path = "/v1/apps/hooks/classes/probe/methods/behave/calls";
    let body = r#"{"text": {"mode": "enter:print", "how": "sleep"}}"#;
    let waiting = send(served.control.socket(), "POST", path, body, "").await;
    served.until_printed().await;
    let refused = served.probe("noop", "other", json!([])).await;
    assert_eq!(refused.refused(), (429, "overloaded".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(waiting);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_describe_themselves() {
    let served = Served::parameterized().await;
    let apps = served.get("/v1/apps").await.json();
    let app = &apps["apps"][0];
    assert_eq!((&app["name"], &app["state"]), (&json!("parameterized"), &json!("ready")));
    assert!(app["source"].as_str().unwrap().ends_with("examples/parameterized/wasmhost.toml"));
    assert_eq!((&app["classes"][0]["name"], &app["classes"][0]["methods"]), (&json!("my-class"), &json!(1)));
    let class = &served.get("/v1/apps/parameterized").await.json()["classes"][0];
    assert_eq!((&class["parameters"][0]["required"], &class["parameters"][1]["default"]), (&json!(true), &json!(10)));
    let method = &class["methods"][0];
    assert_eq!(method["arguments"][0]["type"], "string");
    assert_eq!(
        (&method["web"], &method["gives"], &method["async"]),
        (&json!("GET /"), &json!("string"), &json!(false))
    );
    assert_eq!(served.get("/v1/ready").await.json(), json!({"ready": true}));
    assert_eq!(served.get("/v1/live").await.json()["pid"], std::process::id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_pools_those_with_most_to_do_are_listed_and_all_are_counted() {
    let served = Served::parameterized_with(|builder| builder.max_instances(30)).await;
    // Thirty tuples, some called more often than others.
    for bar in 0..30 {
        for _ in 0..1 + bar % 3 {
            let body = json!({"text": {"foo": "a", "bar": bar.to_string()}}).to_string();
            assert_eq!(served.ask("POST", BAZ, &body).await.status, 200);
        }
    }
    let listed = async |query: &str| {
        let answer = served.get(&format!("/v1/apps/parameterized/pools{query}")).await.json();
        assert_eq!(answer["total"], 30, "{answer}");
        answer["pools"].as_array().unwrap().clone()
    };
    let all = listed("").await;
    let bars =
        |pools: &[Value]| pools.iter().map(|pool| pool["parameters"]["bar"].as_i64().unwrap()).collect::<Vec<_>>();
    let calls: Vec<_> = all.iter().map(|pool| pool["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [[3; 10], [2; 10], [1; 10]].concat());
    assert_eq!(bars(&all)[..10], [11, 14, 17, 20, 23, 26, 29, 2, 5, 8], "equals in the order of their text");
    assert_eq!(bars(&listed("?limit=20&class=my-class").await), bars(&all)[..20]);
    let cut = listed("?limit=5").await;
    assert_eq!((cut.len(), bars(&cut)), (5, bars(&listed("?limit=5").await)), "the same each time");
    assert!(cut.iter().all(|pool| pool["calls"] == 3), "{cut:?}");
    assert!(listed("?limit=0").await.is_empty());
    assert_eq!(listed("?limit=30").await, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_what_it_is_busy_with_before_it_is_ready() {
    let host = TestHost::new();
    let mut options = Options::new(Place::Kept(host.dir().join("data")));
    options.phases = std::sync::Arc::new(|| [("hello".to_owned(), "building")].into());
    let control = Control::start(host.host.clone(), Handle::current(), options).unwrap();
    host.host.publish(&host.app("hooks", "").await.unwrap());
    let asked = async |method: &str, path: &str| ask(control.socket(), method, path, "{}", "").await;
    let answer = asked("GET", "/v1/ready").await;
    assert_eq!((answer.status, &answer.json()["phase"]), (503, &json!("building hello")));

    for (method, path) in
        [("POST", "/classes/greeter/methods/greet/calls"), ("GET", ""), ("GET", "/pools?class=greeter")]
    {
        let answer = asked(method, &format!("/v1/apps/hello{path}")).await;
        assert_eq!(answer.refused(), (503, "starting".to_owned()), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["error"]["message"], "the app `hello` is not ready yet: building");
    }
    let answer = asked("GET", "/v1/apps/helo").await;
    assert_eq!(answer.refused(), (404, "not-found".to_owned()));
    assert!(answer.body.contains("did you mean `hello`?"), "{answer:?}");
    let listed = asked("GET", "/v1/apps").await.json();
    assert_eq!(listed["apps"][0], json!({"name": "hello", "state": "starting", "phase": "building", "classes": []}));
    assert_eq!((&listed["apps"][1]["name"], &listed["apps"][1]["state"]), (&json!("hooks"), &json!("ready")));
    assert_eq!(listed["apps"][1].get("phase"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_announced_is_no_readiness_and_refuses_no_calls() {
    let served = Served::parameterized().await;
    served.control.announce_drain();
    let ready = served.get("/v1/ready").await;
    assert_eq!((ready.status, &ready.json()["phase"]), (503, &json!("draining")));
    let call = r#"{"text": {"foo": "x"}}"#;
    assert_eq!(served.ask("POST", BAZ, call).await.status, 200);
    served.control.begin_drain();
    assert_eq!(served.ask("POST", BAZ, call).await.refused(), (503, "draining".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_is_its_owners_and_no_page_gets_in() {
    let served = Served::parameterized().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&served.data_dir()), mode(served.control.socket())), (0o700, 0o600));
    for (method, path) in [("GET", "/v1/apps"), ("POST", BAZ), ("GET", "/nowhere"), ("GET", "/metrics")] {
        let answer = ask(served.control.socket(), method, path, "", "origin: http://localhost\r\n").await;
        assert_eq!(answer.refused(), (403, "forbidden".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_goes_from_one_server_to_the_next() {
    let Served { host, control } = Served::new();
    let place = Place::Kept(host.dir().join("data"));
    let refused = start(&host, place.clone()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.message().contains(&format!("process id {}", std::process::id())), "{refused}");
    let socket = control.socket().to_owned();
    control.stop(Duration::ZERO).await;
    assert!(!socket.exists());
    // What a server that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let next = start(&host, place).unwrap();
    assert_eq!(ask(next.socket(), "GET", "/v1/live", "", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_cancels_its_call() {
    // One instance at a time: it has to be gone before the next can start.
    let served = Served::with(|builder| builder.max_instances(1));
    served.publish("hooks", "[class.probe]\ntimeout = \"1h\"").await;
    let path = "/v1/apps/hooks/classes/probe/methods/behave/calls";
    for (count, how) in [(1, "spin"), (2, "sleep")] {
        served.host.printed.forget();
        let body = json!({"text": {"mode": "enter:print", "how": how}}).to_string();
        let stream = send(served.control.socket(), "POST", path, &body, "").await;
        served.until_printed().await;
        drop(stream);
        let cancelled = format!(r#"wasmhost_calls_total{{app="hooks",class="probe",outcome="cancelled"}} {count}"#);
        served.until_metrics(&cancelled).await;
        assert_eq!(served.probe("count", "", json!([])).await.json()["value"], 1, "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_at_any_byte_leaves_nothing_behind() {
    let served = Served::with(|builder| builder.max_instances(1));
    served.publish("hooks", "").await;
    let body = json!({"text": {"mode": "", "text": "x"}}).to_string();
    let head = "POST /v1/apps/hooks/classes/probe/methods/echo/calls HTTP/1.1\r\nhost: x\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    for sent in 0..=request.len() {
        let mut stream = UnixStream::connect(served.control.socket()).await.unwrap();
        stream.write_all(&request.as_bytes()[..sent]).await.unwrap();
    }
    // The last ones were whole, and their calls may be under way or not have begun.
    let started = Instant::now();
    while served.probe("count", "", json!([])).await.status != 200 {
        assert!(started.elapsed() < SOON, "the only instance is not free");
    }
    let Served { host, control } = served;
    control.stop(SOON).await;
    host.host.shutdown().await;
    assert!(started.elapsed() < SOON, "connections that were left end at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_spin_do_not_hold_up_the_control_api() {
    let served = Served::new();
    served.publish("hooks", "[class.probe]\ntimeout = \"1h\"").await;
    let path = "/v1/apps/hooks/classes/probe/methods/behave/calls";
    let mut spinning = Vec::new();
    for _ in 0..4 {
        let body = r#"{"text": {"mode": "enter:print", "how": "spin"}}"#;
        spinning.push(send(served.control.socket(), "POST", path, body, "").await);
    }
    served.until_printed().await;
    for _ in 0..20 {
        assert_eq!(served.get("/v1/live").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_a_call_end_and_cuts_it_off_after_the_grace() {
    for (grace, milliseconds, ends) in [(SOON, 200, true), (Duration::from_millis(100), 3_600_000, false)] {
        let served = Served::new();
        served.publish("hooks", "[class.probe]\ntimeout = \"2h\"").await;
        let path = "/v1/apps/hooks/classes/probe/methods/pause/calls";
        let text = json!({"mode": "enter:print", "milliseconds": milliseconds.to_string()});
        let mut stream = send(served.control.socket(), "POST", path, &json!({"text": text}).to_string(), "").await;
        served.until_printed().await;
        let socket = served.control.socket().to_owned();
        served.control.stop(grace).await;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer).await;
        assert_eq!(read.is_ok() && answer.starts_with("HTTP/1.1 200"), ends, "{answer}");
        assert!(!socket.exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_calls_by_class_and_never_by_parameters() {
    let served = Served::new();
    served.publish("hooks", "").await;
    assert!(
        !served.get("/metrics").await.body.contains("wasmhost_tasks"),
        "there is no instance, so no runtime of theirs"
    );
    served.probe("noop", "secret-tuple", json!([])).await;
    served.probe("behave", "secret-tuple", json!(["err"])).await;
    served.probe("noop", "enter:err", json!([])).await;
    let answer = served.get("/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{answer:?}");
    for line in [
        r#"wasmhost_calls_total{app="hooks",class="probe",outcome="ok"} 1"#,
        r#"wasmhost_calls_total{app="hooks",class="probe",outcome="returned-error"} 1"#,
        r#"wasmhost_calls_total{app="hooks",class="probe",outcome="enter-failed"} 1"#,
        r#"wasmhost_call_duration_seconds_count{app="hooks",class="probe"} 3"#,
        r#"wasmhost_cold_starts_total{app="hooks",class="probe",outcome="failed"} 1"#,
        "wasmhost_instances_limit 8",
        "wasmhost_draining 0",
        "# EOF",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "`{line}` is not in: {}", answer.body);
    }
    for name in ["wasmhost_tasks ", "wasmhost_memory_budget_charged_bytes "] {
        let value = answer.body.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(value.parse::<u64>().unwrap() > 0, "{name}{value}");
    }
    assert!(!answer.body.contains("secret-tuple"));
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
    }
}
