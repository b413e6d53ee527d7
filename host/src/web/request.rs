//! One request, from its head to its answer.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method as Verb, Request, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use tracing::Instrument;

use super::body::{Body, BodyLimits, read};
use super::respond::{self, Problem};
use super::table::{Entry, Target, allow_header};
use super::{Shared, authority, decode, handler, negotiate, pages};
use crate::error::{Error, ErrorKind, Fault};
use crate::manifest::HttpMethod;
use crate::service::{Answer, HANDLE, InstanceId};
use crate::values::Value;
use crate::values::inputs::Inputs;

/// Where the server says how it is, at any host.
const HEALTH: &str = "/.well-known/wasmhost/";

/// Answers a request.
pub(super) async fn respond<B>(shared: &Shared, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let mut response = match head.uri.path().strip_prefix(HEALTH) {
        Some(what) => health(shared, what),
        None => {
            let span = match tracing::enabled!(tracing::Level::DEBUG) {
                true => tracing::debug_span!("request", verb = %head.method, path = head.uri.path()),
                false => tracing::Span::none(),
            };
            for_an_app(shared, &head, body).instrument(span).await.unwrap_or_else(Problem::into_response)
        }
    };
    if head.version >= Version::HTTP_2 {
        // Connections with streams have no such header.
        response.headers_mut().remove(http::header::CONNECTION);
    }
    if head.method == Verb::HEAD
        && response.status() != StatusCode::NO_CONTENT
        && let Some(bytes) = response.body().length()
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        *response.body_mut() = Body::default();
    }
    let status = response.status().as_u16();
    tracing::debug!(verb = %head.method, path = head.uri.path(), status, "answered");
    response
}

/// Whether the process lives, and whether it wants requests. Both are cheap, and wait for nothing that a guest could hold.
fn health(shared: &Shared, what: &str) -> Response<Body> {
    let readiness = &shared.readiness;
    match what {
        "live" => respond::plain(StatusCode::OK, "ok"),
        "ready" => {
            let phases = readiness.phases();
            let is_draining = readiness.is_draining() || shared.host.is_draining();
            if phases.is_empty() && !is_draining {
                return respond::plain(StatusCode::OK, "ok");
            }
            let document = serde_json::json!({ "ready": false, "draining": is_draining, "phases": phases });
            respond::json_document(StatusCode::SERVICE_UNAVAILABLE, &document)
        }
        _ => Problem::from(Error::not_found(format!("`{HEALTH}` has `live` and `ready`"))).into_response(),
    }
}

async fn for_an_app<B>(shared: &Shared, head: &Parts, body: B) -> Result<Response<Body>, Problem>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let table = shared.table();
    let path = decode::path(head.uri.path()).map_err(|_| malformed("path"))?;
    let host = authority::host(&head.uri, &head.headers);
    let label = host.as_deref().and_then(|host| authority::label(host, &shared.domains));
    let (entry, path) = table.find(label, &path, &shared.layout, &shared.readiness)?;
    let answered = in_class(shared, entry, path, head, body).await;
    let mut response = answered.unwrap_or_else(Problem::into_response);
    if let Some(cors) = &entry.cors {
        cors.apply(head.headers.get(ORIGIN), response.headers_mut());
    }
    Ok(response)
}

async fn in_class<B>(
    shared: &Shared,
    entry: &Entry,
    path: &str,
    head: &Parts,
    body: B,
) -> Result<Response<Body>, Problem>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(target) = verb(&head.method).and_then(|verb| entry.target(verb, path)) else {
        return match entry.class.has_handler() {
            true => Box::pin(handler::respond(entry, path, head, body)).await,
            false => without_target(entry, path, head),
        };
    };
    if target.is_exposed {
        refuse_pages(shared, entry, target, head)?;
    }
    let body = if body.is_end_stream() { Bytes::new() } else { read_typed(shared, head, body).await? };
    let (parameters, arguments) = inputs(entry, target, path, head.uri.query(), &body)?;
    drop(body);
    let method = target.method(&entry.class);
    let shape = method.function().ok_shape();
    let prefers_json = *shape == crate::values::Shape::String && negotiate::prefers_json(&head.headers);
    let Answer { instance, outcome } = entry.class.answer(method, parameters, arguments).await;
    let mut response = match outcome {
        Ok(value) => respond::value(value, shape, prefers_json),
        Err(error) => {
            log(entry, Some(method.name()), (instance, head), &error);
            Problem::from(error).into_response()
        }
    };
    respond::name_instance(&mut response, instance);
    Ok(response)
}

/// Refuses a method that was only exposed to web pages which the class's `cors` does not list.
fn refuse_pages(shared: &Shared, entry: &Entry, target: &Target, head: &Parts) -> Result<(), Problem> {
    if entry.cors.as_ref().is_some_and(|cors| cors.lists(head.headers.get(ORIGIN))) {
        return Ok(());
    }
    match pages::foreign(&head.uri, &head.headers, &shared.domains) {
        Some(page) => Err(entry.not_for_pages(target, &page).into()),
        None => Ok(()),
    }
}

fn verb(method: &Verb) -> Option<HttpMethod> {
    Some(match *method {
        Verb::GET | Verb::HEAD => HttpMethod::Get,
        Verb::POST => HttpMethod::Post,
        Verb::PUT => HttpMethod::Put,
        Verb::PATCH => HttpMethod::Patch,
        Verb::DELETE => HttpMethod::Delete,
        _ => return None,
    })
}

/// Answers for a path and verb that no method answers: what would be, or that nothing would.
fn without_target(entry: &Entry, path: &str, head: &Parts) -> Result<Response<Body>, Problem> {
    let allowed = entry.allowed(path);
    if allowed.is_empty() {
        return Err(entry.no_route(path).into());
    }
    let allow = allow_header(allowed);
    if head.method == Verb::OPTIONS {
        let mut response = respond::status(StatusCode::NO_CONTENT);
        if let Some(cors) = &entry.cors {
            cors.preflight(&head.headers, &allow, response.headers_mut());
        }
        response.headers_mut().insert(ALLOW, allow);
        return Ok(response);
    }
    let verbs = allowed.header();
    let message = format!("`{path}` of the class `{}` answers {verbs}, not {}", entry.class.name(), head.method);
    Err(Problem::from(Error::new(ErrorKind::MethodNotAllowed, message)).allowing(allow))
}

/// Reads a body that holds inputs. What is not JSON is refused before it is read where its length says that there is some.
async fn read_typed<B>(shared: &Shared, head: &Parts, body: B) -> Result<Bytes, Problem>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let is_json = content_type.is_some_and(negotiate::is_json);
    if !is_json && body.size_hint().lower() > 0 {
        return Err(not_json(content_type));
    }
    let limits = BodyLimits { max_bytes: shared.host.max_body_bytes(), timeout: shared.body_timeout };
    let body = read(body, limits).await?;
    if is_json || body.is_empty() { Ok(body) } else { Err(not_json(content_type)) }
}

fn not_json(content_type: Option<&str>) -> Problem {
    let got = match content_type {
        Some(content_type) => format!("`{}`", content_type.escape_debug()),
        None => "one without `content-type`".to_owned(),
    };
    let message = format!(
        "a body is an object with parameters and arguments by name, sent as `content-type: application/json`, not {got}"
    );
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Error::bad_request(message))
}

/// Parameters and arguments, from path, query and body.
fn inputs(
    entry: &Entry,
    target: &Target,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<(Vec<Value>, Vec<Value>), Problem> {
    let limits = entry.class.limits();
    let arguments = target.method(&entry.class).argument_signature();
    let mut inputs = Inputs::new(entry.class.parameter_signature(), arguments, &limits);
    for (place, text) in target.captured(path) {
        inputs.put_query(place, &decode::segment(text)).map_err(Error::from)?;
    }
    for (name, text) in decode::pairs(query.unwrap_or_default()) {
        let (name, text) =
            decode::query(name).and_then(|name| Ok((name, decode::query(text)?))).map_err(|_| malformed("query"))?;
        inputs.take_query(&name, &text).map_err(Error::from)?;
    }
    if !body.is_empty() {
        inputs.take_object(body).map_err(Error::from)?;
    }
    Ok(inputs.finish().map_err(Error::from)?)
}

pub(super) fn malformed(what: &str) -> Problem {
    Error::bad_request(format!("the {what} is not percent-encoded UTF-8")).into()
}

/// Tells the log what is not for the client: where the guest trapped, and what it said before. An error that a `method` returns
/// is an answer; one of a handler, which has none, is the want of it.
pub(super) fn log(entry: &Entry, method: Option<&str>, (instance, head): (Option<InstanceId>, &Parts), error: &Error) {
    let (app, class) = (entry.class.app_name(), entry.class.name());
    let instance = instance.map(InstanceId::get);
    let (verb, path) = (&head.method, head.uri.path());
    let is_expected = method.is_some() && error.kind() == ErrorKind::ReturnedError;
    let method = method.unwrap_or(HANDLE);
    match error.fault() {
        Fault::Host => tracing::error!(app, class, method, instance, %verb, path, %error, "a call failed"),
        Fault::Guest if !is_expected => {
            tracing::warn!(app, class, method, instance, %verb, path, %error, "a call failed");
        }
        _ => tracing::debug!(app, class, method, instance, kind = %error.kind(), "a call was refused or failed"),
    }
}
