//! The examples that download while they are built, with a web server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use wasmhost::{Class, ErrorKind};
use wasmhost_tests::{TestHost, example};

const WEIGHTS: &str = "great 3\npoor -2\n";

/// Gives [`WEIGHTS`] to whoever asks for them, and counts; ends when it is dropped.
struct WebServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = asked.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut first = String::new();
                stream.read_line(&mut first).unwrap();
                if first.is_empty() {
                    return;
                }
                let mut line = String::from("there is more");
                while !line.trim().is_empty() {
                    line.clear();
                    stream.read_line(&mut line).unwrap();
                }
                counter.fetch_add(1, Ordering::Relaxed);
                let (status, body) =
                    if first.starts_with("GET /weights.txt ") { ("200 OK", WEIGHTS) } else { ("404 Not Found", "") };
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                stream.get_mut().shutdown(Shutdown::Write).unwrap();
                // A connection that is closed with something unread takes the answer with it.
                std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
            }
        });
        Self { address, asked, thread: Some(thread) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // A connection that says nothing ends it.
        drop(std::net::TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The class of an example, with the settings of its manifest but for the place of the server.
async fn model(host: &TestHost, name: &str, server: &WebServer, path: &str, hooks: &str) -> wasmhost::Result<Class> {
    let origin = format!("http://{}", server.address);
    let settings = format!(
        "[class.model]\n{hooks}\nallow-outbound = [\"{origin}\"]\n\
         env = {{ WEIGHTS_URL = \"{origin}{path}\", APART = {:?} }}\n",
        host.dir()
    );
    host.host.load(host.manifest_of(name, &example(name), &settings)).await?.class("model")
}

/// What was printed, by `build` and by the first instance.
fn printed(host: &TestHost) -> (Vec<String>, Vec<String>) {
    let (of_build, others): (Vec<_>, Vec<_>) =
        host.printed.lines().into_iter().partition(|line| line.origin.instance == "build");
    let texts = |lines: Vec<wasmhost_tests::Line>| lines.into_iter().map(|line| line.text).collect();
    (texts(of_build), texts(others))
}

async fn downloads_once(name: &str, hooks: &str, of_build: &[&str]) {
    let (host, server) = (TestHost::new(), WebServer::start());
    let class = model(&host, name, &server, "/weights.txt", hooks).await.unwrap();
    assert_eq!(class.without_snapshot(), None);
    for _ in 0..3 {
        let instance = class.bind(&()).unwrap().start().await.unwrap();
        assert_eq!(instance.call::<_, i64>("predict", &("a great dinner",)).await.unwrap(), 3);
        assert_eq!(instance.call::<_, i64>("predict", &("a great but poor dinner",)).await.unwrap(), 1);
        instance.exit().await.unwrap();
    }
    assert_eq!(server.asked(), 1);
    let (by_build, by_others) = printed(&host);
    let downloading = format!("downloading http://{}/weights.txt", server.address);
    assert_eq!(by_build, [&[downloading.as_str()], of_build].concat());
    assert_eq!(by_others, ["loaded 2 weights"; 3]);
}

#[tokio::test]
async fn download_asks_once_and_each_instance_loads() {
    downloads_once("download", "", &[]).await;
}

#[tokio::test]
async fn stacked_downloads_as_build_and_loads_as_enter() {
    downloads_once("stacked", "", &["loaded 2 weights"]).await;
}

#[tokio::test]
async fn enter_becomes_build_where_the_manifest_says_so() {
    downloads_once("stacked", "hooks = { build = \"enter\" }", &["loaded 2 weights"]).await;
}

#[tokio::test]
async fn stacked_downloads_once_for_a_hundred_instances() {
    let (host, server) = (TestHost::with(|builder| builder.max_instances(100)), WebServer::start());
    let class = model(&host, "stacked", &server, "/weights.txt", "").await.unwrap();
    assert_eq!(server.asked(), 1, "once, when it was prepared");
    let mut instances = Vec::new();
    for _ in 0..100 {
        let instance = class.bind(&()).unwrap().start().await.unwrap();
        assert_eq!(instance.call::<_, i64>("predict", &("a great dinner",)).await.unwrap(), 3);
        instances.push(instance);
    }
    assert_eq!(printed(&host).1, ["loaded 2 weights"; 100]);
    for instance in instances {
        instance.exit().await.unwrap();
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn what_cannot_be_downloaded_fails_the_build_with_what_the_server_said() {
    let (host, server) = (TestHost::new(), WebServer::start());
    let started = async || model(&host, "download", &server, "/nothing.txt", "").await?.bind(&())?.start().await;
    let error = started().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BuildFailed, "{error}");
    assert!(error.to_string().contains("404"), "{error}");
}
