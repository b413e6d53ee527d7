//! Handlers by `wasi:http` 0.3: requests that share an instance, and bodies that are written after the head went.
//!
//! ```text
//! handle ─▶ Request ─▶ the user's function ─▶ Response ─▶ returned, and its body left in `REST`
//!                                                            └▶ after_answer: the body, then its trailers
//! ```
//!
//! An exported function of this kind goes on after it has returned. The bindings have no place for that, so the one
//! that is generated here ends with [`after_answer`].

use std::cell::Cell;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};

use super::body::{Block, Body, Boxed, Inner, Source};
use super::error::BodyError;
use super::fields::{self, Head};
use super::writer::{Sink, Writer, forward};
use super::{Request, Response, failure, tell};

pub mod bindings;

use bindings::wasi::http::types::{
    ErrorCode, Fields, Method as Verb, Request as Incoming, Response as Outgoing, Scheme,
};
use bindings::{wit_future, wit_stream};

/// What follows the last byte, or why there is none.
type Ending = Result<Option<Fields>, ErrorCode>;

/// The most that is read at a time.
const MAX_CHUNK_BYTES: usize = 64 * 1024;

thread_local! {
    /// What is left to do of the request that has just been answered. Nothing runs between its answer and this.
    static REST: Cell<Option<Boxed<'static, ()>>> = const { Cell::new(None) };
}

/// Does what is left once the host has the head of a response: writes its body.
pub async fn after_answer() {
    if let Some(rest) = REST.take() {
        rest.await;
    }
}

/// Answers one request with what the handler makes of it.
///
/// # Errors
///
/// None: what goes wrong is a response, too.
pub async fn serve_shared(
    request: Incoming,
    handler: impl AsyncFnOnce(Request) -> Result<Response, String>,
) -> Result<Outgoing, ErrorCode> {
    let (head, is_head) = head(&request);
    let body = Body::incoming(Reader::Unread(Some(request)));
    let mut response = match head.request(body) {
        Ok(request) => handler(request).await.unwrap_or_else(|text| failure(StatusCode::INTERNAL_SERVER_ERROR, &text)),
        Err(text) => failure(StatusCode::BAD_REQUEST, &text),
    };
    fields::complete(&mut response, is_head);
    let (head, body) = response.into_parts();
    let (headers, status, body) = match Fields::from_list(&fields::written(&head.headers)) {
        Ok(headers) => (headers, head.status, body),
        // A head that the host refused has nothing to do with the body any more.
        Err(_) => {
            tell(fields::FORBIDDEN);
            let nothing = Fields::from_list(&[]).expect("no header is forbidden");
            (nothing, StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
    };
    let (end, ending) = wit_future::new(broken);
    let (contents, stream) = match body.0 {
        Inner::Empty => (None, None),
        _ => {
            let (writer, reader) = wit_stream::new();
            (Some(reader), Some(writer))
        }
    };
    let (outgoing, _) = Outgoing::new(headers, contents, ending);
    outgoing.set_status_code(status.as_u16()).expect("`http` has no status that is none");
    REST.set(Some(Box::pin(send(body, stream, end))));
    Ok(outgoing)
}

/// What the host is told of a body that nobody finished.
fn broken() -> Ending {
    Err(ErrorCode::InternalError(None))
}

/// Writes the body, and how it ended: any but a complete one is cut by the host.
async fn send(body: Body, stream: Option<StreamWriter<u8>>, end: FutureWriter<Ending>) {
    let result = match (body.0, stream) {
        (Inner::Whole(bytes) | Inner::Json(bytes), Some(stream)) => {
            Stream(stream).put(bytes).await.map(|()| HeaderMap::new()).map_err(|error| error.to_string())
        }
        (Inner::Written(write), Some(stream)) => {
            let (writer, result) = write(Writer::new(Stream(stream))).await;
            let trailers = writer.into_trailers();
            result.map(|()| trailers).map_err(|error| error.text().to_owned())
        }
        (incoming @ Inner::Incoming(_), Some(stream)) => forward(Body(incoming), Writer::new(Stream(stream))).await,
        _ => Ok(HeaderMap::new()),
    };
    let ending = result.and_then(|trailers| {
        let fields = (!trailers.is_empty()).then(|| Fields::from_list(&fields::written(&trailers)));
        fields.transpose().map_err(|_| fields::FORBIDDEN.to_owned())
    });
    let ending = ending.map_err(|text| {
        tell(&format!("the body of a response broke off: {text}"));
        ErrorCode::InternalError(None)
    });
    // Nobody is left to be told that the host has gone.
    let _ = end.write(ending).await;
}

/// The head of a request, and whether it asks for a head alone.
fn head(request: &Incoming) -> (Head, bool) {
    let method = match request.get_method() {
        Verb::Get => Ok(Method::GET),
        Verb::Head => Ok(Method::HEAD),
        Verb::Post => Ok(Method::POST),
        Verb::Put => Ok(Method::PUT),
        Verb::Delete => Ok(Method::DELETE),
        Verb::Connect => Ok(Method::CONNECT),
        Verb::Options => Ok(Method::OPTIONS),
        Verb::Trace => Ok(Method::TRACE),
        Verb::Patch => Ok(Method::PATCH),
        Verb::Other(name) => Method::from_bytes(name.as_bytes()),
    };
    let is_head = matches!(method, Ok(Method::HEAD));
    let scheme = request.get_scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    });
    let head = Head {
        method,
        scheme,
        authority: request.get_authority(),
        path: request.get_path_with_query(),
        headers: request.get_headers().copy_all(),
    };
    (head, is_head)
}

/// The body of a request. Who does not read it asks nothing of the host for it.
enum Reader {
    Unread(Option<Incoming>),
    Open(StreamReader<u8>, FutureReader<Ending>),
    Trailers(Option<HeaderMap>),
    Broken(BodyError),
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self {
                Self::Unread(request) => {
                    let request = request.take().expect("it is taken where it is replaced");
                    // Dropped, it tells the host that all went well.
                    let (_, result) = wit_future::new(|| Ok(()));
                    let (stream, ending) = Incoming::consume_body(request, result);
                    *self = Self::Open(stream, ending);
                }
                Self::Open(stream, _) => {
                    let (status, bytes) = stream.read(Vec::with_capacity(MAX_CHUNK_BYTES)).await;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes.into()));
                    }
                    if status == StreamResult::Dropped {
                        self.end().await;
                    }
                }
                Self::Trailers(_) => return Ok(None),
                Self::Broken(error) => return Err(error.clone()),
            }
        }
    }

    /// Reads how a stream without further bytes has ended.
    async fn end(&mut self) {
        let ended = std::mem::replace(self, Self::Broken(BodyError::other("the read of a body was given up")));
        let Self::Open(stream, ending) = ended else { return };
        drop(stream);
        let read = match ending.await {
            Ok(Some(trailers)) => fields::read(trailers.copy_all()).map(Some),
            Ok(None) => Ok(None),
            Err(_) => Err(BodyError::other("the body of the request broke off before its end")),
        };
        *self = read.map_or_else(Self::Broken, Self::Trailers);
    }
}

impl Source for Reader {
    fn chunk(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>> {
        Box::pin(self.next())
    }

    fn trailers(&mut self) -> Boxed<'_, Result<Option<HeaderMap>, BodyError>> {
        Box::pin(async {
            while self.next().await?.is_some() {}
            match self {
                Self::Trailers(trailers) => Ok(trailers.take()),
                _ => Ok(None),
            }
        })
    }

    fn block(&self) -> Option<Block> {
        None
    }
}

/// The body of a response.
struct Stream(StreamWriter<u8>);

impl Stream {
    async fn put(&mut self, bytes: Bytes) -> Result<(), BodyError> {
        let rest = self.0.write_all(bytes.into()).await;
        if rest.is_empty() { Ok(()) } else { Err(BodyError::gone()) }
    }
}

impl Sink for Stream {
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), BodyError>> {
        Box::pin(self.put(bytes))
    }
}
