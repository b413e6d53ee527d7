//! Clients of web handlers that leave at any moment: while they send a head, a body, or read an answer. The server has
//! afterwards what it had before, and so has a server behind it that some of these handlers ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::server::{App, Server};
use crate::{Random, alone, figure, size, until};

/// Clients at a time.
const AT_ONCE: usize = 8;

/// How long the server behind waits for the next request on a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// What resident memory may grow by, in KiB.
const GROWTH_KIB: u64 = 16 << 10;

#[test]
fn clients_that_leave_at_any_moment_leave_nothing_behind() {
    alone(async {
        let behind = Behind::new().await;
        let place = format!("localhost:{}", behind.port);
        // Instances go soon, so that one which does not was lost.
        let settings = |class: &str, more: &str| format!("[class.{class}]\nidle-timeout = \"1s\"\n{more}");
        let proxy = |more: &str| settings("proxy", &format!("allow-outbound = [\"http://{place}\"]\n{more}"));
        let apps = [
            ("p2", "http", settings("p2", "reuse = true")),
            ("p3", "http-async", settings("p3", "reuse = true")),
            ("shared", "http-async", settings("shared", "reuse = true\nconcurrency = 4")),
            ("fresh", "http", settings("fresh", "")),
            ("proxies", "examples/proxy", proxy("")),
            ("proxy", "examples/proxy", proxy("concurrency = 1")),
        ];
        let apps = apps.each_ref().map(|(name, guest, settings)| App { name, guest, settings });
        let server = Server::start(&apps, &[]);
        // Where they go: kept instances of both versions, shared ones, one for each request, and such as ask elsewhere.
        let mut classes = ["p2/p2", "p3/p3", "shared/shared", "fresh/fresh"].map(str::to_owned).to_vec();
        classes.extend(["proxies", "proxy"].map(|app| format!("{app}/proxy/http/{place}")));
        let mut random = Random::new(7);
        // What is made once is there before it is counted.
        leave(&server, &classes, &mut random, size(200, 600)).await;
        is_empty(&server, &behind).await;
        let (before, tasks, asked) = (server.held(), server.tasks().await, behind.accepted());
        let clients = size(600, 10_000);
        leave(&server, &classes, &mut random, clients).await;
        is_empty(&server, &behind).await;
        assert!(behind.accepted() > asked, "nobody was asked");
        until("all tasks have ended", async || server.tasks().await <= tasks).await;
        until("all files are closed", async || server.held().files <= before.files).await;
        let after = server.held();
        let outbound = behind.accepted() - asked;
        figure(format_args!(
            "disconnects: {clients} clients left; {before:?}, {after:?}; {outbound} connections to a server behind, none is left"
        ));
        assert!(after.threads <= before.threads, "{before:?} {after:?}");
        assert!(after.resident_kib <= before.resident_kib + GROWTH_KIB, "{before:?} {after:?}");
        for class in classes {
            let answer = server.get(&format!("/{class}/whole")).await;
            assert_eq!(answer.status, 200, "{class}: {answer:?}");
        }
    });
}

/// Waits until no instance is left, of which an idle one goes by itself, and no connection to the server behind.
async fn is_empty(server: &Server, behind: &Behind) {
    server.is_at_rest().await;
    until("no instance is left", async || server.metric("wasmhost_instances", "").await == 0).await;
    until("no connection to the server behind is left", async || behind.open() == 0).await;
}

async fn leave(server: &Server, classes: &[String], random: &mut Random, clients: usize) {
    for _ in 0..clients / AT_ONCE {
        let mut leaving = JoinSet::new();
        for _ in 0..AT_ONCE {
            let class = &classes[place(random, classes.len())];
            let request = match random.below(3) {
                0 => format!(
                    "POST /{class}/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\n\r\n{}",
                    "x".repeat(65536)
                ),
                1 => format!("GET /{class}/die/sleep/before HTTP/1.1\r\nhost: a\r\n\r\n"),
                _ => format!(
                    "POST /{class}/whole HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
                ),
            };
            // Half of them leave somewhere in the head, the others somewhere after it.
            let head = request.find("\r\n\r\n").unwrap() + 4;
            let sent = match random.below(2) {
                0 => place(random, head),
                _ => head + place(random, request.len() - head + 1),
            };
            let read = place(random, 70_000);
            let address = server.process.address();
            leaving.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                // Either may fail: the server may have answered and hung up.
                let _ = stream.write_all(&request.as_bytes()[..sent]).await;
                let mut answer = vec![0; read];
                let reading = stream.read_exact(&mut answer);
                let _ = tokio::time::timeout(Duration::from_millis(5), reading).await;
            });
        }
        while let Some(left) = leaving.join_next().await {
            left.unwrap();
        }
    }
}

/// A place below `limit`.
fn place(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.below(limit as u64)).unwrap()
}

/// Another server, which counts its connections.
struct Behind {
    port: u16,
    accepted: Arc<AtomicUsize>,
    /// One for each connection, and one more.
    open: Arc<()>,
    _task: JoinSet<()>,
}

impl Behind {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let (counted, opened) = (accepted.clone(), Arc::downgrade(&open));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut answering = JoinSet::new();
            while let (Ok((stream, _)), Some(is_open)) = (listener.accept().await, opened.upgrade()) {
                counted.fetch_add(1, Ordering::SeqCst);
                answering.spawn(async move {
                    // Whoever asked may be gone.
                    let _ = answer_all(stream).await;
                    drop(is_open);
                });
            }
        });
        Self { port, accepted, open, _task: task }
    }

    /// Connections so far.
    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

/// Answers request after request. `sleep` is never answered, `echo` at once, with a long body, and `whole` when all of it came.
async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await??);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (mut reader, mut writer) = stream.split();
        if head.contains("/echo ") {
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: 65536\r\nconnection: close\r\n\r\n{}", "x".repeat(65536));
            let (written, _) = tokio::join!(writer.write_all(answer.as_bytes()), drain(&mut reader));
            return written;
        }
        if head.contains("/sleep/") {
            return drain(&mut reader).await;
        }
        let mut body = Vec::new();
        while head.contains("chunked") && !body.ends_with(b"0\r\n\r\n") {
            body.push(reader.read_u8().await?);
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await?;
    }
}

/// Reads until the other end closes the connection.
async fn drain(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<()> {
    tokio::io::copy(reader, &mut tokio::io::sink()).await.map(drop)
}
