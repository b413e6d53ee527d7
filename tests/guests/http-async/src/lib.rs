//! Serves the promises about web handlers of WASI 0.3: what they see, bodies both ways, and every way to end.

use std::sync::atomic::{AtomicU32, Ordering};

use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, RequestOptions, Response, Scheme};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wasip3::http::service::export!(Component);

struct Component;

static REQUESTS: AtomicU32 = AtomicU32::new(0);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let requests = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        Ok(match parts[..] {
            ["count"] => answer(200, requests.to_string().into_bytes()),
            ["request"] => answer(200, described(&request, &target).into_bytes()),
            ["echo"] => echo(request),
            ["pass"] => pass(request),
            ["relay", authority] => return relay(request, authority).await,
            ["whole"] => answer(200, read(request).await.0),
            ["status", code] => answer(code.parse().expect("a status"), Vec::new()),
            ["trailers"] => trailers(request).await,
            ["empty", status, how] => empty(status, how.to_owned()),
            ["leak"] => leak(request),
            ["early"] => answer(413, b"no, thanks".to_vec()),
            ["longer"] => of_length(b"5", b"longer".to_vec()),
            ["large", bytes] => large(bytes.parse().expect("a number of bytes")),
            ["late"] => {
                monotonic_clock::wait_for(100_000_000).await;
                answer(200, b"late".to_vec())
            }
            ["pieces", bytes] => answer(200, vec![b'x'; bytes.parse().expect("a number of bytes")]),
            ["fail", text] => return Err(ErrorCode::InternalError(Some(text.to_owned()))),
            ["refuse"] => return Err(ErrorCode::HttpRequestDenied),
            ["die", how, "before"] => {
                die(how).await;
                return Err(ErrorCode::InternalError(None));
            }
            ["die", how, "after"] => dying(how.to_owned()),
            _ => answer(404, b"no such path".to_vec()),
        })
    }
}

fn described(request: &Request, target: &str) -> String {
    let authority = request.get_authority().unwrap_or_default();
    let mut lines = format!("{:?} {target}\n{authority}\n", request.get_method());
    for (name, value) in request.get_headers().copy_all() {
        lines += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    lines
}

/// An answer whose body is written by a task of its own.
fn answer(status: u16, bytes: Vec<u8>) -> Response {
    let response = with_head(Fields::new(), bytes);
    response.set_status_code(status).expect("a status");
    response
}

/// One that says its length.
fn of_length(length: &[u8], bytes: Vec<u8>) -> Response {
    let fields = [("content-length".to_owned(), length.to_vec())];
    with_head(Fields::from_list(&fields).expect("fields"), bytes)
}

fn with_head(fields: Fields, bytes: Vec<u8>) -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(fields, Some(reader), no_trailers);
    wit_bindgen::spawn_local(async move {
        body.write_all(bytes).await;
    });
    response
}

async fn read(request: Request) -> (Vec<u8>, Option<Fields>) {
    let (done, is_done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, is_done);
    let bytes = body.collect().await;
    drop(done);
    (bytes, trailers.await.expect("the client sends"))
}

/// Gives the body of the request back as it is, and takes no part in it.
fn pass(request: Request) -> Response {
    let (done, is_done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, is_done);
    drop(done);
    Response::new(Fields::new(), Some(body), trailers).0
}

/// Asks another server the same, and gives the body of its answer back as it is. It takes no part in either body.
async fn relay(request: Request, authority: &str) -> Result<Response, ErrorCode> {
    let method = request.get_method();
    let (done, is_done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, is_done);
    drop(done);
    let (to, _sent) = Request::new(Fields::new(), Some(body), trailers, None);
    to.set_method(&method).expect("a method");
    to.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    to.set_authority(Some(authority)).expect("an authority");
    to.set_path_with_query(Some("/")).expect("a path");
    let from = client::send(to).await?;
    let (done, is_done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(from, is_done);
    drop(done);
    Ok(Response::new(Fields::new(), Some(body), trailers).0)
}

/// Writes piece by piece, and says how far it came.
fn large(bytes: usize) -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(Fields::new(), Some(reader), no_trailers);
    wit_bindgen::spawn_local(async move {
        let piece = vec![b'x'; 4096];
        for written in 0..bytes / piece.len() {
            if !body.write_all(piece.clone()).await.is_empty() {
                println!("the client left after {written}");
                return;
            }
            println!("wrote {written}");
        }
    });
    response
}

fn echo(request: Request) -> Response {
    let (done, is_done) = wit_future::new(|| Ok(()));
    let (mut from, _trailers) = Request::consume_body(request, is_done);
    let (mut to, reader) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(Fields::new(), Some(reader), no_trailers);
    wit_bindgen::spawn_local(async move {
        let mut buffer = Vec::with_capacity(64 << 10);
        loop {
            let (result, read) = from.read(buffer).await;
            if read.is_empty() && !matches!(result, wit_bindgen::StreamResult::Complete(_)) {
                break;
            }
            buffer = to.write_all(read).await;
            if !buffer.is_empty() {
                break;
            }
        }
        drop(done);
    });
    response
}

async fn trailers(request: Request) -> Response {
    let (bytes, given) = read(request).await;
    let mut fields = vec![("x-bytes".to_owned(), bytes.len().to_string().into_bytes())];
    let given = given.map(|given| given.copy_all()).unwrap_or_default();
    fields.extend(given.into_iter().map(|(name, value)| (format!("{name}-back"), value)));
    let (mut body, reader) = wit_stream::new();
    let (trailers, is_trailers) = wit_future::new(|| Ok(None));
    let head = Fields::from_list(&[("trailer".to_owned(), b"x-bytes".to_vec())]).expect("fields");
    let (response, _sent) = Response::new(head, Some(reader), is_trailers);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"see the trailers".to_vec()).await;
        drop(body);
        // Whoever asked may be gone.
        drop(trailers.write(Ok(Some(Fields::from_list(&fields).expect("fields")))).await);
    });
    response
}

/// An answer whose writer dies after its beginning.
fn dying(how: String) -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), no_trailers);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"the beginning".to_vec()).await;
        die(&how).await;
        // Neither is ended, nor is the end of either told.
        std::mem::forget((body, trailers));
    });
    response
}

/// Says that its answer has no body, or ends it as well, and goes on.
fn empty(status: &str, how: String) -> Response {
    let status = status.parse().expect("a status");
    let (body, reader) = wit_stream::new::<u8>();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let fields = if status == 200 { vec![("content-length".to_owned(), b"0".to_vec())] } else { Vec::new() };
    let (response, _sent) = Response::new(Fields::from_list(&fields).expect("fields"), Some(reader), no_trailers);
    response.set_status_code(status).expect("a status");
    wit_bindgen::spawn_local(async move {
        if how == "finish" {
            drop((body, trailers));
            monotonic_clock::wait_for(1_500_000_000).await;
            return println!("went on");
        }
        // The head could be on its way by then.
        monotonic_clock::wait_for(50_000_000).await;
        die(&how).await;
        // Neither is ended, nor is the end of either told.
        std::mem::forget((body, trailers));
    });
    response
}

/// Leaves everything that it can where it is.
fn leak(request: Request) -> Response {
    std::mem::forget((request.get_headers(), request));
    std::mem::forget((Fields::new(), RequestOptions::new()));
    println!("leaves");
    answer(200, b"left".to_vec())
}

async fn die(how: &str) {
    match how {
        "panic" => panic!("as was asked"),
        "trap" => std::process::abort(),
        "exit" => std::process::exit(0),
        "spin" => loop {
            std::hint::spin_loop();
        },
        // For so long it lets nobody else have the instance.
        "late" => {
            let begin = monotonic_clock::now();
            while monotonic_clock::now() < begin + 2_000_000_000 {}
            std::process::abort();
        }
        "sleep" => monotonic_clock::wait_for(600_000_000_000).await,
        _ => {}
    }
}
