//! An HTTP client for the real server, hyper's: bodies that are written while they are sent, answers piece by piece, trailers.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wasmhost_tests::{SOON, Server};

/// A body on its way to the server.
pub(crate) type Sent = UnsyncBoxBody<Bytes, std::io::Error>;

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Sent>,
    /// Carries it, and ends with it.
    _connection: JoinSet<()>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let mut task = JoinSet::new();
        // What became of it is told by what was asked over it.
        task.spawn(async { drop(connection.await) });
        Self { sender, _connection: task }
    }

    /// Sends a request, and waits for the head of the answer.
    pub(crate) async fn send(&mut self, request: Request<Sent>) -> hyper::Result<Response<Incoming>> {
        timeout(SOON, self.sender.send_request(request)).await.expect("an answer begins")
    }

    /// Sends a request without waiting for its body to be gone, and reads the answer.
    pub(crate) async fn ask(&mut self, request: Request<Sent>) -> Reply {
        let answer = self.send(request).await.unwrap();
        read(answer).await.unwrap()
    }
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header, or nothing where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(answer: Response<Incoming>) -> hyper::Result<Reply> {
    let (head, body) = answer.into_parts();
    let body = timeout(SOON, body.collect()).await.expect("an answer ends")?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes(), trailers })
}

/// One request over a connection of its own. The host is a name below `localhost`, or an address.
pub(crate) async fn ask(server: &Server, method: &str, host: &str, path: &str, body: impl Into<Bytes>) -> Reply {
    Client::connect(server).await.ask(request(method, host, path, whole(body))).await
}

/// A request.
pub(crate) fn request(method: &str, host: &str, path: &str, body: Sent) -> Request<Sent> {
    Request::builder().method(method).uri(path).header("host", host).body(body).unwrap()
}

/// A body of which all is there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is written while it is sent; an error breaks it off.
pub(crate) fn written() -> (mpsc::Sender<std::io::Result<Frame<Bytes>>>, Sent) {
    let (sender, frames) = mpsc::channel(1);
    let frames = stream::unfold(frames, async |mut frames| Some((frames.recv().await?, frames)));
    (sender, StreamBody::new(frames).boxed_unsync())
}
