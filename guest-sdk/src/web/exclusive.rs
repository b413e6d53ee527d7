//! Handlers by `wasi:http` 0.2: one request at a time, and a body that is written before the function returns.
//!
//! ```text
//! handle ─▶ Request ─▶ the user's function ─▶ Response ─▶ head to the host ─▶ body ─▶ finish
//!                                 └ Err ─▶ 500, and why to the log               └ Err ─▶ no finish: the stream is cut
//! ```

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use wasip2::http::types::{
    Fields, FutureTrailers, IncomingBody, IncomingRequest, Method as Verb, OutgoingBody, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::poll::Pollable;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use super::body::{Block, Body, Boxed, Inner, Source};
use super::error::BodyError;
use super::fields::{self, Head};
use super::writer::{Sink, Writer, forward};
use super::{Request, Response, failure, tell};

mod executor;

/// The most that is read at a time.
const MAX_CHUNK_BYTES: u64 = 64 * 1024;

/// Answers one request with what the handler makes of it.
pub fn serve(
    request: IncomingRequest,
    answer: ResponseOutparam,
    handler: impl FnOnce(Request) -> Result<Response, String>,
) {
    let (head, is_head) = head(&request);
    let body = Body::incoming(Incoming::Unread(request));
    let mut response = match head.request(body) {
        Ok(request) => handler(request).unwrap_or_else(|text| failure(StatusCode::INTERNAL_SERVER_ERROR, &text)),
        Err(text) => failure(StatusCode::BAD_REQUEST, &text),
    };
    fields::complete(&mut response, is_head);
    let (head, body) = response.into_parts();
    let (headers, status) = match Fields::from_list(&fields::written(&head.headers)) {
        Ok(headers) => (headers, head.status),
        Err(_) => {
            tell(fields::FORBIDDEN);
            (Fields::new(), StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    // A head that the host refused has nothing to do with the body any more.
    let body = if status == head.status { body } else { Body::empty() };
    let outgoing = OutgoingResponse::new(headers);
    outgoing.set_status_code(status.as_u16()).expect("`http` has no status that is none");
    let sink = outgoing.body().expect("the body is taken once");
    ResponseOutparam::set(answer, Ok(outgoing));
    send(body, sink);
}

/// Writes the body. Only one that is complete is finished: any other is cut by the host.
fn send(body: Body, outgoing: OutgoingBody) {
    // The stream goes before its body, which the host insists on.
    let sink = || Outgoing { ready: None, stream: outgoing.write().expect("the stream is taken once") };
    let result = match body.0 {
        Inner::Empty => Ok(HeaderMap::new()),
        Inner::Whole(bytes) | Inner::Json(bytes) => {
            let written = executor::block_on(async { sink().put(bytes).await });
            written.map(|()| HeaderMap::new()).map_err(|error| error.to_string())
        }
        Inner::Incoming(_) => executor::block_on(forward(body, Writer::new(sink()))),
        Inner::Written(write) => {
            let (writer, result) = executor::block_on(write(Writer::new(sink())));
            let trailers = writer.into_trailers();
            result.map(|()| trailers).map_err(|error| error.text().to_owned())
        }
    };
    match result {
        Ok(trailers) => finish(outgoing, &trailers),
        Err(text) => tell(&format!("the body of a response broke off: {text}")),
    }
}

fn finish(outgoing: OutgoingBody, trailers: &HeaderMap) {
    let fields = (!trailers.is_empty()).then(|| Fields::from_list(&fields::written(trailers)));
    match fields.transpose() {
        Ok(fields) => {
            if OutgoingBody::finish(outgoing, fields).is_err() {
                tell("the body of a response is not as long as its `content-length` says");
            }
        }
        Err(_) => tell(fields::FORBIDDEN),
    }
}

/// The head of a request, and whether it asks for a head alone.
fn head(request: &IncomingRequest) -> (Head, bool) {
    let method = match request.method() {
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
    let scheme = request.scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    });
    let head = Head {
        method,
        scheme,
        authority: request.authority(),
        path: request.path_with_query(),
        headers: request.headers().entries(),
    };
    (head, is_head)
}

/// The body of a request. Who does not read it asks nothing of the host for it.
enum Incoming {
    Unread(IncomingRequest),
    Open(Open),
    /// What follows the last byte, until it is known.
    Ended(IncomingBody),
    Trailers(Option<HeaderMap>),
    Broken(BodyError),
}

/// What can be waited for, and what it is of: that must not go before.
struct Open {
    ready: Option<Rc<Pollable>>,
    stream: InputStream,
    body: IncomingBody,
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self {
                Self::Unread(request) => *self = open(request)?,
                Self::Open(open) => match open.stream.read(MAX_CHUNK_BYTES) {
                    Ok(bytes) if bytes.is_empty() => {
                        let stream = &open.stream;
                        executor::ready(open.ready.get_or_insert_with(|| Rc::new(stream.subscribe()))).await;
                    }
                    Ok(bytes) => return Ok(Some(bytes.into())),
                    Err(StreamError::Closed) => self.end(Self::Ended),
                    Err(StreamError::LastOperationFailed(error)) => {
                        let text = format!("the body of the request broke off: {}", error.to_debug_string());
                        drop(error);
                        self.end(|_| Self::Broken(BodyError::other(text)));
                    }
                },
                Self::Ended(_) | Self::Trailers(_) => return Ok(None),
                Self::Broken(error) => return Err(error.clone()),
            }
        }
    }

    /// Gives up the stream, and makes of the body what follows.
    fn end(&mut self, next: impl FnOnce(IncomingBody) -> Self) {
        if let Self::Open(Open { ready, stream, body }) = std::mem::replace(self, Self::Trailers(None)) {
            drop(ready);
            drop(stream);
            *self = next(body);
        }
    }

    async fn ending(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        while self.next().await?.is_some() {}
        if let Self::Ended(_) = self {
            let ended = std::mem::replace(self, Self::Trailers(None));
            if let Self::Ended(body) = ended {
                *self = match trailers(&IncomingBody::finish(body)).await {
                    Ok(trailers) => Self::Trailers(trailers),
                    Err(error) => Self::Broken(error),
                };
            }
        }
        match self {
            Self::Trailers(trailers) => Ok(trailers.take()),
            Self::Broken(error) => Err(error.clone()),
            _ => Ok(None),
        }
    }
}

fn open(request: &IncomingRequest) -> Result<Incoming, BodyError> {
    let taken = |()| BodyError::other("the body of the request was taken before");
    let body = request.consume().map_err(taken)?;
    let stream = body.stream().map_err(taken)?;
    Ok(Incoming::Open(Open { ready: None, stream, body }))
}

async fn trailers(trailers: &FutureTrailers) -> Result<Option<HeaderMap>, BodyError> {
    let result = loop {
        if let Some(result) = trailers.get() {
            break result;
        }
        executor::ready(&Rc::new(trailers.subscribe())).await;
    };
    match result {
        Ok(Ok(Some(trailers))) => fields::read(trailers.entries()).map(Some),
        Ok(Ok(None)) | Err(()) => Ok(None),
        Ok(Err(_)) => Err(BodyError::other("the body of the request broke off before its end")),
    }
}

impl Source for Incoming {
    fn chunk(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>> {
        Box::pin(self.next())
    }

    fn trailers(&mut self) -> Boxed<'_, Result<Option<HeaderMap>, BodyError>> {
        Box::pin(self.ending())
    }

    fn block(&self) -> Option<Block> {
        Some(|future| executor::block_on(future))
    }
}

/// The body of a response. Fields are dropped in order: what waits for the stream goes before it.
struct Outgoing {
    ready: Option<Rc<Pollable>>,
    stream: OutputStream,
}

impl Outgoing {
    async fn put(&mut self, mut bytes: Bytes) -> Result<(), BodyError> {
        while !bytes.is_empty() {
            match self.stream.check_write() {
                Ok(0) => {
                    let stream = &self.stream;
                    executor::ready(self.ready.get_or_insert_with(|| Rc::new(stream.subscribe()))).await;
                }
                Ok(room) => {
                    let now = bytes.split_to(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
                    self.stream.write(&now).map_err(|_| BodyError::gone())?;
                }
                Err(_) => return Err(BodyError::gone()),
            }
        }
        Ok(())
    }
}

impl Sink for Outgoing {
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), BodyError>> {
        Box::pin(self.put(bytes))
    }
}
