//! One connection: hyper, with our timers around it, until it ends by itself or the server does.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::heads::Heads;
use super::stage::{Stage, Stages};
use super::stream::Stream;
use super::timer::HeadTimer;
use super::{Options, WebService};

/// How long a drain waits for the first bytes of a connection, which may be on their way.
const FIRST_BYTES: Duration = Duration::from_millis(50);

/// What the connections of a server have in common.
#[derive(Clone)]
pub(super) struct Connections {
    service: WebService,
    options: Options,
    http: http1::Builder,
    stages: Arc<Stages>,
}

impl Connections {
    pub(super) fn new(service: WebService, options: Options, stages: Arc<Stages>) -> Self {
        let mut http = http1::Builder::new();
        http.keep_alive(true)
            .writev(true)
            .header_read_timeout(options.header_timeout)
            .max_header_size(options.max_header_bytes)
            // The whole of a head has to fit into it.
            .max_buf_size(options.max_header_bytes.max(8 << 10));
        if options.max_headers != Options::default().max_headers {
            // Hyper has room for its default on the stack, and asks for memory when told a number.
            http.max_headers(options.max_headers);
        }
        Self { service, options, http, stages }
    }

    /// Serves a connection to its end.
    pub(super) fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let Self { service, options, mut http, stages } = self.clone();
        let heads = Arc::new(Heads::default());
        http.timer(HeadTimer::new(heads.clone(), options.header_timeout, options.idle_timeout));
        let stream = TokioIo::new(Stream::new(stream, heads.clone(), options.write_timeout));
        // A count of this connection's own: that of the service is in the way of all that other threads do with it.
        let service = Arc::new(service);
        let asked = heads.clone();
        let answer = move |request: Request<Incoming>| {
            let (service, asked) = (service.clone(), asked.clone());
            asked.asked(&request);
            async move {
                let response = service.respond(request).await;
                asked.answered();
                Ok::<_, Infallible>(response)
            }
        };
        async move {
            let mut connection = pin!(http.serve_connection(stream, service_fn(answer)));
            let ended = until(connection.as_mut(), (&stages, Stage::Draining), &heads).await
                || read_what_has_come(connection.as_mut(), &heads).await
                || heads.read_bytes() == 0 && read_first(connection.as_mut(), &stages, &heads).await;
            if ended {
                return;
            }
            connection.as_mut().graceful_shutdown();
            if !until(connection, (&stages, Stage::Cut), &heads).await {
                heads.break_off();
            }
        }
    }
}

/// Runs a connection until it ends, which is true, or the server reaches `stage`.
async fn until<C>(mut connection: Pin<&mut C>, (stages, stage): (&Stages, Stage), heads: &Heads) -> bool
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut reached = pin!(stages.reached(stage));
    poll_fn(|cx| {
        if look(connection.as_mut(), cx, heads).is_ready() {
            return Poll::Ready(true);
        }
        reached.as_mut().poll(cx).map(|()| false)
    })
    .await
}

/// Lets hyper read a request that lay in the socket when the server began to drain. Each yield lets the runtime look at its
/// sockets once; the first one may have been under way before.
async fn read_what_has_come<C>(mut connection: Pin<&mut C>, heads: &Heads) -> bool
where
    C: Future<Output = hyper::Result<()>>,
{
    for _ in 0..2 {
        tokio::task::yield_now().await;
        if poll_fn(|cx| Poll::Ready(look(connection.as_mut(), cx, heads))).await.is_ready() {
            return true;
        }
    }
    false
}

/// Gives a connection that was just made a moment for the request it was made for.
async fn read_first<C>(connection: Pin<&mut C>, stages: &Stages, heads: &Heads) -> bool
where
    C: Future<Output = hyper::Result<()>>,
{
    tokio::time::timeout(FIRST_BYTES, until(connection, (stages, Stage::Cut), heads)).await == Ok(true)
}

/// Lets hyper look at what there is to do. Clients leave in many ways, none of which is ours to mend.
fn look<C>(connection: Pin<&mut C>, cx: &mut Context<'_>, heads: &Heads) -> Poll<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    heads.looks();
    connection.poll(cx).map(|ended| {
        if let Err(error) = ended {
            heads.break_off();
            tracing::debug!(%error, "a connection ended");
        }
    })
}
