//! Serves the promises about web handlers of WASI 0.2: what they see, bodies both ways, and every way to end.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    RequestOptions, ResponseOutparam, Scheme, Trailers,
};

wasip2::http::proxy::export!(Component);

struct Component;

static REQUESTS: AtomicU32 = AtomicU32::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let requests = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["count"] => answer(out, 200, requests.to_string().as_bytes()),
            ["request"] => answer(out, 200, described(&request, &target).as_bytes()),
            ["echo"] => echo(request, out),
            ["pieces", bytes] => pieces(out, bytes.parse().expect("a number of bytes")),
            ["fail", text] => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text.to_owned())))),
            ["unfinished", authority] => unfinished(out, authority, &[]),
            ["unfinished", authority, "length"] => unfinished(out, authority, &[("content-length", "13")]),
            ["empty", status, how] => empty(out, status, how),
            ["large", bytes] => large(out, bytes.parse().expect("a number of bytes")),
            ["whole"] => answer(out, 200, &read(request).0),
            ["judge"] => judge(request, out),
            ["status", code] => answer(out, code.parse().expect("a status"), b""),
            ["trailers"] => trailers(request, out),
            ["early"] => early(request, out),
            ["late"] => late(out),
            ["leak"] => leak(request, out),
            ["after"] => after(out),
            ["length"] => length(out),
            ["longer"] => longer(out),
            ["die", how, "before"] => {
                die(how);
                // Whoever comes here gives no answer.
            }
            ["die", how, "after"] => {
                let body = head(out, 200, &[]);
                write(&body, b"the beginning");
                die(how);
                std::mem::forget(body);
            }
            _ => answer(out, 404, b"no such path"),
        }
    }
}

fn described(request: &IncomingRequest, target: &str) -> String {
    let mut lines = format!("{:?} {target}\n{}\n", request.method(), request.authority().unwrap_or_default());
    for (name, value) in request.headers().entries() {
        lines += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    lines
}

fn listed(fields: &[(&str, &str)]) -> Fields {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Fields::from_list(&fields).expect("fields")
}

fn head(out: ResponseOutparam, status: u16, fields: &[(&str, &str)]) -> OutgoingBody {
    let response = OutgoingResponse::new(listed(fields));
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the first body");
    ResponseOutparam::set(out, Ok(response));
    body
}

fn write(body: &OutgoingBody, bytes: &[u8]) {
    let mut stream = body.write().expect("the first stream");
    stream.write_all(bytes).expect("the client reads");
    stream.flush().expect("the client reads");
}

fn answer(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let body = head(out, status, &[]);
    write(&body, bytes);
    OutgoingBody::finish(body, None).expect("nothing was said of its length");
}

fn read(request: IncomingRequest) -> (Vec<u8>, Option<Fields>) {
    let body = request.consume().expect("the first time");
    let mut bytes = Vec::new();
    body.stream().expect("the first stream").read_to_end(&mut bytes).expect("the client sends");
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    let trailers = trailers.get().expect("it is ready").expect("the first time").expect("the client sends");
    (bytes, trailers)
}

/// Answers also what breaks off.
fn judge(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the first time");
    let is_whole = body.stream().expect("the first stream").read_to_end(&mut Vec::new()).is_ok();
    answer(out, if is_whole { 200 } else { 422 }, b"judged");
}

fn echo(request: IncomingRequest, out: ResponseOutparam) {
    let body = head(out, 200, &[]);
    {
        let incoming = request.consume().expect("the first time");
        let from = incoming.stream().expect("the first stream");
        let to = body.write().expect("the first stream");
        while let Ok(bytes) = from.blocking_read(64 << 10) {
            for piece in bytes.chunks(4096) {
                if to.blocking_write_and_flush(piece).is_err() {
                    return;
                }
            }
        }
    }
    OutgoingBody::finish(body, None).expect("nothing was said of its length");
}

fn large(out: ResponseOutparam, bytes: usize) {
    let body = head(out, 200, &[]);
    {
        let to = body.write().expect("the first stream");
        let piece = [b'x'; 4096];
        for written in 0..bytes / piece.len() {
            if to.blocking_write_and_flush(&piece).is_err() {
                println!("the client left after {written}");
                return;
            }
            println!("wrote {written}");
        }
    }
    OutgoingBody::finish(body, None).expect("nothing was said of its length");
}

/// Writes as much at a time as it may.
fn pieces(out: ResponseOutparam, bytes: usize) {
    let body = head(out, 200, &[]);
    {
        let to = body.write().expect("the first stream");
        let mut left = bytes;
        while left > 0 {
            to.subscribe().block();
            let may = to.check_write().expect("the client reads");
            let piece = left.min(usize::try_from(may).expect("it fits"));
            to.write(&vec![b'x'; piece]).expect("it may");
            left -= piece;
        }
    }
    OutgoingBody::finish(body, None).expect("nothing was said of its length");
}

/// Leaves a request to another place where it is, with some of its body sent, and answers.
fn unfinished(out: ResponseOutparam, authority: &str, fields: &[(&str, &str)]) {
    let request = OutgoingRequest::new(listed(fields));
    request.set_method(&Method::Post).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some("/")).expect("a path");
    let body = request.body().expect("the first body");
    std::mem::forget(wasip2::http::outgoing_handler::handle(request, None).expect("it is listed"));
    write(&body, b"the beginning");
    std::mem::forget(body);
    // Mostly it is connected by then, and has sent what it may.
    monotonic_clock::subscribe_duration(500_000_000).block();
    answer(out, 200, b"left");
}

fn trailers(request: IncomingRequest, out: ResponseOutparam) {
    let (bytes, given) = read(request);
    let given = given.map(|given| given.entries()).unwrap_or_default();
    let body = head(out, 200, &[("trailer", "x-bytes")]);
    write(&body, b"see the trailers");
    let mut fields = vec![("x-bytes".to_owned(), bytes.len().to_string().into_bytes())];
    fields.extend(given.into_iter().map(|(name, value)| (format!("{name}-back"), value)));
    let trailers: Trailers = Fields::from_list(&fields).expect("fields");
    OutgoingBody::finish(body, Some(trailers)).expect("nothing was said of its length");
}

/// Says that its answer has no body, or finishes it as well, and goes on.
fn empty(out: ResponseOutparam, status: &str, how: &str) {
    let status = status.parse().expect("a status");
    let body = head(out, status, if status == 200 { &[("content-length", "0")] } else { &[] });
    if how == "finish" {
        OutgoingBody::finish(body, None).expect("the length is right");
        monotonic_clock::subscribe_duration(1_500_000_000).block();
        return println!("went on");
    }
    // The head could be on its way by then.
    monotonic_clock::subscribe_duration(50_000_000).block();
    die(how);
    std::mem::forget(body);
}

/// Answers before it has read anything.
fn early(request: IncomingRequest, out: ResponseOutparam) {
    answer(out, 413, b"no, thanks");
    drop(request);
}

/// Answers after a while without reading anything.
fn late(out: ResponseOutparam) {
    monotonic_clock::subscribe_duration(100_000_000).block();
    answer(out, 200, b"late");
}

/// Leaves everything that it can where it is.
fn leak(request: IncomingRequest, out: ResponseOutparam) {
    let incoming = request.consume().expect("the first time");
    let stream = incoming.stream().expect("the first stream");
    std::mem::forget((stream.subscribe(), stream, incoming));
    std::mem::forget((request.headers(), request));
    std::mem::forget((Fields::new(), RequestOptions::new()));
    // Each is two things in the table of a host.
    (0..30).for_each(|_| std::mem::forget(monotonic_clock::subscribe_duration(1)));
    let asked = OutgoingRequest::new(Fields::new());
    let sent = asked.body().expect("the first body");
    std::mem::forget((sent.write(), sent, asked));
    let refused = wasip2::http::outgoing_handler::handle(OutgoingRequest::new(Fields::new()), None);
    std::mem::forget(refused.map(|answer| (answer.subscribe(), answer)));
    // Opened once, and kept from one request to the next.
    println!("leaves");
    answer(out, 200, b"left");
    let response = OutgoingResponse::new(Fields::new());
    std::mem::forget(response.body());
    std::mem::forget(response);
}

/// Finishes its answer, and then goes on for a while.
fn after(out: ResponseOutparam) {
    answer(out, 200, b"answered");
    monotonic_clock::subscribe_duration(200_000_000).block();
    println!("went on");
}

/// Says a length, gives as much, and does not finish.
fn length(out: ResponseOutparam) {
    let body = head(out, 200, &[("content-length", "5")]);
    write(&body, b"12345");
    die("trap");
}

/// Says a length, and gives more.
fn longer(out: ResponseOutparam) {
    let body = head(out, 200, &[("content-length", "5")]);
    // Either may be refused.
    if let Ok(mut stream) = body.write() {
        drop(stream.write_all(b"longer"));
        drop(stream.flush());
    }
    drop(OutgoingBody::finish(body, None));
}

fn die(how: &str) {
    match how {
        "panic" => panic!("as was asked"),
        "trap" => std::process::abort(),
        "exit" => std::process::exit(0),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => monotonic_clock::subscribe_duration(600_000_000_000).block(),
        _ => {}
    }
}
