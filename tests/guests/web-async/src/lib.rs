//! `wasi:http` of WASI 0.3: answers as the guest `web` does, for the comparison of servers.

use std::env;

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wasip3::http::service::export!(Component);

struct Component;

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let (head, text) = (env::var("HEADERS").expect("headers, a line each"), env::var("BODY").expect("a body"));
        let headers = Fields::new();
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            headers.append(name, value.as_bytes()).expect("a header");
        }
        headers.append("content-length", text.len().to_string().as_bytes()).expect("a header");
        let (mut body, reader) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        drop(trailers);
        let (response, _sent) = Response::new(headers, Some(reader), no_trailers);
        wit_bindgen::spawn_local(async move {
            body.write_all(text.into_bytes()).await;
        });
        Ok(response)
    }
}
