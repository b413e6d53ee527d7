//! Answers: from what a method gave back, or an error, to status, headers and body.

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY};
use http::{Response, StatusCode};
use wasmtime::component::Val;

use super::body::Body;
use crate::error::Error;
use crate::service::InstanceId;
use crate::values::{Shape, Value, json};

/// Names the instance that answered.
pub(super) const INSTANCE: HeaderName = HeaderName::from_static("wasmhost-instance");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An error with the status that answers it: that of its kind, but where HTTP has a word that our table has not.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) error: Error,
    /// Whether the connection cannot go on after it.
    pub(super) closes: bool,
    /// The verbs that would be answered.
    pub(super) allow: Option<HeaderValue>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error)
    }
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error, closes: false, allow: None }
    }

    pub(super) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    pub(super) fn allowing(self, allow: HeaderValue) -> Self {
        Self { allow: Some(allow), ..self }
    }

    /// The answer. What the guest printed, and its functions at a trap, are not for clients.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = text(self.status, JSON, self.error.to_public_json().to_string());
        let headers = response.headers_mut();
        if let Some(seconds) = self.error.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer with what a method gave back.
pub(super) fn value(value: Value, shape: &Shape, prefers_json: bool) -> Response<Body> {
    let mut response = match (value, shape) {
        (_, Shape::Unit) => status(StatusCode::NO_CONTENT),
        (Value::Val(Val::String(string)), Shape::String) if !prefers_json => text(StatusCode::OK, TEXT, string),
        (value, shape) => match json::write(&value, shape) {
            Ok(json) => text(StatusCode::OK, JSON, json),
            Err(error) => {
                Problem::from(Error::internal(format!("the result could not be written: {error}"))).into_response()
            }
        },
    };
    if *shape == Shape::String {
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    }
    response
}

/// Says which instance an answer is from.
pub(super) fn name_instance(response: &mut Response<Body>, instance: Option<InstanceId>) {
    if let Some(instance) = instance {
        response.headers_mut().insert(INSTANCE, HeaderValue::from(instance.get()));
    }
}

/// An answer that is a status alone.
pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// An answer in JSON.
pub(super) fn json_document(status: StatusCode, document: &serde_json::Value) -> Response<Body> {
    text(status, JSON, document.to_string())
}

/// An answer in plain words.
pub(super) fn plain(status: StatusCode, words: &'static str) -> Response<Body> {
    text(status, TEXT, bytes::Bytes::from_static(words.as_bytes()))
}

fn text(code: StatusCode, content_type: HeaderValue, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    fn retry_after(error: Error) -> Option<String> {
        let response = Problem::from(error).into_response();
        response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        let overloaded = || Error::new(ErrorKind::Overloaded, "full");
        assert_eq!(retry_after(overloaded()).as_deref(), Some("1"));
        assert_eq!(retry_after(overloaded().with_retry_after(Duration::ZERO)).as_deref(), Some("1"));
        assert_eq!(retry_after(overloaded().with_retry_after(Duration::from_millis(2001))).as_deref(), Some("3"));
        assert_eq!(retry_after(Error::new(ErrorKind::EnterFailed, "no")).as_deref(), Some("1"));
        assert_eq!(retry_after(Error::new(ErrorKind::Starting, "soon")).as_deref(), Some("1"));
        assert_eq!(retry_after(Error::bad_request("no")), None);
    }

    #[test]
    fn a_client_sees_nothing_of_the_guests_insides() {
        let error = Error::new(ErrorKind::Trapped, "`baz` trapped")
            .with_backtrace(vec!["secret_function".into()])
            .with_stderr(Some("secret words".into()));
        let response = Problem::from(error).into_response();
        assert_eq!(response.status(), 500);
        assert!(!format!("{:?}", response.body()).contains("secret"), "{:?}", response.body());
    }

    #[test]
    fn results_have_the_form_that_suits_them() {
        let of = |val: Value, shape: &Shape, prefers_json| {
            let response = value(val, shape, prefers_json);
            let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
            (response.status().as_u16(), kind.unwrap_or_default(), format!("{:?}", response.body()))
        };
        let string = || Value::Val(Val::String("é".into()));
        let (json, plain) = ("application/json".to_owned(), "text/plain; charset=utf-8".to_owned());
        assert_eq!(of(Value::unit(), &Shape::Unit, false), (204, String::new(), "Body(Own(None))".into()));
        assert_eq!(of(string(), &Shape::String, false), (200, plain, r#"Body(Own(Some(b"\xc3\xa9")))"#.into()));
        assert_eq!(
            of(string(), &Shape::String, true),
            (200, json.clone(), r#"Body(Own(Some(b"\"\xc3\xa9\"")))"#.into())
        );
        let none = Value::Val(Val::Option(None));
        assert_eq!(
            of(none, &Shape::Option(Box::new(Shape::String)), false),
            (200, json, r#"Body(Own(Some(b"null")))"#.into())
        );
    }
}
