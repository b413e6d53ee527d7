//! Errors as answers: one shape for all of them, those of axum included.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::INSTANCE_HEADER;
use crate::error::Error;
use crate::service::InstanceId;

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct Refused {
    error: Error,
    instance: Option<InstanceId>,
}

impl Refused {
    /// An error that an instance has answered with.
    pub(super) fn by(instance: Option<InstanceId>, error: Error) -> Self {
        Self { error, instance }
    }
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), instance: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let kind = self.error.kind();
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        let mut response = (status, [(header::CONTENT_TYPE, json)], self.error.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.error.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(instance) = self.instance {
            headers.insert(INSTANCE_HEADER, instance.get().into());
        }
        response
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(format!("the path of the request: {}", rejection.body_text()))
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(format!("the query of the request: {}", rejection.body_text()))
    }
}
