//! `wasi:http` requests of guests, 0.2 and 0.3 alike: checked, then sent over a connection of their own.
//!
//! Redirects are not followed here: the guest sends another request, which is checked as this one.

use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme as UriScheme};
use http::{Method, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, timeout, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::{Reach, Refusal, Unresolved};
use crate::manifest::{HostName, Scheme};

/// What a guest may wait for at most, and waits if it does not say: until it is connected, TLS included; until an answer
/// begins, which a model may think about; and for the next piece of one.
const MAX_CONNECT: Duration = Duration::from_secs(60);
const MAX_FIRST_BYTE: Duration = Duration::from_secs(600);
const MAX_BETWEEN_BYTES: Duration = Duration::from_secs(300);

/// Sends the requests of one instance.
pub(in crate::state) struct HttpReach {
    reach: Arc<Reach>,
    /// Made with the first request.
    unheard: Option<Arc<Unheard>>,
}

impl HttpReach {
    pub(in crate::state) fn new(reach: Arc<Reach>) -> Self {
        Self { reach, unheard: None }
    }
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Done), Error>;

impl WasiHttpHooks for HttpReach {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let reach = self.reach.clone();
        let unheard = Arc::downgrade(self.unheard.get_or_insert_default());
        let request = request.map(|body| WasiBody::new(HeardOut { body: Some(body), unheard }));
        Box::new(async move { send(&reach, request, options.unwrap_or_default()).await })
    }
}

/// Where a request goes.
struct Target {
    scheme: Scheme,
    host: HostName,
    port: u16,
}

impl Target {
    /// Reads it from a URI. `None` for anything but a host and a port: what stands before an `@` is no part of a host, and
    /// has led many a check astray.
    fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let (scheme, default_port) = match uri.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTP => (Scheme::Http, 80),
            Some(scheme) if *scheme == UriScheme::HTTPS => (Scheme::Https, 443),
            _ => return None,
        };
        let host = HostName::parse(authority.host())?;
        let port = match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
            None | Some("") => default_port,
            Some(_) => authority.port_u16()?,
        };
        Some(Self { scheme, host, port })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

async fn send(reach: &Reach, mut request: Request<WasiBody>, options: RequestOptions) -> Sent {
    // The guest could not use the tunnel, but the one at its other end could.
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let Some(target) = Target::of(request.uri()) else {
        reach.refuse(request.uri().authority().map(ToString::to_string).unwrap_or_default(), Refusal::Unlisted);
        return Err(Error::HttpRequestUriInvalid);
    };
    let at_most = |asked: Option<Duration>, most: Duration| asked.map_or(most, |asked| asked.min(most));
    let connect_by = Instant::now() + at_most(options.connect_timeout, MAX_CONNECT);
    let connecting = Box::pin(connect(reach, &target));
    let stream = timeout_at(connect_by, connecting).await.map_err(|_| Error::ConnectionTimeout)??;

    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(explain)?;
    let mut connection = Box::pin(connection);
    let first_byte = at_most(options.first_byte_timeout, MAX_FIRST_BYTE);
    let mut answer = pin!(async {
        timeout(first_byte, sender.send_request(request))
            .await
            .map_err(|_| Error::ConnectionReadTimeout)?
            .map_err(explain)
    });
    let mut has_ended = false;
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer?,
        ended = &mut connection => {
            has_ended = true;
            // A server may answer before it has read all, and close: what it said counts, and not how it hung up.
            match (answer.await, ended) {
                (Ok(answer), _) => answer,
                (Err(_), Err(ended)) => return Err(explain(ended)),
                (Err(error), Ok(())) => return Err(error),
            }
        }
    };
    let limit = at_most(options.between_bytes_timeout, MAX_BETWEEN_BYTES);
    let body = |incoming| AnswerBody { incoming, limit, waited: None }.boxed_unsync();
    let done = async move { if has_ended { Ok(()) } else { connection.await.map_err(explain) } };
    Ok((answer.map(body), Box::new(done)))
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

async fn connect(reach: &Reach, target: &Target) -> Result<Box<dyn Wire>, Error> {
    let addresses = addresses(reach, target).await?;
    let stream = connect_to_one(&addresses, target.port).await?;
    // Requests are written whole, and each has a connection of its own.
    let _ = stream.set_nodelay(true);
    let outbound = &reach.outbound;
    let wire: Box<dyn Wire> = match target.scheme {
        Scheme::Https => Box::new(outbound.tls.connect(&outbound.network, &target.host, stream).await?),
        Scheme::Http | Scheme::Tcp => Box::new(stream),
    };
    Ok(wire)
}

/// The addresses that a target may have, out of those that it has.
async fn addresses(reach: &Reach, target: &Target) -> Result<Vec<IpAddr>, Error> {
    let Some(grant) = reach.outbound.policy.grant(target.scheme, &target.host, target.port) else {
        reach.refuse(target.to_string(), Refusal::Unlisted);
        return Err(Error::HttpRequestDenied);
    };
    let addresses = match &target.host {
        HostName::Address(address) if grant.admits(*address) => Ok(vec![*address]),
        HostName::Address(_) => Err(Unresolved::Prohibited),
        HostName::Name(name) => reach.outbound.admitted(name, grant).await,
    };
    addresses.map_err(|error| match error {
        Unresolved::TimedOut => Error::DnsTimeout,
        Unresolved::Unknown(error) => {
            tracing::debug!(%target, %error, "a name could not be resolved");
            Error::DnsError { rcode: None, info_code: None }
        }
        Unresolved::Prohibited => {
            reach.refuse(target.to_string(), Refusal::Address);
            Error::DestinationIpProhibited
        }
    })
}

/// Connects to the first of several addresses that answers. One that is silent does not take the time of the others.
async fn connect_to_one(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Error> {
    /// Silence after which the next address is tried, but for the last one.
    const PATIENCE: Duration = Duration::from_secs(5);

    let mut failed = Error::DestinationUnavailable;
    for (number, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        let patience = if number + 1 < addresses.len() { PATIENCE } else { MAX_CONNECT };
        match timeout(patience, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                tracing::debug!(%address, port, %error, "a connection failed");
                failed = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
                    std::io::ErrorKind::TimedOut => Error::ConnectionTimeout,
                    std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                        Error::DestinationIpUnroutable
                    }
                    _ => Error::DestinationUnavailable,
                };
            }
            Err(_) => failed = Error::ConnectionTimeout,
        }
    }
    Err(failed)
}

/// The body of a request, which the guest can write to its end whatever becomes of the connection.
///
/// A server may answer and hang up before it has read all. Guests that write first and look for an answer then would be told
/// that the stream is closed, and never what the server said; so the rest is taken from them and thrown away.
struct HeardOut {
    /// `None` once it has ended.
    body: Option<WasiBody>,
    unheard: Weak<Unheard>,
}

/// What takes the rest of such bodies. Ends with the instance.
#[derive(Default)]
struct Unheard(Mutex<JoinSet<()>>);

impl Unheard {
    fn take(&self, mut body: WasiBody) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(async move { while let Some(Ok(_)) = body.frame().await {} }, &runtime);
    }
}

impl Body for HeardOut {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if let (Some(body), Some(unheard)) = (self.body.take(), self.unheard.upgrade()) {
            unheard.take(body);
        }
    }
}

/// The body of an answer, whose next piece may be waited for only so long.
struct AnswerBody {
    incoming: Incoming,
    limit: Duration,
    /// Since the guest waits for a piece.
    waited: Option<Pin<Box<Sleep>>>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(context) {
            this.waited = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(explain)));
        }
        let limit = this.limit;
        let waited = this.waited.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        waited.as_mut().poll(context).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn explain(error: hyper::Error) -> Error {
    tracing::debug!(%error, "a request failed");
    if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_incomplete_message() || ends_early(&error) {
        Error::HttpResponseIncomplete
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() || error.is_user() {
        Error::HttpProtocolError
    } else {
        Error::ConnectionTerminated
    }
}

/// Whether a body is shorter than its head has said.
fn ends_early(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (uri, target) in [
            ("https://api.example.com/a?b", "https://api.example.com:443"),
            ("http://API.example.com./", "http://api.example.com:80"),
            ("http://a:8080", "http://a:8080"),
            ("http://a:/", "http://a:80"),
            ("https://[::1]:1/", "https://[::1]:1"),
            ("http://[::ffff:10.0.0.1]/", "http://10.0.0.1:80"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
        ] {
            let target_of = Target::of(&uri.parse().unwrap()).map(|target| target.to_string());
            assert_eq!(target_of.as_deref(), Some(target), "{uri}");
        }
        for uri in [
            "http://user@a/",
            "http://user:word@a/",
            "http://a:80@b/",
            "http://a:b@c:80/",
            "http://a:99999/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.1/",
            "http://127.1/",
            "http://[fe80::1%25lo]/",
            "http://a..b/",
            "ftp://a/",
            "ws://a/",
            "/path",
            "a:80",
        ] {
            let Ok(parsed) = uri.parse() else { continue };
            assert!(Target::of(&parsed).is_none(), "{uri}");
        }
    }
}
