//! `wasi:http` requests of guests, 0.2 and 0.3 alike: checked, then sent over a connection of the class's.
//!
//! Each request is checked, also where a connection to its place waits already. Redirects are not followed here: the guest
//! sends another request, which is checked as this one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::body::{AnswerBody, Exchange, HeardOut, Unheard};
use super::policy::Grant;
use super::pool::Link;
use super::target::Target;
use super::{Reach, Refusal, Unresolved};
use crate::manifest::{HostName, Scheme};

/// What a guest may wait for at most, and waits if it does not say: until it is connected, TLS included; until an answer
/// begins, which a model may think about; and for the next piece of one.
const MAX_CONNECT: Duration = Duration::from_secs(60);
const MAX_FIRST_BYTE: Duration = Duration::from_secs(600);
const MAX_BETWEEN_BYTES: Duration = Duration::from_secs(300);

/// How long a request of a kind that seldom has any content is held back till there is some, or none.
const MAX_SILENCE: Duration = Duration::from_millis(100);

/// The largest piece of a body that is taken from a guest at once, requests and answers alike. Up to three of them wait for
/// a reader who is slow; larger ones go through no faster.
const MAX_PIECE_BYTES: usize = 64 << 10;

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

    /// The guest runs no more. A body that it has not finished by now ends as a failure, wherever it is read.
    pub(in crate::state) fn end(&self) {
        if let Some(unheard) = &self.unheard {
            unheard.end();
        }
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
        let let_go = CancellationToken::new();
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let request = request.map(|body| HeardOut::new(body, length, unheard, let_go.clone()));
        Box::new(async move { send(&reach, request, let_go, options.unwrap_or_default()).await })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_PIECE_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_PIECE_BYTES
    }
}

async fn send(
    reach: &Reach,
    mut request: Request<HeardOut>,
    let_go: CancellationToken,
    options: RequestOptions,
) -> Sent {
    // The guest could not use the tunnel, but the one at its other end could.
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let Some(target) = Target::of(request.uri()) else {
        // Names and passwords are not for a log.
        let said = request.uri().authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
        reach.refuse(said.unwrap_or_default().to_owned(), Refusal::NoHost);
        return Err(Error::HttpRequestUriInvalid);
    };
    let Some(grant) = reach.outbound.policy.grant(target.scheme, &target.host, target.port) else {
        reach.refuse(target.to_string(), Refusal::Unlisted);
        return Err(Error::HttpRequestDenied);
    };
    if is_seldom_with_content(&request) {
        let _ = timeout(MAX_SILENCE, request.body_mut().begun()).await;
        if !request.body().is_end_stream() {
            // Hyper would let go of what a `GET` has.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    let at_most = |asked: Option<Duration>, most: Duration| asked.map_or(most, |asked| asked.min(most));
    let connect_by = Instant::now() + at_most(options.connect_timeout, MAX_CONNECT);
    // In the order in which they were asked for. A guest that keeps all answers and waits for one more is told so in the end.
    let Ok(permit) = timeout_at(connect_by, reach.connections.clone().acquire_owned()).await else {
        reach.refuse(target.to_string(), Refusal::TooMany);
        return Err(Error::ConnectionLimitReached);
    };
    let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;

    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    let first_byte = at_most(options.first_byte_timeout, MAX_FIRST_BYTE);
    let mut request = request.map(WasiBody::new);
    let mut link =
        reach.outbound.pool.take(&target, |address| reach.outbound.admits(grant, address, target.port)).await;
    let (link, answer) = loop {
        let mut link = match link.take() {
            Some(link) => link,
            None => {
                let connecting = Box::pin(connect(reach, &target, grant));
                timeout_at(connect_by, connecting).await.map_err(|_| Error::ConnectionTimeout)??
            }
        };
        // A server may close a connection that waits, in the very moment in which it is used again.
        let again = link.is_used.then(|| Again::of(&request)).flatten();
        match ask(&mut link, request, first_byte).await {
            Ok(answer) => break (link, answer),
            Err(failed) if link.is_used => request = failed.request(again)?,
            Err(failed) => return Err(failed.error),
        }
    };
    let limit = at_most(options.between_bytes_timeout, MAX_BETWEEN_BYTES);
    let exchange = Exchange { link, outbound: reach.outbound.clone(), target, let_go: let_go.clone(), permit };
    // The connection has a task of its own; the request is done when that has taken its body.
    let done = async move {
        let_go.cancelled().await;
        Ok(())
    };
    Ok((answer.map(|incoming| AnswerBody::new(incoming, limit, exchange).boxed_unsync()), Box::new(done)))
}

/// Whether a request may have content, of a kind that servers expect none of: what is not known to be empty goes in chunks, and
/// some refuse those.
fn is_seldom_with_content(request: &Request<HeardOut>) -> bool {
    let is_seldom =
        matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::DELETE);
    is_seldom && !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH)
}

/// A request that can be sent once more, for it has no body, and twice does what once does.
struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Again {
    fn of(request: &Request<WasiBody>) -> Option<Self> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let can_be = method.is_idempotent() && request.body().is_end_stream();
        can_be.then(|| Self { method: method.clone(), uri: uri.clone(), headers: headers.clone() })
    }
}

impl From<Again> for Request<WasiBody> {
    fn from(again: Again) -> Self {
        let mut request = Self::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (again.method, again.uri, again.headers);
        request
    }
}

/// Why there is no answer.
struct Failed {
    error: Error,
    /// The request, where nothing of it was sent.
    unsent: Option<Request<WasiBody>>,
    /// Whether the connection was closed before an answer came.
    is_closed: bool,
}

impl Failed {
    /// What to send over another connection.
    ///
    /// # Errors
    ///
    /// Why there is no answer, where the server may have got the request and would do it twice.
    fn request(self, again: Option<Again>) -> Result<Request<WasiBody>, Error> {
        let again = again.filter(|_| self.is_closed).map(Request::from);
        self.unsent.or(again).ok_or(self.error)
    }
}

async fn ask(link: &mut Link, request: Request<WasiBody>, first_byte: Duration) -> Result<Response<Incoming>, Failed> {
    match timeout(first_byte, link.sender.try_send_request(request)).await {
        Err(_) => Err(Failed { error: Error::ConnectionReadTimeout, unsent: None, is_closed: false }),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(mut failed)) => {
            let unsent = failed.take_message();
            let error = failed.into_error();
            let is_closed =
                error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_hung_up(&error);
            Err(Failed { error: explain(error), unsent, is_closed })
        }
    }
}

async fn connect(reach: &Reach, target: &Target, grant: Grant) -> Result<Link, Error> {
    let outbound = &reach.outbound;
    let addresses = addresses(reach, target, grant).await?;
    let (stream, address) = connect_to_one(&addresses, target.port).await?;
    // Requests are written whole, one at a time.
    let _ = stream.set_nodelay(true);
    let link = match target.scheme {
        Scheme::Https => {
            let stream = outbound.tls.connect(&outbound.network, &target.host, stream).await?;
            outbound.pool.link(stream, address).await
        }
        Scheme::Http | Scheme::Tcp => outbound.pool.link(stream, address).await,
    };
    link.map_err(explain)
}

/// The addresses that a target may have, out of those that it has.
async fn addresses(reach: &Reach, target: &Target, grant: Grant) -> Result<Vec<IpAddr>, Error> {
    let outbound = &reach.outbound;
    let addresses = match &target.host {
        HostName::Address(address) if grant.admits(*address) => Ok(vec![*address]),
        HostName::Address(_) => Err(Unresolved::Prohibited),
        HostName::Name(name) => outbound.admitted(name, grant).await,
    };
    let addresses = addresses.and_then(|mut addresses| {
        addresses.retain(|address| outbound.admits(grant, *address, target.port));
        if addresses.is_empty() { Err(Unresolved::Prohibited) } else { Ok(addresses) }
    });
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
async fn connect_to_one(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, IpAddr), Error> {
    /// Silence after which the next address is tried, but for the last one.
    const PATIENCE: Duration = Duration::from_secs(5);

    let mut failed = Error::DestinationUnavailable;
    for (number, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        let patience = if number + 1 < addresses.len() { PATIENCE } else { MAX_CONNECT };
        match timeout(patience, connecting).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
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

pub(super) fn explain(error: hyper::Error) -> Error {
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

/// Whether the other end is gone.
fn is_hung_up(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let gone = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected];
    cause.is_some_and(|cause| gone.contains(&cause.kind()))
}
