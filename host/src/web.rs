//! The web front: requests to the methods of published apps, as a tower service and as a server.
//!
//! ```text
//!  request ─ host, path ─▶ table ─▶ class, route ─ captures, query, body ─▶ inputs ─▶ Class::answer ─▶ response
//! ```
//! It must not know instances or pools: it asks the service for an answer. What depends on the apps alone is worked out once
//! for each change of them, in [`table`].

mod authority;
mod body;
mod cors;
mod decode;
mod handler;
mod negotiate;
mod pages;
mod readiness;
mod request;
mod respond;
mod routes;
mod server;
mod table;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use http::{Request, Response};
use http_body::Body as HttpBody;

use crate::service::{Follower, Host};
use table::{Layout, Table};

pub use body::Body;
pub(crate) use readiness::{Phase, Readiness, not_ready};
pub(crate) use server::{Options, Server};

/// The published apps of a host as a [`tower_service::Service`]: cheap to clone, always ready, never failing.
///
/// Requests are matched by host, `{app}--{class}.localhost` or `{app}.localhost`, else by path, `/{app}/{class}/…`. A class
/// answers where a method has a `web` route. Answers to calls carry `wasmhost-instance`, the number of the instance.
///
/// ```no_run
/// # async fn demo() -> wasmhost::Result<()> {
/// let host = wasmhost::Host::builder().build()?;
/// host.publish(&host.load("examples/parameterized").await?);
/// let front = host.web_service().domain("example.org").root("parameterized");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebService {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    host: Host,
    domains: Vec<Box<str>>,
    layout: Layout,
    body_timeout: Duration,
    readiness: Readiness,
    table: Arc<CurrentTable>,
}

/// What is served now, as far as it was worked out.
#[derive(Default)]
struct CurrentTable(ArcSwap<Table>);

impl Follower for CurrentTable {
    /// Lets go of apps that were taken away; the next request works the table out anew.
    fn apps_changed(&self) {
        self.0.store(Arc::default());
    }
}

impl Host {
    /// Makes the web front of this host's published apps.
    #[must_use]
    pub fn web_service(&self) -> WebService {
        let shared = Shared {
            host: self.clone(),
            domains: vec!["localhost".into()],
            layout: Layout::default(),
            body_timeout: Duration::from_secs(30),
            readiness: Readiness::default(),
            table: Arc::default(),
        };
        shared.follow_apps();
        WebService { shared: Arc::new(shared) }
    }
}

impl WebService {
    /// Answers hosts below this domain too, as in `{app}.example.org`. Default: those below `localhost` alone.
    #[must_use]
    pub fn domain(self, domain: impl AsRef<str>) -> Self {
        let domain = domain.as_ref().trim_matches('.').to_ascii_lowercase();
        self.with(|shared| shared.domains.push(domain.into()))
    }

    /// Lets this app answer at `/`, at every host that names no other. Default: none.
    #[must_use]
    pub fn root(self, app: impl Into<String>) -> Self {
        self.with(|shared| shared.layout.root = Some(app.into().into()))
    }

    /// Lets every method answer `POST /{method}` of its class, after the routes. Default: false, since a method without a
    /// route was not meant for the world.
    ///
    /// Web pages are answered with `forbidden` there, but those of origins that the class's `cors` lists, and those of the very
    /// origin that they ask, if its host is an address, `localhost`, or one of or below the [`domain`](Self::domain)s: any
    /// other name can be made to lead here by whoever has it.
    #[must_use]
    pub fn expose_methods(self, expose: bool) -> Self {
        self.with(|shared| shared.layout.exposes_methods = expose)
    }

    /// Sets how long a client may take to send a whole body of parameters and arguments. Default 30 s.
    #[must_use]
    pub fn body_timeout(self, timeout: Duration) -> Self {
        self.with(|shared| shared.body_timeout = timeout)
    }

    /// Says which apps are about to be served: until then requests for them are told so.
    pub(crate) fn readiness(self, readiness: Readiness) -> Self {
        self.with(|shared| shared.readiness = readiness)
    }

    /// The class that answers at the own host name of a published app.
    #[cfg(feature = "cli")]
    pub(crate) fn own_class(&self, app: &str) -> Option<String> {
        self.shared.table().own_class(app).map(str::to_owned)
    }

    /// Answers a request, without a box around it.
    pub(crate) async fn respond<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        request::respond(&self.shared, request).await
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        // What was worked out for the settings before is theirs.
        shared.table = Arc::default();
        change(shared);
        shared.follow_apps();
        self
    }
}

impl Shared {
    fn follow_apps(&self) {
        let table: Weak<CurrentTable> = Arc::downgrade(&self.table);
        self.host.follow_apps(table);
        self.rebuild(self.host.apps_generation());
    }

    /// What is served now.
    fn table(&self) -> Guard<Arc<Table>> {
        let generation = self.host.apps_generation();
        let table = self.table.0.load();
        if table.generation == generation { table } else { self.rebuild(generation) }
    }

    /// Works the table out anew. `generation` was read before the apps are, so that no change of them is lost.
    #[cold]
    fn rebuild(&self, generation: u64) -> Guard<Arc<Table>> {
        let table = Arc::new(Table::new(generation, &self.host.apps(), &self.layout));
        self.table.0.rcu(|current| if current.generation <= generation { table.clone() } else { current.clone() });
        if self.host.apps_generation() != generation {
            // They changed meanwhile, perhaps before this table was there to be let go of.
            self.table.apps_changed();
        }
        Guard::from_inner(table)
    }
}

impl fmt::Debug for WebService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { domains, layout, body_timeout, readiness, .. } = &*self.shared;
        f.debug_struct("WebService")
            .field("domains", domains)
            .field("layout", layout)
            .field("body_timeout", body_timeout)
            .field("readiness", readiness)
            .finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<Request<B>> for WebService
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let service = self.clone();
        ResponseFuture(Box::pin(async move { service.respond(request).await }))
    }
}

/// The answer of a [`WebService`] to be. Dropping it cancels the call.
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Response<Body>> + Send>>);

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_that_were_taken_away_are_let_go_of_without_a_request() {
        let current = CurrentTable::default();
        let table = Arc::new(Table::new(1, &std::collections::BTreeMap::new(), &Layout::default()));
        let held = Arc::downgrade(&table);
        current.0.store(table);
        current.apps_changed();
        assert!(held.upgrade().is_none());
    }
}
