//! A client of HTTP/1 that can tell an answer that was cut off from one that never began.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

/// One connection, kept alive from request to request.
#[derive(Debug)]
pub(crate) struct Connection<S = TcpStream> {
    stream: BufReader<S>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Not a byte of it came.
    Unanswered,
    /// Some of it came.
    Cut(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered => f.write_str("no byte of an answer came"),
            Self::Cut(came) => write!(f, "only this came: {came:?}"),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The number of the instance that answered.
    pub(crate) fn instance(&self) -> u64 {
        self.header("wasmhost-instance").expect("an answer of an instance names it").parse().expect("it is a number")
    }

    /// Whether the server closes the connection after it.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }
}

impl Connection<UnixStream> {
    pub(crate) async fn open_unix(socket: &Path) -> std::io::Result<Self> {
        Ok(Self { stream: BufReader::new(UnixStream::connect(socket).await?) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Sends a request without a body and reads its answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Lost> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.map_err(|_| Lost::Unanswered)?;
        let mut came = String::new();
        match self.read(&mut came).await {
            Some(answer) => Ok(answer),
            None if came.is_empty() => Err(Lost::Unanswered),
            None => Err(Lost::Cut(came)),
        }
    }

    async fn read(&mut self, came: &mut String) -> Option<Answer> {
        while !came.ends_with("\r\n\r\n") {
            if self.stream.read_line(came).await.ok()? == 0 {
                return None;
            }
        }
        let status = came.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head: came.clone(), body: String::new() };
        let length = answer.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        answer.body = String::from_utf8(body).ok()?;
        Some(answer)
    }
}
