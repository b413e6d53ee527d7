//! `wasmhost serve`: apps answer over HTTP until a signal ends it.
//!
//! ```text
//!  bind ─▶ answer 503 ─▶ per source: build, load, publish ─▶ print what is served
//!         ─▶ signal ─▶ not ready, the delay ─▶ drain ─▶ exits
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::args::ServeArgs;
use super::interrupts::Interrupts;
use super::listing::Served;
use super::terminal::{self, Outcome, say, with_patience};
use super::watch::Watcher;
use super::{build, context};
use crate::api::{self, Control, Place};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Host, Source};
use crate::web::{Options, Phase, Readiness, Server, WebService};

/// How long a drain may take before a line says what it waits for.
const DRAIN_PATIENCE: Duration = Duration::from_millis(200);

/// How long answers over the control socket may take once all calls are over.
const CONTROL_GRACE: Duration = Duration::from_millis(500);

pub(super) async fn serve(args: Box<ServeArgs>) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    check_exposure(&args)?;
    let sources = sources(&args.sources)?;
    let serving = Serving::start(&args, &sources).await?;
    let loaded = tokio::select! {
        biased;
        _ = interrupts.next_code() => None,
        loaded = serving.load(&sources, &args) => Some(loaded),
    };
    let mut watcher = match loaded {
        None => return Ok(end(&mut interrupts, serving).await),
        Some(Ok(watcher)) => watcher,
        Some(Err(error)) => {
            end(&mut interrupts, serving).await;
            return Err(error.into());
        }
    };
    let watching = async {
        match &mut watcher {
            Some(watcher) => {
                let list = |app: &App| serving.served(&args, std::slice::from_ref(app)).to_text();
                watcher.run(&serving.host, list).await
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = interrupts.next_code() => {}
        never = watching => match never {},
    }
    Ok(end(&mut interrupts, serving).await)
}

/// Drains, unless another signal comes, which ends the program as it ends others. One that comes in the delay before ends
/// only that.
async fn end(interrupts: &mut Interrupts, serving: Serving) -> ExitCode {
    let delay = serving.announce_drain();
    if !delay.is_zero() {
        say(&format!("shutting down in {delay:?}, no longer ready; again to do so now"));
        tokio::select! {
            biased;
            _ = interrupts.next_code() => {}
            () = tokio::time::sleep(delay) => {}
        }
    }
    tokio::select! {
        biased;
        code = interrupts.next_code() => ExitCode::from(code),
        () = serving.drain() => ExitCode::SUCCESS,
    }
}

/// A server with its host.
struct Serving {
    host: Host,
    front: WebService,
    server: Server,
    readiness: Readiness,
    control: Option<Control>,
    address: SocketAddr,
    drain_delay: Duration,
    drain_timeout: Duration,
}

impl Serving {
    /// Binds the port and answers that the apps are not there yet. Whoever asks at once gets an answer, and a port that is
    /// taken is found before minutes of building.
    async fn start(args: &ServeArgs, sources: &[Source]) -> Result<Self, Error> {
        let builder = args.limits.apply(Host::builder().drain_timeout(args.drain_timeout));
        let host = context::configured(&args.cache, &args.permissions, &args.preparing, builder)?;
        let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args.listen, error))?;
        let address = listener.local_addr().map_err(|error| cannot_listen(args.listen, error))?;
        let readiness = Readiness::default();
        for source in sources {
            readiness.set(source.name(), Phase::Waiting);
        }
        let front = front(&host, args, sources).readiness(readiness.clone());
        let options = Options { header_timeout: args.header_timeout, ..Options::default() };
        let control = control(&host, args, &readiness)?;
        let server = Server::start(listener, front.clone(), options);
        say(&format!("listening on http://{address}"));
        if let Some(control) = &control {
            say(&format!("control socket {}", control.socket().display()));
        }
        let ServeArgs { drain_delay, drain_timeout, .. } = *args;
        Ok(Self { host, front, server, readiness, control, address, drain_delay, drain_timeout })
    }

    /// Makes all apps answer and says how they can be reached. Gives what watches them, if they are to be watched.
    async fn load(&self, sources: &[Source], args: &ServeArgs) -> Result<Option<Watcher>, Error> {
        // Before the first build, so that no change after it is missed.
        let mut watcher = match args.watch {
            true => Some(Watcher::new(sources, !args.no_build).await?),
            false => None,
        };
        let mut apps = Vec::with_capacity(sources.len());
        for source in sources {
            self.build_one(source, args).await?;
            if let Some(watcher) = &mut watcher {
                watcher.loads(source.name()).await?;
            }
            apps.push(self.load_one(source).await?);
        }
        let served = self.served(args, &apps);
        if args.json {
            terminal::print(format!("{}\n", served.to_json()).as_bytes())?;
        }
        say(served.to_text().trim_end());
        Ok(watcher)
    }

    /// What there is to say of these apps.
    fn served<'a>(&'a self, args: &'a ServeArgs, apps: &'a [App]) -> Served<'a> {
        let is_only = args.sources.len() == 1;
        Served { address: self.address, domains: &args.domain, front: &self.front, apps, is_only }
    }

    async fn build_one(&self, source: &Source, args: &ServeArgs) -> Result<(), Error> {
        if args.no_build {
            return Ok(());
        }
        self.readiness.set(source.name(), Phase::Building);
        build::build(source).await
    }

    async fn load_one(&self, source: &Source) -> Result<App, Error> {
        let name = source.name();
        self.readiness.set(name, Phase::Compiling);
        let loading = format!("loading {}", source.path().display());
        let app = with_patience(&loading, self.host.load_source(source.clone())).await?;
        self.host.publish(&app);
        self.readiness.clear(name);
        Ok(app)
    }

    /// Says that the server is no longer ready, to whoever asks, and for how long it should go on so that they do. Nobody was
    /// sent to one that was not ready yet.
    fn announce_drain(&self) -> Duration {
        self.readiness.drain();
        if let Some(control) = &self.control {
            control.announce_drain();
        }
        if self.readiness.phases().is_empty() { self.drain_delay } else { Duration::ZERO }
    }

    /// Ends in order: no new requests, those that run end, instances exit.
    async fn drain(mut self) {
        let deadline = Instant::now() + self.drain_timeout;
        if let Some(control) = &self.control {
            control.begin_drain();
        }
        self.server.begin_drain();
        let mut drained = std::pin::pin!(self.server.drain(self.drain_timeout));
        let cut = match tokio::time::timeout(DRAIN_PATIENCE, &mut drained).await {
            Ok(cut) => cut,
            Err(_) => {
                let requests = counted(self.server.connections(), "request");
                say(&format!("draining: {requests}, for at most {:?}; again to leave at once", self.drain_timeout));
                drained.await
            }
        };
        if cut > 0 {
            say(&format!("{} cut off after {:?}", counted(cut, "request"), self.drain_timeout));
        }
        // Calls that came over the control socket have what is left of the time.
        self.host.shutdown_within(deadline.saturating_duration_since(Instant::now())).await;
        if let Some(control) = self.control.take() {
            control.stop(CONTROL_GRACE).await;
        }
        terminal::flush_guest_lines();
    }
}

/// The control API. Without a directory of the server's own it is a convenience, and a machine that has no place for its
/// socket serves all the same.
fn control(host: &Host, args: &ServeArgs, readiness: &Readiness) -> Result<Option<Control>, Error> {
    let readiness = readiness.clone();
    let started = Place::of(args.data_dir.as_deref()).and_then(|place| {
        let options = api::Options { place, phases: Arc::new(move || readiness.phases()) };
        Control::start(host.clone(), Handle::current(), options)
    });
    match started {
        Ok(control) => Ok(Some(control)),
        Err(error) if args.data_dir.is_some() => Err(error),
        Err(error) => {
            say(&format!("warning: {error}; `wasmhost call` and `wasmhost ps` will not find this server"));
            Ok(None)
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn front(host: &Host, args: &ServeArgs, sources: &[Source]) -> WebService {
    let mut front = host.web_service().expose_methods(args.expose_methods).body_timeout(args.body_timeout);
    for domain in &args.domain {
        front = front.domain(domain);
    }
    match sources {
        [only] => front.root(only.name()),
        _ => front,
    }
}

/// Methods without a route were not meant for the world.
fn check_exposure(args: &ServeArgs) -> Result<(), Error> {
    if args.expose_methods && !args.listen.ip().is_loopback() {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!(
                "`--expose-methods` lets whoever reaches `{}` call every method; it goes with a loopback address, such as \
                 `--listen 127.0.0.1:{}`",
                args.listen,
                args.listen.port()
            ),
        ));
    }
    Ok(())
}

/// Opens all sources, each app once.
fn sources(paths: &[String]) -> Result<Vec<Source>, Error> {
    let mut sources: Vec<Source> = Vec::with_capacity(paths.len());
    for path in paths {
        let source = context::source(path)?;
        if let Some(other) = sources.iter().find(|other| other.name() == source.name()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "two apps are named `{}`: `{}` and `{}`; change `name` in one of them",
                    source.name(),
                    other.path().display(),
                    source.path().display()
                ),
            ));
        }
        sources.push(source);
    }
    Ok(sources)
}

fn cannot_listen(address: SocketAddr, error: std::io::Error) -> Error {
    let what = format!("listening on `{address}`");
    match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::new(ErrorKind::Conflict, format!("{what}: {error}"))
            .hint("`--listen` takes another address, with port 0 a free one"),
        std::io::ErrorKind::AddrNotAvailable => Error::bad_request(format!("{what}: {error}")),
        _ => Error::io(what, error),
    }
}
