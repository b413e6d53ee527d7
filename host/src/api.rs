//! The control API: what the owner of a server asks it, over a Unix socket, as JSON.
//!
//! ```text
//!  client ── DIR/control.sock ──▶ thread "wasmhost-control": accept ─▶ route ─┬─▶ apps, pools, metrics
//!                                                                             └─▶ call ── task on the calls' runtime
//! ```
//! The socket has a thread and a runtime of its own, so that guests who spin on the runtime of the calls cannot hold it
//! up; only the calls themselves run there. This module must not know what is printed where.

mod accept;
mod call;
pub mod place;
mod report;
mod respond;
mod routes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::service::Host;
pub(crate) use call::Members;
pub use place::Place;
use place::Taken;
pub(crate) use report::{AppReport, AppState, AppSummary, Apps, CallableClass, Pools};

/// The header that says which instance answered.
pub(crate) const INSTANCE_HEADER: &str = "wasmhost-instance";

/// What a control API needs besides its host.
#[derive(Clone)]
pub struct Options {
    /// Where the socket lies.
    pub place: Place,
    /// Says what the server is still busy with before it is ready, `building hello` for example; `None` once it is.
    pub phase: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Options {
    /// A server that is ready as soon as it runs.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, phase: Arc::new(|| None) }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What every handler has at hand.
struct Api {
    host: Host,
    /// The runtime that calls run on.
    calls: Handle,
    phase: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Set before the host itself drains: the web front comes first.
    draining: Arc<AtomicBool>,
}

impl Api {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire) || self.host.is_draining()
    }
}

/// A control API that listens. Dropped, it ends at once; see [`stop`](Self::stop).
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    draining: Arc<AtomicBool>,
    stop: oneshot::Sender<Duration>,
    /// Answers when the thread has ended, by being dropped with it.
    ended: oneshot::Receiver<()>,
}

impl Control {
    /// Takes its place, and serves the socket from a thread of its own. Calls run on `calls`.
    ///
    /// # Errors
    ///
    /// `conflict` when another server has the data directory, naming its process; `bad-request` when the path of the socket
    /// is too long; `forbidden` when others can write to the directory; an error of the file system otherwise.
    pub fn start(host: Host, calls: Handle, options: Options) -> Result<Self> {
        let taken = options.place.take()?;
        let socket = taken.socket().to_owned();
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let (ready, when_ready) = mpsc::sync_channel(1);
        let draining = Arc::<AtomicBool>::default();
        let api = Arc::new(Api { host, calls, phase: options.phase, draining: draining.clone() });
        let serve = move || {
            let _ending = ending;
            serve(api, taken, stopped, &ready);
        };
        let thread = std::thread::Builder::new().name("wasmhost-control".to_owned()).spawn(serve);
        thread.map_err(|error| Error::io("the thread of the control API", error))?;
        when_ready.recv().map_err(|_| Error::internal("the thread of the control API ended before it began"))??;
        Ok(Self { socket, draining, stop, ended })
    }

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Refuses calls from now on, and says so to whoever asks whether the server is ready.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Accepts no more connections, lets those with a request under way end within `grace`, cuts off the others and gives
    /// up its place. Returns when all of that is done.
    ///
    /// # Cancel safety
    ///
    /// It goes on when the future is dropped.
    pub async fn stop(self, grace: Duration) {
        // The thread is gone already if nobody listens.
        let _ = self.stop.send(grace);
        let _ = self.ended.await;
    }
}

/// The life of the thread. `ready` is told when the socket is served, or why it is not.
fn serve(api: Arc<Api>, mut taken: Taken, stopped: oneshot::Receiver<Duration>, ready: &mpsc::SyncSender<Result<()>>) {
    let what = "the runtime of the control API";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime.map_err(|error| Error::io(what, error)) {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let listening = match taken.listening() {
            Ok(listening) => listening,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let _ = ready.send(Ok(()));
        accept::run(listening, &routes::router(api), stopped).await;
    });
    // With the runtime go the connections that did not end in time, and with these the calls they wait for. The place is
    // given up last, so that the next server finds nothing of this one.
    drop(runtime);
    drop(taken);
}
