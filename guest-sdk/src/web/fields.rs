//! Heads between the types of `http` and what `wasi:http` of either version passes: names, bytes and numbers.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::body::{Body, Inner};
use super::error::BodyError;
use super::{Request, Response};

/// Headers or trailers, as the host passes them.
pub(super) type Entries = Vec<(String, Vec<u8>)>;

/// The head of a request, as the host passes it.
pub(super) struct Head {
    pub(super) method: Result<Method, http::method::InvalidMethod>,
    pub(super) scheme: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) path: Option<String>,
    pub(super) headers: Entries,
}

impl Head {
    /// Makes a request of it.
    ///
    /// # Errors
    ///
    /// If it is none that could be in HTTP.
    pub(super) fn request(self, body: Body) -> Result<Request, String> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.map_err(|error| error.to_string())?;
        *request.uri_mut() = uri(self.scheme, self.authority, self.path).map_err(|error| error.to_string())?;
        *request.headers_mut() = read(self.headers).map_err(|error| error.to_string())?;
        Ok(request)
    }
}

fn uri(scheme: Option<String>, authority: Option<String>, path: Option<String>) -> Result<Uri, http::Error> {
    let path = path.unwrap_or_else(|| "/".to_owned());
    match (scheme, authority) {
        (Some(scheme), Some(authority)) => {
            Uri::builder().scheme(&*scheme).authority(authority).path_and_query(path).build()
        }
        _ => Uri::builder().path_and_query(path).build(),
    }
}

/// Reads headers or trailers.
///
/// # Errors
///
/// If they are none that could be in HTTP.
pub(super) fn read(entries: Entries) -> Result<HeaderMap, BodyError> {
    let refuse = |name: &str| BodyError::other(format!("the header `{name}` is none of HTTP"));
    let mut headers = HeaderMap::with_capacity(entries.len());
    for (name, value) in entries {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse(&name))?;
        headers.append(key, HeaderValue::try_from(value).map_err(|_| refuse(&name))?);
    }
    Ok(headers)
}

/// Headers or trailers as the host takes them.
pub(super) fn written(headers: &HeaderMap) -> Entries {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// Adds to a response what its body says of it, where the handler says nothing.
pub(super) fn complete(response: &mut Response, is_head: bool) {
    let (length, is_json) = (response.body().len(), matches!(response.body().0, Inner::Json(_)));
    let status = response.status();
    let has_body = !(status.is_informational() || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status));
    // The length of what a `HEAD` does not send is that of the `GET`, which an empty body does not tell.
    let is_known = has_body && !(is_head && length == Some(0));
    let headers = response.headers_mut();
    if let Some(length) = length.filter(|_| is_known) {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    if is_json {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
}

/// Why the host does not take a response's head.
pub(super) const FORBIDDEN: &str = "the response has a header that only the server writes, such as `connection`, `host` \
                                    or `transfer-encoding`; leave it out";

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str) -> Head {
        Head {
            method: Ok(Method::GET),
            scheme: Some("https".to_owned()),
            authority: Some("example.com:8443".to_owned()),
            path: Some(path.to_owned()),
            headers: vec![("accept".to_owned(), b"a".to_vec()), ("accept".to_owned(), b"b".to_vec())],
        }
    }

    #[test]
    fn a_head_becomes_a_request() {
        let request = head("/a?b=c").request(Body::empty()).unwrap();
        assert_eq!(request.uri().to_string(), "https://example.com:8443/a?b=c");
        assert_eq!(request.headers().get_all("accept").iter().collect::<Vec<_>>(), ["a", "b"]);
        let request = Head { authority: None, ..head("/a") }.request(Body::empty()).unwrap();
        assert_eq!(request.uri().to_string(), "/a");
        assert_eq!(written(request.headers()).len(), 2);
    }

    #[test]
    fn a_head_that_is_none_is_refused() {
        assert!(head("no path").request(Body::empty()).is_err());
        let headers = vec![("a b".to_owned(), Vec::new())];
        let error = Head { headers, ..head("/") }.request(Body::empty()).unwrap_err();
        assert!(error.contains("`a b`"), "{error}");
    }

    #[test]
    fn a_response_says_how_long_it_is_if_that_is_known() {
        let length = |status: u16, body: Body, is_head: bool| {
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            complete(&mut response, is_head);
            response.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned())
        };
        assert_eq!(length(200, "four".into(), false).as_deref(), Some("4"));
        assert_eq!(length(200, Body::empty(), false).as_deref(), Some("0"));
        assert_eq!(length(200, "four".into(), true).as_deref(), Some("4"));
        for (status, body, is_head) in
            [(200, Body::empty(), true), (204, Body::empty(), false), (200, Body::stream(async |_| Ok(())), false)]
        {
            assert_eq!(length(status, body, is_head), None);
        }
    }

    #[test]
    fn json_says_what_it_is_unless_the_handler_does() {
        let mut response = Response::new(Body::json(&1_u8));
        complete(&mut response, false);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let mut response = Response::new(Body::json(&1_u8));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        complete(&mut response, false);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
