//! Calls: from the body of a request to values, through a task on the calls' runtime, to the body of an answer.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tracing::Instrument;

use super::respond::Refused;
use super::{Api, INSTANCE_HEADER};
use crate::error::{Error, ErrorKind, Result};
use crate::service::{Answer, Class, InstanceId, Method};
use crate::values::json::Json;
use crate::values::{Limits, Signature, Source, Value};

/// Bytes of a body beside the values in it.
const SLACK_BYTES: usize = 64 << 10;

/// Bytes that are read and thrown away of a body that is too long. A client who is cut off in the middle of writing never
/// gets to read why.
const MAX_SKIPPED_BYTES: usize = 64 << 20;

/// Bytes that a body may have whose values may have `max_value_bytes`. Bytes in base64 take four thirds of their length.
fn max_body_bytes(max_value_bytes: usize) -> usize {
    (max_value_bytes / 3).saturating_mul(4).saturating_add(SLACK_BYTES)
}

pub(super) async fn call(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    let Path((app, class, method)) = path?;
    if api.is_draining() {
        return Err(Error::new(ErrorKind::Draining, "the server is shutting down").into());
    }
    let body = read(request.into_body(), api.host.max_body_bytes()).await?;
    let class = api.app(&app)?.class(&class)?;
    let method = class.method(&method)?.name().to_owned();
    let span = tracing::info_span!("control");
    let work = async move { answer(&class, &method, &body).await };
    // Dropped with this future, when the client hangs up, the task is cancelled.
    let task = api.host.spawn_on(&api.calls, work.instrument(span))?;
    let (answer, instance) = task.await??;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], answer).into_response();
    if let Some(instance) = instance {
        response.headers_mut().insert(INSTANCE_HEADER, instance.get().into());
    }
    Ok(response)
}

/// Reads a body that holds `max_value_bytes` of values at most.
async fn read(mut body: axum::body::Body, max_value_bytes: usize) -> Result<Vec<u8>> {
    let max_bytes = max_body_bytes(max_value_bytes);
    let mut read = Vec::new();
    let mut bytes: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::bad_request(format!("the body of the call broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes = bytes.saturating_add(data.len());
        if bytes <= max_bytes {
            read.extend_from_slice(&data);
        } else if bytes > max_bytes.saturating_add(MAX_SKIPPED_BYTES) {
            break;
        } else {
            read = Vec::new();
        }
    }
    if bytes <= max_bytes {
        return Ok(read);
    }
    let message = format!(
        "the body of the call is larger than {max_bytes} bytes, which is room for parameters and arguments of \
         {max_value_bytes} bytes together; the setting is `max-body`"
    );
    Err(Error::new(ErrorKind::TooLarge, message).with_limit("max-body", max_value_bytes.to_string()))
}

/// What a call answers with. The instance is text, as in the header: it names something, and is nothing to reckon with.
#[derive(serde::Serialize)]
struct Answered<'a> {
    value: Json<'a>,
    instance: Option<String>,
}

async fn answer(class: &Class, method: &str, body: &[u8]) -> Result<(Vec<u8>, Option<InstanceId>), Refused> {
    let method = class.method(method)?;
    let (parameters, arguments) = Body::parse(body)?.values(class, method)?;
    let Answer { instance, outcome } = class.answer(method, parameters, arguments).await;
    let value = outcome.map_err(|error| Refused::by(instance, error))?;
    let value = Json { value: &value, shape: method.function().ok_shape() };
    let answered = Answered { value, instance: instance.map(|instance| instance.to_string()) };
    let answered = serde_json::to_vec(&answered).map_err(|error| Error::internal(format!("the answer: {error}")))?;
    Ok((answered, instance))
}

/// The body of a call.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    /// An object by name, or a list by position.
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    /// Parameters and arguments together, by name, as typed in a shell.
    text: Option<Members<String>>,
}

impl<'a> Body<'a> {
    fn parse(body: &'a [u8]) -> Result<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let parsed = serde_json::from_slice(body);
        parsed.map_err(|error| {
            Error::bad_request(format!(
                "the body of a call is a JSON object with `parameters` and `arguments`, or `text`: {error}"
            ))
        })
    }

    /// The values of the parameters and of the arguments, complete and in the order of their declarations.
    fn values(&self, class: &Class, method: Method<'_>) -> Result<(Vec<Value>, Vec<Value>)> {
        let (parameters, arguments) = (class.parameter_signature(), method.argument_signature());
        let (mut of_parameters, mut of_arguments) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (name, text) in self.text.iter().flat_map(|text| &text.0) {
            if !seen.insert(name.replace('_', "-")) {
                return Err(Error::bad_request(format!("`{name}` is given twice")));
            }
            match parameters.shape(name) {
                Some(_) => of_parameters.push((name.as_str(), text.as_str())),
                // If there is no such argument either, its signature says so.
                None => of_arguments.push((name.as_str(), text.as_str())),
            }
        }
        let limits = class.limits();
        Ok((
            values(parameters, "parameters", self.parameters, &of_parameters, &limits)?,
            values(arguments, "arguments", self.arguments, &of_arguments, &limits)?,
        ))
    }
}

/// The values of one signature, from a JSON document, from texts, or from both, each name once.
fn values(
    signature: &Signature,
    key: &str,
    json: Option<&RawValue>,
    texts: &[(&str, &str)],
    limits: &Limits,
) -> Result<Vec<Value>> {
    let json = json.map_or("null", RawValue::get);
    if texts.is_empty() {
        return Ok(signature.from_json(json.as_bytes(), limits)?);
    }
    let members: Option<Members<Box<RawValue>>> = serde_json::from_str(json)
        .map_err(|error| Error::bad_request(format!("`{key}` beside `text` has to be an object: {error}")))?;
    let members = members.map_or_else(Vec::new, |members| members.0);
    let of_json = members.iter().map(|(name, value)| (name.as_str(), Source::Json(value.get().as_bytes())));
    let of_text = texts.iter().map(|(name, text)| (*name, Source::Shell(text)));
    Ok(signature.from_named(of_json.chain(of_text), limits)?)
}

/// A JSON object as a list of its members, so that nothing is lost when a name stands there twice.
#[derive(Debug)]
pub(crate) struct Members<V>(pub(crate) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Reader<V> {
            type Value = Members<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<V>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::shape::Int;
    use crate::values::{Shape, What, wave};

    fn read(json: Option<&str>, texts: &[(&str, &str)]) -> Result<String> {
        let mut signature =
            Signature::from_shapes(What::Argument, [("foo-bar", Shape::String), ("size", Shape::Int(Int::S64))]);
        signature.set_default("size", &10, &Limits::default()).unwrap();
        let json = json.map(|json| serde_json::from_str::<Box<RawValue>>(json).unwrap());
        let values = values(&signature, "arguments", json.as_deref(), texts, &Limits::default())?;
        Ok(values.iter().map(wave::write).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn json_and_text_come_to_the_same() {
        let expected = "\"7\" 3";
        assert_eq!(read(Some(r#"{"size": 3, "foo_bar": "7"}"#), &[]).unwrap(), expected);
        assert_eq!(read(Some(r#"["7", 3]"#), &[]).unwrap(), expected);
        assert_eq!(read(None, &[("foo_bar", "7"), ("size", "3")]).unwrap(), expected);
        assert_eq!(read(Some(r#"{"size": 3}"#), &[("foo-bar", "7")]).unwrap(), expected);
        assert_eq!(read(None, &[("foo-bar", "x")]).unwrap(), "\"x\" 10");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |json, texts: &[_]| read(json, texts).unwrap_err().message().to_owned();
        assert!(error(Some(r#"{"foo-bar": "x"}"#), &[("foo_bar", "y")]).contains("given twice"));
        assert!(error(Some(r#"["x"]"#), &[("size", "3")]).contains("`arguments` beside `text`"));
        assert!(error(None, &[("foo-bar", "x"), ("size", "y")]).starts_with("`size` needs a whole number"));
        assert!(error(None, &[]).contains("missing argument `foo-bar`"));
    }

    #[test]
    fn an_unknown_key_is_told_the_known_ones() {
        let error = Body::parse(br#"{"params": {}}"#).err().unwrap();
        let message = error.message();
        assert!(
            ["`params`", "`parameters`", "`arguments`", "`text`"].iter().all(|key| message.contains(key)),
            "{message}"
        );
        assert!(Body::parse(b"[1]").is_err());
        assert!(Body::parse(b" ").unwrap().arguments.is_none());
        assert!(Body::parse(br#"{"arguments": null}"#).unwrap().arguments.is_none());
        let twice = Body::parse(br#"{"text": {"a": "1", "a": "2"}}"#).unwrap();
        assert_eq!(twice.text.unwrap().0.len(), 2);
    }
}
