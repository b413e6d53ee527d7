//! The class `proxy`: passes requests on to hosts that its manifest lists, and their answers back, as they come.

mod upstream;

use wasmhost_guest::prelude::*;

/// Passes `/https/example.com/a?b` on to `https://example.com/a?b`.
#[class(concurrency = 100, reuse = true)]
mod proxy {
    use wasip3::http::types::ErrorCode;
    use wasmhost_guest::http::StatusCode;
    use wasmhost_guest::http::uri::{Parts, PathAndQuery, Uri};

    use crate::upstream;

    #[web]
    async fn handle(request: Request) -> Result<Response> {
        let Some(target) = target(request.uri()) else {
            return explain(StatusCode::NOT_FOUND, "ask for `/https/HOST/PATH` or `/http/HOST/PATH`");
        };
        let authority = target.authority().map_or("", |authority| authority.as_str());
        let place = format!("{}://{authority}", target.scheme_str().unwrap_or_default());
        match upstream::ask(&target, request).await {
            Ok(response) => Ok(response),
            Err(ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited) => {
                let text = format!("{place} is no place that `allow-outbound` of this class leads to");
                explain(StatusCode::FORBIDDEN, &text)
            }
            Err(ErrorCode::DnsTimeout | ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout) => {
                explain(StatusCode::GATEWAY_TIMEOUT, &format!("{place} takes too long to answer"))
            }
            Err(ErrorCode::DnsError(_)) => explain(StatusCode::BAD_GATEWAY, &format!("{place} is not known")),
            Err(error) => explain(StatusCode::BAD_GATEWAY, &format!("{place} does not answer: {error:?}")),
        }
    }

    /// The URL behind a path.
    fn target(uri: &Uri) -> Option<Uri> {
        let mut parts = uri.path_and_query()?.as_str().strip_prefix('/')?.splitn(3, '/');
        let (scheme, authority, rest) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        let mut target = Parts::default();
        target.scheme = Some(scheme.parse().ok()?);
        // Whoever stands before an `@` is no part of a host.
        target.authority = Some(authority.parse().ok().filter(|_| !authority.contains('@'))?);
        target.path_and_query = Some(PathAndQuery::try_from(format!("/{rest}")).ok()?);
        Uri::from_parts(target).ok().filter(|_| matches!(scheme, "http" | "https"))
    }

    fn explain(status: StatusCode, text: &str) -> Result<Response> {
        Ok(Response::builder().status(status).body(format!("{text}\n").into())?)
    }
}
