//! Bodies of another server that a guest passes on: they go on when the guest has ended, and its instance waits for them.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wasmhost_tests::{SOON, TestHost};

use super::{Answer, Upload, call, get, post, read, upload, wait_until};

/// Another server, that the test itself is.
struct Behind {
    listener: TcpListener,
    /// What a class needs to reach it.
    list: String,
    /// Where a guest is asked to ask it.
    path: String,
}

impl Behind {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("localhost:{}", listener.local_addr().unwrap().port());
        Self { listener, list: format!("allow-outbound = [\"http://{place}\"]"), path: format!("/relay/{place}") }
    }

    /// A request, which is heard up to here.
    async fn hears(&self, end: &str) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        hear(&mut stream, end).await;
        stream
    }
}

async fn hear(stream: &mut TcpStream, end: &str) {
    let heard = async {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            match stream.read_u8().await {
                Ok(byte) => all.push(byte),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
    };
    tokio::time::timeout(SOON, heard).await.unwrap();
}

async fn next(answer: &mut Answer) -> Bytes {
    let frame = tokio::time::timeout(SOON, answer.body_mut().frame()).await.unwrap().unwrap().unwrap();
    frame.into_data().unwrap()
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn both_bodies_go_on_when_their_instance_has_been_used_often_enough() {
    for (settings, before) in
        [("max-calls = 1", 0), ("", 127), ("max-calls = 3\nreuse = true", 2), ("max-calls = 1\nconcurrency = 4", 0)]
    {
        let (behind, host) = (Behind::new().await, TestHost::new());
        let settings = format!("[class.http-async]\n{}\n{settings}", behind.list);
        let app = host.app("http-async", &settings).await.unwrap();
        host.host.publish(&app);
        let front = host.host.web_service().root("http-async");
        for _ in 0..before {
            get(&front, "/count").await.ok();
        }
        let (sender, body) = upload();
        sender.send(data("first")).unwrap();
        let asked = call(&front, post(&behind.path, body));
        let answered = async {
            let mut stream = behind.hears("first\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none").await.unwrap();
            stream
        };
        let (mut answer, mut stream) = tokio::join!(asked, answered);
        assert_eq!(next(&mut answer).await, "one", "{settings}");
        // The guest has ended, and everything has a turn that would end with it. Of one of several nobody hears before its bodies.
        let ended = format!(r#"{{app="http-async",class="http-async",outcome="ok"}} {}"#, before + 1);
        wait_until(|| settings.contains("concurrency") || host.host.metrics().contains(&ended)).await;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        sender.send(data("last")).unwrap();
        drop(sender);
        hear(&mut stream, "last\r\n0\r\n\r\n").await;
        stream.write_all(b"two").await.unwrap();
        let rest = tokio::time::timeout(SOON, read(answer)).await.unwrap();
        assert_eq!(rest.ok(), "two", "{settings}");
        wait_until(|| app.pools().iter().all(|pool| pool.instances.busy == 0)).await;
        assert_eq!(get(&front, "/count").await.ok(), "1", "{settings}: that was its last use");
    }
}

#[tokio::test]
async fn an_instance_is_there_for_the_next_request_as_soon_as_such_a_body_has_ended() {
    let (behind, host) = (Behind::new().await, TestHost::new());
    let app = host.app("http-async", &format!("[class.http-async]\n{}", behind.list)).await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root("http-async");
    for count in ["2", "4"] {
        let answered = async {
            let mut stream = behind.hears("\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\none").await.unwrap();
            stream
        };
        let (mut answer, mut stream) = tokio::join!(call(&front, asking(&behind)), answered);
        assert_eq!(next(&mut answer).await, "one");
        assert_eq!(app.pools().iter().map(|pool| pool.instances.busy).sum::<u64>(), 1);
        stream.write_all(b"two").await.unwrap();
        assert_eq!(read(answer).await.ok(), "two");
        assert_eq!(get(&front, "/count").await.ok(), count);
    }
}

/// A request without a body.
fn asking(behind: &Behind) -> http::Request<Upload> {
    let (_, body) = upload();
    post(&behind.path, body)
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_such_a_body_beyond_its_grace() {
    let behind = Behind::new().await;
    let host = TestHost::with(|builder| builder.drain_timeout(Duration::from_millis(50)));
    let app = host.app("http-async", &format!("[class.http-async]\n{}", behind.list)).await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root("http-async");
    let answered = async {
        let mut stream = behind.hears("\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none").await.unwrap();
        stream
    };
    let (mut answer, _stream) = tokio::join!(call(&front, asking(&behind)), answered);
    assert_eq!(next(&mut answer).await, "one");
    tokio::time::timeout(SOON, host.host.shutdown()).await.unwrap();
    assert!(app.pools().is_empty(), "{:?}", app.pools());
}
