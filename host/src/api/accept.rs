//! Connections: whom they are taken from, how many at a time, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::Instrument;

use super::place::Listening;

/// Connections at a time; more wait in the system's queue. Each call that a client waits for has one.
const MAX_CONNECTIONS: usize = 4_096;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to let be when the system has no more descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Serves connections until it is told to stop, and then for as long as it is given.
///
/// A sender that is dropped stops it at once.
pub(super) async fn run(listening: Listening<UnixListener>, router: &Router, mut stopped: oneshot::Receiver<Duration>) {
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let grace = loop {
        tokio::select! {
            biased;
            grace = &mut stopped => break grace.unwrap_or_default(),
            (stream, permit) = accept(&listening.listener, &room) => {
                let connection = connection(stream, router.clone(), closing.clone(), permit);
                connections.spawn(connection.instrument(tracing::debug_span!("control")));
            }
        }
    };
    drop(listening);
    closing.cancel();
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::debug!(connections = connections.len(), "connections are cut off");
    }
}

/// The next connection that there is room for and that comes from the right user.
async fn accept(listener: &UnixListener, room: &Arc<Semaphore>) -> (UnixStream, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, _)) if is_owner(&stream) => return (stream, permit),
            Ok(_) => tracing::warn!("a connection of another user was refused"),
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// The permissions of the socket say the same; they can be changed by mistake, and this cannot.
fn is_owner(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn connection(stream: UnixStream, router: Router, closing: CancellationToken, permit: OwnedSemaphorePermit) {
    let _permit = permit;
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request.map(Body::new)));
    // Hyper drops the service's future when the client hangs up before its answer: that cancels a call.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
