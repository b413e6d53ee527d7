//! Servers on this machine that guests go out to. Each counts its connections and ends with the test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A server.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    /// How often all connections were closed.
    hung_up: watch::Sender<usize>,
    _task: JoinSet<()>,
}

type Served = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

impl Site {
    /// Answers every request: see [`answer`].
    pub(crate) async fn http() -> Self {
        Self::http_on(Ipv4Addr::LOCALHOST).await
    }

    /// The same on other addresses of this machine.
    pub(crate) async fn http_on(address: Ipv4Addr) -> Self {
        Self::serve(address.into(), |stream| Box::pin(answer(stream))).await
    }

    /// The same over TLS, with a new certificate for `localhost`.
    pub(crate) async fn https() -> (Self, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let site = Self::serve(Ipv4Addr::LOCALHOST.into(), move |stream| {
            let acceptor = acceptor.clone();
            Box::pin(async move { answer(acceptor.accept(stream).await?).await })
        });
        (site.await, certificate.to_vec())
    }

    /// Answers request after request over one connection: see [`answer_all`].
    pub(crate) async fn lasting() -> Self {
        Self::lasting_on(Ipv4Addr::LOCALHOST).await
    }

    /// The same on other addresses of this machine.
    pub(crate) async fn lasting_on(address: Ipv4Addr) -> Self {
        Self::serve(address.into(), |stream| Box::pin(answer_all(stream))).await
    }

    /// Answers nobody, and says of each connection, when that has ended, what came over it.
    pub(crate) async fn silent() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, came) = mpsc::unbounded_channel();
        let site = Self::serve(Ipv4Addr::LOCALHOST.into(), move |mut stream| {
            let sender = sender.clone();
            Box::pin(async move {
                let mut all = Vec::new();
                // A reset ends it as well.
                let _ = stream.read_to_end(&mut all).await;
                let _ = sender.send(String::from_utf8_lossy(&all).into_owned());
                Ok(())
            })
        });
        (site.await, came)
    }

    /// On every address of this machine.
    pub(crate) async fn everywhere() -> Self {
        let has_v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await.is_ok();
        let any: IpAddr = if has_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Self::serve(any, |stream| Box::pin(answer(stream))).await
    }

    /// Sends back what comes.
    pub(crate) async fn echo() -> Self {
        Self::serve(Ipv4Addr::LOCALHOST.into(), |mut stream| {
            Box::pin(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await?;
                writer.shutdown().await
            })
        })
        .await
    }

    /// A port that nobody listens on.
    pub(crate) async fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }

    /// Its front page, by one of its names.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/", self.port)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes all connections.
    pub(crate) fn hang_up(&self) {
        self.hung_up.send_modify(|times| *times += 1);
    }

    async fn serve(address: IpAddr, serve: impl Fn(TcpStream) -> Served + Send + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, hung_up) = (connections.clone(), watch::Sender::new(0));
        let hangs_up = hung_up.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (serving, mut hangs_up) = (serve(stream), hangs_up.subscribe());
                open.spawn(async move {
                    tokio::select! {
                        _ = serving => {}
                        Ok(()) = hangs_up.changed() => {}
                    }
                });
            }
        });
        Self { port, connections, hung_up, _task: task }
    }
}

/// Answers one request with its path; `/redirect`, `/large`, `/silent` (no answer), `/stalled` (half of one) and `/cut` (half of
/// one, and the end) are told by their names. It answers when it has read the head, and reads the rest as it hangs up.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/silent" => return std::future::pending().await,
        "/large" => ("200 OK", "x".repeat(4 << 20)),
        "/redirect" => ("302 Found\r\nlocation: http://169.254.169.254/", String::new()),
        path => ("200 OK", format!("hello of {path}")),
    };
    let is_half = ["/stalled", "/cut"].contains(&path);
    let length = if is_half { body.len() * 2 } else { body.len() };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await?;
    if path == "/stalled" {
        return std::future::pending().await;
    }
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// Answers with the number of the request on this connection. `/half` has half a body, `/to/HEX` redirects to a URL in
/// hexadecimal, and after an answer to `/last` it hangs up with the next request instead of answering.
async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    for number in 1.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut sent = Vec::new();
        while head.contains("chunked") && !sent.ends_with(b"0\r\n\r\n") {
            sent.push(stream.read_u8().await?);
        }
        let body = format!("number {number}");
        let length = if path == "/half" { body.len() * 2 } else { body.len() };
        let mut answer = match path.strip_prefix("/to/") {
            Some(hex) => [b"HTTP/1.1 302 Found\r\nlocation: ", &unhex(hex)[..], b"\r\n"].concat(),
            None => b"HTTP/1.1 200 OK\r\n".to_vec(),
        };
        answer.extend(format!("content-length: {length}\r\n\r\n{body}").bytes());
        stream.write_all(&answer).await?;
        stream.flush().await?;
        if path == "/last" {
            return stream.read_u8().await.map(drop);
        }
    }
    Ok(())
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}
