//! `proxy` under `wasmhost serve`, with another server behind it: what is passed on, both ways, and what is refused.

use http::Request;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;
use wasmhost_tests::{SOON, Server, example, guest, root};

use crate::client::{Client, Sent, ask, read, request, whole, written};

const HOST: &str = "proxy.localhost";

/// The proxy, with a port of this machine that it may reach, and the folder of its manifest.
struct Proxy {
    server: Server,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Proxy {
    /// Starts it by its manifest as that stands, but for the place of who is behind it and of the component.
    fn before(port: u16) -> Self {
        let text = std::fs::read_to_string(root().join("examples/proxy/wasmhost.toml")).unwrap();
        let (component, place) = ("../target/wasm32-wasip2/release/proxy.wasm", "localhost:8000");
        assert!(text.matches(component).count() == 1 && text.matches(place).count() == 1, "{text}");
        let text = text.replace(component, example("proxy").to_str().unwrap());
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("wasmhost.toml"), text.replace(place, &format!("localhost:{port}"))).unwrap();
        Self { server: Server::ready([dir.path().as_os_str(), "--no-build".as_ref()]), port, _dir: dir }
    }

    fn get(&self, path: &str) -> Request<Sent> {
        request("GET", HOST, &self.path(path), whole(""))
    }

    /// The path under which it has one of the server behind it.
    fn path(&self, path: &str) -> String {
        format!("/http/localhost:{}{path}", self.port)
    }
}

/// What is behind it.
fn site() -> Server {
    Server::ready([guest("http-async")])
}

#[tokio::test]
async fn a_request_is_passed_on_as_it_is_and_its_answer_too() {
    let site = site();
    let proxy = Proxy::before(site.address().port());
    let mut client = Client::connect(&proxy.server).await;
    let mut asking = proxy.get("/request?a=b&a=%20");
    asking.headers_mut().insert("x-mine", "kept".parse().unwrap());
    asking.headers_mut().insert("te", "trailers".parse().unwrap());
    let reply = client.ask(asking).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let lines: Vec<_> = reply.text().lines().collect();
    assert_eq!(lines[..2], ["Method::Get /request?a=b&a=%20", &format!("localhost:{}", proxy.port)]);
    assert!(lines.contains(&"x-mine: kept") && !lines.iter().any(|line| line.starts_with("te:")), "{lines:?}");
    assert_eq!(client.ask(proxy.get("/no/such/thing")).await.status, 404);
    assert_eq!(client.ask(proxy.get("/status/204")).await.status, 204);
}

#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    let site = site();
    let proxy = Proxy::before(site.address().port());
    let (sender, body) = written();
    let send = async |piece: &'static str| sender.send(Ok(Frame::data(piece.into()))).await.unwrap();
    let mut client = Client::connect(&proxy.server).await;
    send("one").await;
    let mut answer = client.send(request("POST", HOST, &proxy.path("/echo"), body)).await.unwrap();
    for (piece, next) in [("one", "two"), ("two", "three"), ("three", "four")] {
        let frame = timeout(SOON, answer.body_mut().frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        send(next).await;
    }
    drop(sender);
    assert_eq!(read(answer).await.unwrap().text(), "four");
}

#[tokio::test]
async fn what_has_no_content_is_sent_without_any() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(listener.local_addr().unwrap().port());
    let mut client = Client::connect(&proxy.server).await;
    let asked = async {
        for verb in ["GET", "HEAD", "OPTIONS", "TRACE", "DELETE"] {
            assert_eq!(client.ask(request(verb, HOST, &proxy.path("/"), whole(""))).await.status, 200, "{verb}");
        }
        for verb in ["DELETE", "GET"] {
            let (sender, body) = written();
            sender.send(Ok(Frame::data("content".into()))).await.unwrap();
            drop(sender);
            let mut content = request(verb, HOST, &proxy.path("/"), body);
            content.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
            assert_eq!(client.ask(content).await.status, 200, "{verb}");
        }
    };
    // All come over one connection.
    let behind = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let without = ["GET", "HEAD", "OPTIONS", "TRACE", "DELETE"].map(|verb| (verb, ""));
        for (verb, content) in without.into_iter().chain([("DELETE", "content"), ("GET", "content")]) {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap().into());
            }
            assert!(head.starts_with(verb), "{head}");
            let is_chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
            assert_eq!(is_chunked, !content.is_empty(), "{head}");
            if is_chunked {
                let mut body = String::new();
                while !body.ends_with("\r\n0\r\n\r\n") {
                    body.push(stream.read_u8().await.unwrap().into());
                }
                assert!(body.starts_with(&format!("{:X}\r\n{content}\r\n", content.len())), "{body}");
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    };
    timeout(SOON, async { tokio::join!(asked, behind) }).await.unwrap();
}

#[tokio::test]
async fn what_breaks_off_at_one_end_has_no_end_at_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(listener.local_addr().unwrap().port());

    let (sender, body) = written();
    let mut client = Client::connect(&proxy.server).await;
    let upload = client.send(request("POST", HOST, &proxy.path("/"), body));
    let behind = async {
        sender.send(Ok(Frame::data("half of".into()))).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"half of\r\n") {
            got.push(stream.read_u8().await.unwrap());
        }
        sender.send(Err(std::io::Error::other("no more"))).await.unwrap();
        // Reset or closed, but not finished.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    };
    let (answer, rest) = timeout(SOON, async { tokio::join!(upload, behind) }).await.unwrap();
    assert!(answer.is_err() && rest.is_empty(), "{answer:?} {rest:?}");

    let mut client = Client::connect(&proxy.server).await;
    let behind = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\nhalf of\r\n").await.unwrap();
        stream
    };
    let (answer, stream) = timeout(SOON, async { tokio::join!(client.send(proxy.get("/")), behind) }).await.unwrap();
    // Broken off before there was a head, it would be an error from here.
    drop(stream);
    let cut = read(answer.unwrap()).await;
    assert!(cut.is_err(), "{cut:?}");
}

#[tokio::test]
async fn who_is_not_listed_is_refused_by_name() {
    let proxy = Proxy::before(Server::ready([guest("http-async")]).address().port());
    let own = proxy.server.address().port();
    for (path, status, says) in [
        ("/http/169.254.169.254/latest/meta-data".to_owned(), 403, "http://169.254.169.254"),
        ("/https/evil.example/".into(), 403, "https://evil.example"),
        (format!("/http/localhost:{own}/"), 403, "`allow-outbound`"),
        (format!("/https/localhost:{}/", proxy.port), 403, "https://localhost"),
        ("/".into(), 404, "/https/HOST/PATH"),
        ("/ftp/example.com/".into(), 404, "/https/HOST/PATH"),
        // The server that was there has gone.
        (proxy.path("/"), 502, "http://localhost"),
    ] {
        let reply = ask(&proxy.server, "GET", HOST, &path, "").await;
        assert!(reply.status == status && reply.text().contains(says), "{path}: {reply:?}");
    }
}
