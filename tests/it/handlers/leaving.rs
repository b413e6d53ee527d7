//! Clients that read slowly, or leave in the middle of an answer: guests are held back, and told.

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use wasmhost::{App, WebService};
use wasmhost_tests::{Printed, SOON};

use super::{Answer, call, get, post, read, serve, upload, wait_until};

/// The guests with a handler, in instances of their own and in shared ones.
const ALL: [(&str, &str); 3] =
    [("http", "reuse = true"), ("http-async", "reuse = true"), ("http-async", "reuse = true\nconcurrency = 4")];

/// Bytes that a guest writes at a time, and that may lie between it and its client.
const PIECE: usize = 4096;
const BETWEEN: usize = 128 << 10;

/// Times that everything else gets a turn: far more than a guest has pieces to write.
const TURNS: usize = 2000;

async fn asked(front: &WebService, path: &str) -> Answer {
    let request = Request::get(path).header("host", "a").body(Full::new(Bytes::new())).unwrap();
    tokio::time::timeout(SOON, call(front, request)).await.unwrap()
}

/// Lets the guest write as long as it may, and gives how many bytes it has written by then.
async fn written(printed: &Printed) -> usize {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    printed.texts().iter().filter(|line| line.starts_with("wrote ")).count() * PIECE
}

fn busy(app: &App) -> u64 {
    app.pools().iter().map(|pool| pool.instances.busy).sum()
}

#[tokio::test]
async fn a_slow_reader_holds_the_guest_back() {
    const BYTES: usize = 1 << 20;
    for (guest, settings) in ALL {
        let (host, _, front) = serve(guest, settings).await;
        let mut body = asked(&front, &format!("/large/{BYTES}")).await.into_body();
        let mut bytes_read = 0;
        loop {
            let ahead = written(&host.printed).await.saturating_sub(bytes_read);
            assert!(ahead <= BETWEEN, "{guest} {settings}: {ahead} bytes more than the {bytes_read} that were read");
            let Some(frame) = tokio::time::timeout(SOON, body.frame()).await.unwrap() else { break };
            bytes_read += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!((bytes_read, written(&host.printed).await), (BYTES, BYTES), "{guest} {settings}");
    }
}

#[tokio::test]
async fn a_slow_reader_does_not_keep_the_instance_of_a_guest_that_has_ended() {
    let (host, app, front) = serve("http-async", "reuse = true").await;
    for bytes in [2, 10, 16, 17, 40, 100].map(|pieces| pieces * PIECE) {
        host.printed.forget();
        let mut body = asked(&front, &format!("/large/{bytes}")).await.into_body();
        let mut bytes_read = 0;
        while written(&host.printed).await < bytes {
            bytes_read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        assert!(bytes_read < bytes, "all of it was read before it was written");
        wait_until(|| busy(&app) == 0).await;
        while let Some(frame) = body.frame().await {
            bytes_read += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(bytes_read, bytes);
    }
}

#[tokio::test]
async fn a_client_that_goes_after_the_head_leaves_a_warm_instance() {
    for (guest, settings) in ALL {
        let (host, app, front) = serve(guest, settings).await;
        let answer = asked(&front, "/large/1048576").await;
        let instance = answer.headers()["wasmhost-instance"].clone();
        assert!((1..BETWEEN).contains(&written(&host.printed).await), "{guest} {settings}");
        assert_eq!(busy(&app), 1, "{guest} {settings}");
        drop(answer);
        wait_until(|| busy(&app) == 0).await;
        assert!(
            host.printed.texts().iter().any(|line| line.starts_with("the client left after")),
            "{guest} {settings}"
        );
        let next = get(&front, "/count").await;
        assert_eq!((next.ok(), next.instance()), ("2", instance.to_str().unwrap()), "{guest} {settings}");
    }
}

#[tokio::test]
async fn a_guest_may_go_on_after_its_answer_and_no_longer_than_a_second_for_nobody() {
    let (host, app, front) = serve("http", "reuse = true").await;
    assert_eq!(get(&front, "/after").await.ok(), "answered");
    wait_until(|| app.pools().iter().all(|pool| pool.instances.idle == 1)).await;
    assert_eq!(host.printed.texts(), ["went on"]);
    for (guest, settings) in &ALL[..2] {
        let (_host, app, front) = serve(guest, settings).await;
        drop(asked(&front, "/die/sleep/after").await);
        wait_until(|| busy(&app) == 0).await;
        assert_eq!(get(&front, "/count").await.ok(), "1", "{guest} {settings}: that instance is gone");
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_shared_instance_gives_its_slot_back_and_takes_nobody_along() {
    // The second guest notices nothing: it does not write.
    for path in ["/large/1048576", "/die/sleep/after"] {
        let (host, app, front) = serve("http-async", "reuse = true\nconcurrency = 4").await;
        let (beside, body) = upload();
        let mut answer = call(&front, post("/echo", body)).await;
        let mut goes_on = async |piece: &'static str| {
            beside.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
            let frame = tokio::time::timeout(SOON, answer.body_mut().frame()).await.unwrap().unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece, "{path}");
        };
        goes_on("before").await;
        drop(asked(&front, path).await);
        if path.starts_with("/large") {
            wait_until(|| host.printed.texts().iter().any(|line| line.starts_with("the client left after"))).await;
        }
        written(&host.printed).await;
        goes_on("after").await;
        // Three of its four slots are free.
        let mut open = Vec::new();
        for instances in [1, 1, 1, 2] {
            let (sender, body) = upload();
            open.push((sender, call(&front, post("/echo", body)).await));
            let starts: u64 = app.pools().iter().map(|pool| pool.starts).sum();
            assert_eq!(starts, instances, "{path}: {} beside it", open.len());
        }
        goes_on("at last").await;
        drop(beside);
        assert!(read(answer).await.is_whole, "{path}");
    }
}
