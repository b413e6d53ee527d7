//! An axum server with routes of its own, which calls the class of `examples/parameterized` from a handler and has the web
//! front of the host under a prefix.

use std::error::Error;
use std::path::Path as File;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wasmhost::{Class, Host};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let host = Host::builder().max_instances(100).build()?;
    let app = host.load(File::new(env!("CARGO_MANIFEST_DIR")).join("../parameterized")).await?;
    host.publish(&app);

    let router = Router::new()
        .route("/", get(about))
        .route("/pools/{foo}", get(ask))
        .with_state(app.class("my-class")?)
        .nest_service("/functions", host.web_service().root(app.name()));
    let listener = TcpListener::bind(address).await?;
    announce(&listener)?;
    axum::serve(listener, router).with_graceful_shutdown(told_to_end()?).await?;
    // After the last request: instances that are warm exit in order.
    host.shutdown().await;
    Ok(())
}

async fn about() -> &'static str {
    "/pools/{foo} asks the class from a handler, /functions/?foo=… through the web front\n"
}

/// The parameters of the class; what is left out takes the default of its manifest.
#[derive(Serialize)]
struct Parameters {
    foo: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bar: Option<i64>,
}

/// What a request may say beside its path.
#[derive(Deserialize)]
struct Asked {
    bar: Option<i64>,
    qux: String,
}

#[derive(Serialize)]
struct Told {
    said: String,
}

/// Calls a method with serde values. The instance stays warm for the next call with the same parameters, whether that comes
/// from here or through the web front.
async fn ask(State(class): State<Class>, Path(foo): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let pool = class.bind(&Parameters { foo, bar: asked.bar })?;
    let said = pool.call("baz", &(asked.qux,)).await?;
    Ok(Json(Told { said }))
}

type Answer = Result<Json<Told>, Failure>;

/// An error of the host as an answer. Its kind has a status; what the guest printed is for the log and not for a stranger.
struct Failure(wasmhost::Error);

impl From<wasmhost::Error> for Failure {
    fn from(error: wasmhost::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, format!("{}\n", self.0.message())).into_response()
    }
}

/// Waits for SIGTERM or SIGINT. Both are listened to from now on.
fn told_to_end() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[expect(clippy::print_stdout, reason = "where it listens is all that this program prints")]
fn announce(listener: &TcpListener) -> std::io::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    Ok(())
}
