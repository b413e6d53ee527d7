//! Requests for a class's own `wasi:http` handler: which parameters they name, and what the guest sees of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Buf;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method as Verb, Request, Response, StatusCode, Uri};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::WasiBody;

use super::body::Body;
use super::respond::{self, Problem};
use super::table::Entry;
use super::{decode, request};
use crate::error::Error;
use crate::service::{Handled, broken_off};
use crate::values::Value;
use crate::values::inputs::{Inputs, Place};
use crate::values::{Signature, What};

/// Where an app lies for its client, when that is not at the root of its host.
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What the verbs of a handler are to a browser that asks before it sends: only the guest knows which it answers.
const ANY_VERB: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Lets the guest answer. `path` is the part of the request's that the class was not found by.
pub(super) async fn respond<B>(entry: &Entry, path: &str, head: &Parts, body: B) -> Result<Response<Body>, Problem>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(answer) = preflight(entry, head) {
        return Ok(answer);
    }
    let parameters = parameters(entry, head.uri.query())?;
    let broke = Arc::new(AtomicBool::new(false));
    let request = routed(path, head, upload(body, &broke))?;
    let Handled { instance, outcome } = entry.class.handle(parameters, request, &broke).await;
    let mut response = match outcome {
        Ok(response) => response.map(Body::of_guest),
        Err(error) => {
            request::log(entry, None, (instance, head), &error);
            let problem = match broke.load(Ordering::Relaxed) {
                true => Problem::from(broken_off()).closing(),
                false => Problem::from(error),
            };
            problem.into_response()
        }
    };
    respond::name_instance(&mut response, instance);
    Ok(response)
}

/// The answer to a browser that asks whether it may send a request from another origin, where the class says who may.
fn preflight(entry: &Entry, head: &Parts) -> Option<Response<Body>> {
    let cors = entry.cors.as_ref()?;
    if head.method != Verb::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = respond::status(StatusCode::NO_CONTENT);
    cors.preflight(&head.headers, &ANY_VERB, response.headers_mut());
    response.headers_mut().insert(ALLOW, ANY_VERB);
    Some(response)
}

/// The parameters, from the query. Names that are none are the guest's own.
fn parameters(entry: &Entry, query: Option<&str>) -> Result<Vec<Value>, Problem> {
    let signature = entry.class.parameter_signature();
    if signature.is_empty() {
        return Ok(Vec::new());
    }
    let (limits, no_arguments) = (entry.class.limits(), Signature::from_shapes(What::Argument, []));
    let mut inputs = Inputs::new(signature, &no_arguments, &limits);
    for (name, text) in decode::pairs(query.unwrap_or_default()) {
        let Ok(name) = decode::query(name) else { continue };
        let Some(place) = Place::of(&name, signature, &no_arguments) else { continue };
        let text = decode::query(text).map_err(|_| request::malformed("query"))?;
        inputs.put_query(place, &text).map_err(Error::from)?;
    }
    let (parameters, _) = inputs.finish().map_err(Error::from)?;
    Ok(parameters)
}

/// The request as the guest sees it: its path without what led to the class, which is told apart.
fn routed(path: &str, head: &Parts, body: WasiBody) -> Result<Request<WasiBody>, Problem> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let is_host = |host: &HeaderValue| host.is_empty() || Authority::try_from(host.as_bytes()).is_ok();
    if hosts.next().is_some_and(|host| !is_host(host)) || hosts.next().is_some() {
        return Err(Error::bad_request("the header `host` is no host, or there are several").into());
    }
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    *request.uri_mut() = head.uri.clone();
    // Only this host says where it is.
    request.headers_mut().remove(&PREFIX);
    if let Some(prefix) = prefix(head.uri.path(), path) {
        let rest = &head.uri.path()[prefix.len()..];
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let routed = PathAndQuery::try_from(format!("{slash}{rest}{query}")).map_err(|_| request::malformed("path"))?;
        let mut parts = head.uri.clone().into_parts();
        parts.path_and_query = Some(routed);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| request::malformed("path"))?;
        let prefix = HeaderValue::try_from(prefix).map_err(|_| request::malformed("path"))?;
        request.headers_mut().insert(PREFIX, prefix);
    }
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        // Clients of HTTP/1.0 may say none, and guests are always told one.
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    }
    Ok(request)
}

/// What stands in a path as it came before the part within the class: as many segments as the part has fewer.
fn prefix<'a>(whole: &'a str, below: &str) -> Option<&'a str> {
    let segments = |path: &str| path.matches('/').count();
    let before = segments(whole).saturating_sub(segments(below));
    // An app and its class; a path that ends with them has its only slash added.
    let before = if before == 1 && !whole.ends_with('/') { 2 } else { before };
    if before == 0 {
        return None;
    }
    let end = whole.match_indices('/').nth(before).map_or(whole.len(), |(at, _)| at);
    Some(&whole[..end])
}

/// The body of a request, as guests read it. `broke` is set once it turns out that the rest will not come.
fn upload<B>(body: B, broke: &Arc<AtomicBool>) -> WasiBody
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return WasiBody::default();
    }
    let broke = broke.clone();
    let bytes = |frame: http_body::Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
    let broken = move |error: B::Error| {
        let error = error.into();
        tracing::debug!(%error, "a request broke off");
        broke.store(true, Ordering::Relaxed);
        wasmtime_wasi_http::Error::ConnectionTerminated
    };
    body.map_frame(bytes).map_err(broken).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_where_its_class_was_found() {
        for (whole, below, expected) in [
            ("/a/b", "/a/b", None),
            ("/", "/", None),
            ("/app/class/a/b", "/a/b", Some("/app/class")),
            ("/app/class/", "/", Some("/app/class")),
            ("/app/class", "/", Some("/app/class")),
            ("/app/cl%61ss/a%2Fb/", "/a%2Fb/", Some("/app/cl%61ss")),
        ] {
            assert_eq!(prefix(whole, below), expected, "{whole} {below}");
        }
    }
}
