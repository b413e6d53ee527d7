//! One request to another host by `wasi:http` 0.3: what is left of its body still goes out while the answer comes in.

use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::try_unfold;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request as Outgoing};
use wasip3::http_compat::{BodyWriter, http_from_wasi_response};
use wasmhost_guest::http::header::HeaderMap;
use wasmhost_guest::http::request;
use wasmhost_guest::http::uri::{Authority, PathAndQuery, Uri};
use wasmhost_guest::prelude::*;
use wasmhost_guest::web::BodyError;

/// Headers that are about one connection, and none of the other one's business.
const OF_A_CONNECTION: [&str; 9] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Passes a request on, and makes a response of the answer.
pub(crate) async fn ask(target: &Uri, request: Request) -> Result<Response, ErrorCode> {
    let (head, body) = request.into_parts();
    let (writer, pieces, ending) = BodyWriter::new();
    let (outgoing, _) = Outgoing::new(fields(head.headers.clone())?, Some(pieces), ending, None);
    address(&outgoing, &head, target).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;

    let mut sending = send(body, writer).boxed_local().fuse();
    let answer = beside(client::send(outgoing), &mut sending).await?;

    let (mut head, mut incoming) = http_from_wasi_response(answer)?.into_parts();
    remove_those_of_a_connection(&mut head.headers);
    let body = Body::stream(async move |writer| {
        let receiving = async {
            while let Some(frame) = incoming.frame().await {
                match frame?.into_data() {
                    Ok(piece) => writer.write(piece).await?,
                    Err(frame) => writer.set_trailers(frame.into_trailers().unwrap_or_default()),
                }
            }
            Ok(())
        };
        beside(receiving, &mut sending).await
    });
    Ok(Response::from_parts(head, body))
}

/// Awaits the first, while the second is under way, too.
async fn beside<T>(first: impl Future<Output = T>, second: &mut (impl Future<Output = ()> + Unpin)) -> T {
    match select(pin!(first), second).await {
        Either::Left((done, _)) => done,
        Either::Right(((), first)) => first.await,
    }
}

/// Sends a body as it comes. One that breaks off breaks off there, too.
async fn send(body: Body, writer: BodyWriter) {
    let pieces = try_unfold(body, async |mut body| {
        Ok::<_, BodyError>(body.chunk().await?.map(|piece| (Frame::data(piece), body)))
    });
    if let Err(error) = writer.send_http_body(&mut pin!(StreamBody::new(pieces))).await {
        println!("a request broke off: {error}");
    }
}

fn address(outgoing: &Outgoing, head: &request::Parts, target: &Uri) -> Result<(), ()> {
    outgoing.set_method(&(&head.method).into())?;
    outgoing.set_scheme(target.scheme().map(Into::into).as_ref())?;
    outgoing.set_authority(target.authority().map(Authority::as_str))?;
    outgoing.set_path_with_query(target.path_and_query().map(PathAndQuery::as_str))
}

fn fields(mut headers: HeaderMap) -> Result<Fields, ErrorCode> {
    remove_those_of_a_connection(&mut headers);
    headers.try_into().map_err(|_| ErrorCode::HttpProtocolError)
}

fn remove_those_of_a_connection(headers: &mut HeaderMap) {
    for name in OF_A_CONNECTION {
        headers.remove(name);
    }
}
