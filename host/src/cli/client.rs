//! The client of the control API: which servers there are, and one request to one of them.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::args::ServerArgs;
use super::terminal::say;
use crate::api::place;
use crate::error::{Error, ErrorKind};

/// How long a server may take to say something about itself. Calls have no such limit: their class has one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A server that listens.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) socket: PathBuf,
    /// Its process id, as the system tells it.
    pub(super) process: Option<i32>,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.process {
            Some(process) => write!(f, "process {process}, `--socket {}`", self.socket.display()),
            None => write!(f, "`--socket {}`", self.socket.display()),
        }
    }
}

/// The servers that the arguments name: one, or all that run.
///
/// # Errors
///
/// `no-server` if the one that was named does not run. That none runs is no error if none was named.
pub(super) async fn servers(args: &ServerArgs) -> Result<Vec<Server>, Error> {
    if let Some(socket) = named(args)? {
        return match open(&socket).await? {
            Some((server, _)) => Ok(vec![server]),
            None => Err(no_server(&format!("no server listens on `{}`", socket.display()), args)),
        };
    }
    let mut servers = Vec::new();
    for socket in place::sockets(&place::default_data_dir()?) {
        match open(&socket).await {
            Ok(found) => servers.extend(found.map(|(server, _)| server)),
            // That of another user, for example, which is none of ours.
            Err(error) => tracing::info!(socket = %socket.display(), %error, "a socket was passed over"),
        }
    }
    Ok(servers)
}

/// What to say when a server is needed and there is none.
pub(super) fn no_server(what: &str, args: &ServerArgs) -> Error {
    let start = match &args.data_dir {
        Some(dir) => format!("`wasmhost serve --data-dir {} SOURCE`", dir.display()),
        None => "`wasmhost serve SOURCE`".to_owned(),
    };
    Error::new(ErrorKind::NoServer, format!("{what}; start one with {start}"))
}

fn named(args: &ServerArgs) -> Result<Option<PathBuf>, Error> {
    let socket = match (&args.socket, &args.data_dir) {
        (Some(socket), _) => socket.clone(),
        (None, Some(dir)) => place::socket_of(dir),
        (None, None) => return Ok(None),
    };
    let socket = std::path::absolute(&socket).map_err(|error| of_socket(&socket, error))?;
    place::check_length(&socket, "no server can have it")?;
    Ok(Some(socket))
}

/// Connects to a socket; `None` if nobody listens.
async fn open(socket: &Path) -> Result<Option<(Server, UnixStream)>, Error> {
    match UnixStream::connect(socket).await {
        Ok(stream) => {
            let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
            Ok(Some((Server { socket: socket.to_owned(), process }, stream)))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(of_socket(socket, error)),
    }
}

fn of_socket(socket: &Path, error: io::Error) -> Error {
    Error::io(format!("the control socket `{}`", socket.display()), error)
}

/// A path whose parts may hold anything: `["v1", "apps", name]`.
pub(super) fn path(segments: &[&str]) -> String {
    segments.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, SEGMENT))).collect()
}

impl Server {
    /// Asks for something that the server knows at once.
    ///
    /// # Errors
    ///
    /// What the server answers with; `timed-out` without an answer; `no-server` if it is gone.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(Method::GET, path, Bytes::new())).await;
        let answer = answer.map_err(|_| {
            Error::new(ErrorKind::TimedOut, format!("the server ({self}) did not answer within {PATIENCE:?}"))
        })?;
        serde_json::from_slice(&answer?).map_err(|error| self.broken(&error))
    }

    /// Makes a request that may take long.
    ///
    /// # Errors
    ///
    /// What the server answers with; `no-server` if it is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the connection, and the server cancels what it was asked for.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, Error> {
        self.exchange(Method::POST, path, body.into()).await
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let gone = || Error::new(ErrorKind::NoServer, format!("the server ({self}) is gone"));
        let (_, stream) = open(&self.socket).await?.ok_or_else(gone)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Error::internal(format!("the request: {error}")))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        // Both have to be polled: the connection moves the bytes that the exchange waits for.
        let mut exchange = pin!(exchange);
        let answered = tokio::select! {
            answered = exchange.as_mut() => answered,
            ended = connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error),
            },
        };
        let (status, body) = answered.map_err(|error| self.broken(&error))?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let document = serde_json::from_slice(&body).unwrap_or_default();
        let refused = Error::from_json(&document);
        Err(refused.unwrap_or_else(|| Error::internal(format!("the server ({self}) answered {status}"))))
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        Error::internal(format!("the server ({self}) broke off: {error}"))
    }
}

/// Asks several servers at once. One that does not answer is told of, and passed over.
///
/// # Errors
///
/// What went wrong first, when nobody is left who answered.
pub(super) async fn ask_each<T, F: Future<Output = Result<T, Error>>>(
    servers: Vec<Server>,
    ask: impl Fn(Server) -> F,
) -> Result<Vec<(Server, T)>, Error> {
    let is_alone = servers.len() == 1;
    let mut answers = Vec::with_capacity(servers.len());
    let mut failures = Vec::new();
    for (server, answer) in servers.iter().zip(join_all(servers.iter().cloned().map(ask)).await) {
        match answer {
            Ok(answer) => answers.push((server.clone(), answer)),
            // It ended between the look at its socket and the question.
            Err(error) if error.kind() == ErrorKind::NoServer && !is_alone => {}
            Err(error) => failures.push(error),
        }
    }
    let mut failures = failures.into_iter();
    let fatal = if answers.is_empty() { failures.next() } else { None };
    failures.for_each(|error| say(&format!("warning: {error}")));
    fatal.map_or(Ok(answers), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_may_hold_anything() {
        assert_eq!(path(&["v1", "apps", "a-b"]), "/v1/apps/a-b");
        assert_eq!(path(&["classes", "ns:pkg/cart@1.0.0"]), "/classes/ns%3Apkg%2Fcart%401.0.0");
    }

    #[test]
    fn the_way_to_a_server_is_told() {
        let with_dir = ServerArgs { data_dir: Some("d".into()), socket: None };
        assert!(no_server("none", &with_dir).message().contains("`wasmhost serve --data-dir d SOURCE`"));
        assert_eq!(no_server("none", &ServerArgs::default()).kind().exit_code(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn servers_are_asked_at_once_and_those_that_do_not_answer_are_passed_over() {
        let server = |name: &str| Server { socket: name.into(), process: None };
        let ask = |server: Server| async move {
            tokio::time::sleep(PATIENCE).await;
            match server.socket.to_str() {
                Some("slow") => Err(Error::new(ErrorKind::TimedOut, "too slow")),
                Some("gone") => Err(Error::new(ErrorKind::NoServer, "gone")),
                name => Ok(name.map(str::to_owned)),
            }
        };
        let started = tokio::time::Instant::now();
        let answers = ask_each(["slow", "a", "gone", "b", "slow"].map(server).into(), ask).await.unwrap();
        let answers: Vec<_> = answers.into_iter().filter_map(|(_, answer)| answer).collect();
        assert_eq!((&answers[..], started.elapsed()), (&["a".to_owned(), "b".to_owned()][..], PATIENCE));

        let kind = async |names: &[&str]| {
            let answers = ask_each(names.iter().copied().map(server).collect(), ask).await;
            answers.map(|answers| answers.len()).map_err(|error| error.kind())
        };
        assert_eq!(kind(&["gone", "slow"]).await, Err(ErrorKind::TimedOut));
        assert_eq!(kind(&["gone", "gone"]).await, Ok(0));
        assert_eq!(kind(&["gone"]).await, Err(ErrorKind::NoServer));
    }
}
