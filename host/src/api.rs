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

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::service::{App, Host, unknown};
use crate::web::not_ready;
pub(crate) use call::Members;
pub use place::Place;
use place::Taken;
pub(crate) use report::{AppReport, AppState, Apps, CallableClass, Pools};

/// The header that says which instance answered.
pub(crate) const INSTANCE_HEADER: &str = "wasmhost-instance";

/// What a control API needs besides its host.
#[derive(Clone)]
pub struct Options {
    /// Where the socket lies.
    pub place: Place,
    /// Says which apps are not there yet, and what each waits for, `building` for example.
    pub phases: Phases,
}

/// What each app waits for that is not there yet.
pub type Phases = Arc<dyn Fn() -> BTreeMap<String, &'static str> + Send + Sync>;

impl Options {
    /// A server that is ready as soon as it runs.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, phases: Arc::new(BTreeMap::new) }
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
    phases: Phases,
    drain: Arc<Drain>,
}

/// How far the end of the server is.
#[derive(Debug, Default)]
struct Drain {
    /// It is no longer ready, and takes calls all the same.
    announced: AtomicBool,
    /// It takes no more calls. Set before the host itself drains: the web front comes first.
    begun: AtomicBool,
}

impl Api {
    /// Whether calls are refused.
    fn is_draining(&self) -> bool {
        self.drain.begun.load(Ordering::Acquire) || self.host.is_draining()
    }

    /// What keeps the server from being ready, if anything does.
    fn phase(&self) -> Option<String> {
        if self.is_draining() || self.drain.announced.load(Ordering::Acquire) {
            return Some("draining".to_owned());
        }
        let phases = (self.phases)();
        let (app, phase) = phases.first_key_value()?;
        Some(format!("{phase} {app}"))
    }

    /// Finds an app.
    ///
    /// # Errors
    ///
    /// `starting` for one that is not there yet; `not-found`, naming the nearest apps, those included.
    fn app(&self, name: &str) -> Result<App> {
        // Asked first: an app is published before it has no phase any longer.
        let phases = (self.phases)();
        self.host.app(name).map_err(|error| match phases.get(name) {
            Some(phase) => not_ready(name, phase),
            None if phases.is_empty() => error,
            None => {
                let known: Vec<_> = self.host.apps().keys().chain(phases.keys()).cloned().collect();
                unknown(format!("there is no app `{name}`"), name, &known, "apps")
            }
        })
    }
}

/// A control API that listens. Dropped, it ends at once; see [`stop`](Self::stop).
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    drain: Arc<Drain>,
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
        let drain = Arc::<Drain>::default();
        let api = Arc::new(Api { host, calls, phases: options.phases, drain: drain.clone() });
        let serve = move || {
            let _ending = ending;
            serve(api, taken, stopped, &ready);
        };
        let thread = std::thread::Builder::new().name("wasmhost-control".to_owned()).spawn(serve);
        thread.map_err(|error| Error::io("the thread of the control API", error))?;
        when_ready.recv().map_err(|_| Error::internal("the thread of the control API ended before it began"))??;
        Ok(Self { socket, drain, stop, ended })
    }

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Tells whoever asks from now on that the server is not ready, because it is about to end.
    pub fn announce_drain(&self) {
        self.drain.announced.store(true, Ordering::Release);
    }

    /// Refuses calls from now on, and says so to whoever asks whether the server is ready.
    pub fn begin_drain(&self) {
        self.drain.begun.store(true, Ordering::Release);
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
