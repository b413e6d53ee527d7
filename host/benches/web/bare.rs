//! A server of hyper and nothing else, that gives one answer: what a request costs at the least.
//!
//! Connections and runtime are set as those of `wasmhost serve`: `src/web/server/connection.rs` and `src/cli.rs`.

use std::convert::Infallible;
use std::io::BufRead as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

use super::Result;
use super::answer::Answer;

/// Serves the answer that standard input begins with, until standard input ends or it is told to.
pub(super) fn run() -> Result<()> {
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let answer: Answer = serde_json::from_str(&answer)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(31).enable_all().build()?;
    runtime.block_on(async {
        let (mut input, mut rest) = (tokio::io::stdin(), Vec::new());
        let mut told = signal(SignalKind::terminate())?;
        tokio::select! {
            served = serve(headers, answer.body.into()) => match served? {},
            ended = input.read_to_end(&mut rest) => ended.map(|_| ()).map_err(Into::into),
            _ = told.recv() => Ok(()),
        }
    })
}

async fn serve(headers: HeaderMap, body: Bytes) -> Result<Infallible> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let mut http = http1::Builder::new();
    http.keep_alive(true)
        .writev(true)
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .max_header_size(64 << 10)
        .max_buf_size(64 << 10);
    let tasks = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (headers, body) = (headers.clone(), body.clone());
        let answer = service_fn(move |_| {
            let mut response = Response::new(Full::new(body.clone()));
            *response.headers_mut() = headers.clone();
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), answer);
        tasks.spawn(async move {
            let _ = connection.await;
        });
    }
}
