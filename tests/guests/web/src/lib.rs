//! `wasi:http`: answers every request with the headers and the body that its environment holds, for the comparison of servers.

use std::env;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Component;

impl Guest for Component {
    fn handle(_: IncomingRequest, answer: ResponseOutparam) {
        let (head, text) = (env::var("HEADERS").expect("headers, a line each"), env::var("BODY").expect("a body"));
        let headers = Fields::new();
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            headers.append(name, value.as_bytes()).expect("a header");
        }
        headers.append("content-length", text.len().to_string().as_bytes()).expect("a header");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the first body");
        ResponseOutparam::set(answer, Ok(response));
        let stream = body.write().expect("the first stream");
        stream.blocking_write_and_flush(text.as_bytes()).expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the length is right");
    }
}

wasip2::http::proxy::export!(Component);
