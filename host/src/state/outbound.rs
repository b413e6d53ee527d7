//! The way out: which hosts the guests of a class may reach, and what one instance has tried.
//!
//! ```text
//! wasi:http ───▶ http ◀▶ pool ──┐                      ┌─▶ policy: is it listed, may it have this address?
//! wasi:sockets lookup ▶ lookup ┼─▶ Reach ─▶ Outbound ─┤
//! wasi:sockets TCP ────────────┘                      └─▶ Network: names, certificates
//! ```
//! The host resolves names itself, and connects to an address that it has checked: what the name resolves to a moment later
//! changes nothing. Nobody listens, and there are no datagrams.

#[cfg(feature = "http")]
mod body;
mod create;
#[cfg(feature = "http")]
mod http;
mod lookup;
mod policy;
#[cfg(feature = "http")]
mod pool;
#[cfg(feature = "http")]
mod target;
#[cfg(feature = "http")]
mod tls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime_wasi::sockets::SocketAddrUse;

use wasmtime::component::Linker;

use super::State;
use super::output::Output;
use crate::engine::EngineKind;
use crate::error::{Error, Result};
use crate::manifest::{Destination, canonical};
use policy::{Grant, LOCALHOST, Policy, Verdict, is_below, is_localhost, is_own};

#[cfg(feature = "http")]
pub(super) use http::HttpReach;

/// How long a name may take to be resolved: longer than resolvers try, with one server of two that is silent.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Names that the guests of a class have resolved at once; each takes a thread.
const MAX_LOOKUPS: usize = 8;

/// Addresses of one name that an instance may connect to, the latest. Names with more at once are rare.
const MAX_ADDRESSES: usize = 64;

/// Addresses of names below a listed one that an instance may connect to, the latest: it looks up what names it likes.
const MAX_BELOW: usize = 256;

/// Destinations that an instance is told to be refused of; a guest that tries more is looking for something.
const MAX_TOLD: usize = 32;

/// Links what stands between guests and the sockets of wasmtime, which are linked already.
///
/// # Errors
///
/// When something cannot be defined, which no input can cause.
pub(crate) fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    lookup::link(linker, kind)?;
    create::link(linker, kind)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Resolves a name; it may block.
pub(crate) type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// What the classes of a host have in common: how names are resolved, and which certificates are trusted.
#[derive(Clone)]
pub(crate) struct Network {
    resolve: Arc<Resolve>,
    #[cfg(feature = "http")]
    roots: Arc<tls::Roots>,
    /// Where the host itself listens, and no guest may connect, whatever is listed.
    own: Arc<[SocketAddr]>,
}

impl Network {
    /// With a resolver in place of the machine's, certificates that are trusted beside the machine's, and listeners of the
    /// host's own.
    ///
    /// # Errors
    ///
    /// `bad-request` for bytes that are no certificate.
    pub(crate) fn new(
        resolve: Option<Arc<Resolve>>,
        #[cfg_attr(not(feature = "http"), expect(unused_variables, reason = "only `wasi:http` has TLS"))] roots: Vec<
            Vec<u8>,
        >,
        own: Vec<SocketAddr>,
    ) -> Result<Self> {
        Ok(Self {
            resolve: resolve.unwrap_or_else(|| Arc::new(system_resolver)),
            #[cfg(feature = "http")]
            roots: Arc::new(tls::Roots::new(roots)?),
            own: own.into(),
        })
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            resolve: Arc::new(system_resolver),
            #[cfg(feature = "http")]
            roots: Arc::default(),
            own: Arc::default(),
        }
    }
}

fn system_resolver(name: &str) -> io::Result<Vec<IpAddr>> {
    use std::net::ToSocketAddrs as _;
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// Where the guests of one class may connect to. By default, nowhere.
#[derive(Default)]
pub(crate) struct Outbound {
    policy: Policy,
    network: Network,
    #[cfg(feature = "http")]
    tls: tls::Connector,
    #[cfg(feature = "http")]
    pool: pool::Pool,
    lookups: Lookups,
}

struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Outbound").field(&self.destinations()).finish()
    }
}

impl Outbound {
    /// Allows these destinations, in the words of `allow-outbound`.
    ///
    /// # Errors
    ///
    /// `bad-request` for a text that names no destination.
    pub(crate) fn new<'a>(destinations: impl IntoIterator<Item = &'a str>, network: &Network) -> Result<Self> {
        let destinations = destinations.into_iter().map(|text| {
            text.parse::<Destination>().map_err(|error| Error::bad_request(format!("`allow-outbound`: {error}")))
        });
        let destinations: Vec<_> = destinations.collect::<Result<_>>()?;
        Ok(Self { policy: Policy::new(&destinations), network: network.clone(), ..Self::default() })
    }

    /// What is allowed, in the words of `allow-outbound`.
    pub(crate) fn destinations(&self) -> Vec<String> {
        self.policy.destinations().map(ToString::to_string).collect()
    }

    /// Whether guests may have sockets.
    pub(super) fn has_tcp(&self) -> bool {
        self.policy.has_tcp()
    }

    /// Whether a host that was listed so may have this address, at this port.
    #[cfg(feature = "http")]
    fn admits(&self, grant: Grant, address: IpAddr, port: u16) -> bool {
        grant.admits(address) && !is_own(&self.network.own, address, port)
    }

    /// The addresses that a name has now, those that it may have.
    async fn admitted(&self, name: &str, grant: Grant) -> Result<Vec<IpAddr>, Unresolved> {
        let mut addresses = self.resolve(name).await?;
        if addresses.is_empty() {
            return Err(Unresolved::Unknown(io::ErrorKind::NotFound.into()));
        }
        addresses.retain(|address| grant.admits(*address));
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() { Err(Unresolved::Prohibited) } else { Ok(addresses) }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        if is_localhost(name) {
            return Ok(LOCALHOST.to_vec());
        }
        let (resolve, name) = (self.network.resolve.clone(), name.to_owned());
        let work = async {
            let permit = self.lookups.0.clone().acquire_owned().await;
            let blocking = tokio::task::spawn_blocking(move || {
                // As long as the thread is taken, also when nobody waits for it any more.
                let _permit = permit;
                resolve(&name)
            });
            blocking.await.map_err(io::Error::other)?
        };
        match tokio::time::timeout(RESOLVE_TIMEOUT, work).await {
            Err(_) => Err(Unresolved::TimedOut),
            Ok(Err(error)) => Err(Unresolved::Unknown(error)),
            Ok(Ok(addresses)) => Ok(addresses.into_iter().map(canonical).collect()),
        }
    }
}

/// What is allowed, as the list that it came from, and what never is. Whoever reads it has the machine's resolver and
/// certificates.
pub(super) mod as_destinations {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::{Network, Outbound};

    pub(in crate::state) fn serialize<S: Serializer>(outbound: &Arc<Outbound>, to: S) -> Result<S::Ok, S::Error> {
        (outbound.destinations(), &*outbound.network.own).serialize(to)
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Outbound>, D::Error> {
        let (destinations, own) = <(Vec<String>, Vec<std::net::SocketAddr>)>::deserialize(from)?;
        let network = Network { own: own.into(), ..Network::default() };
        let outbound = Outbound::new(destinations.iter().map(String::as_str), &network);
        outbound.map(Arc::new).map_err(serde::de::Error::custom)
    }
}

/// Why a listed name gives no address to connect to.
#[derive(Debug)]
enum Unresolved {
    Unknown(io::Error),
    TimedOut,
    /// It has addresses, and a name like this may have none of them.
    Prohibited,
}

/// Why a guest is refused.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Unlisted,
    /// No TCP destination is listed at all.
    WithoutTcp,
    /// It is listed, but has no address that it may have.
    Address,
    /// The host itself listens there.
    Own,
    /// Whatever is listed.
    Always,
    /// It is no host with a port.
    #[cfg(feature = "http")]
    NoHost,
    /// It has as many connections as it may have, and none became free in time.
    #[cfg(feature = "http")]
    TooMany,
}

/// What one instance was given on its way out, and what it was refused.
pub(super) struct Reach {
    outbound: Arc<Outbound>,
    output: Arc<Output>,
    seen: Mutex<Seen>,
    /// Those that its requests may have, one each until the answer was read.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only `wasi:http` has requests"))]
    connections: Arc<Semaphore>,
    max_connections: usize,
}

#[derive(Default)]
struct Seen {
    /// Of names that the guest looked up: a name server may give others to the next who asks.
    addresses: BTreeMap<String, VecDeque<IpAddr>>,
    /// The same for names that lie below a listed one.
    below: VecDeque<(String, IpAddr)>,
    told: BTreeSet<String>,
}

impl Reach {
    pub(super) fn new(outbound: Arc<Outbound>, output: Arc<Output>, max_connections: usize) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { outbound, output, seen: Mutex::default(), connections, max_connections })
    }

    /// Whether a socket may be used for this. Connections need an address that is listed, or that a listed name has.
    pub(super) async fn allows(&self, address: SocketAddr, what: SocketAddrUse) -> bool {
        match what {
            SocketAddrUse::TcpConnect => self.may_connect(address).await,
            // What the system does by itself before it connects.
            SocketAddrUse::TcpBind if address.ip().is_unspecified() && address.port() == 0 => true,
            _ => {
                self.refuse(format!("{what:?} of {address}"), Refusal::Always);
                false
            }
        }
    }

    async fn may_connect(&self, to: SocketAddr) -> bool {
        let (address, port) = (canonical(to.ip()), to.port());
        if is_own(&self.outbound.network.own, address, port) {
            self.refuse(format!("tcp://{}", SocketAddr::new(address, port)), Refusal::Own);
            return false;
        }
        let refusal = match self.outbound.policy.connect(address, port) {
            Verdict::Allowed => return true,
            Verdict::Refused => Refusal::Unlisted,
            Verdict::Ask { names, below } => {
                if self.seen().has(&names, &below, address) {
                    return true;
                }
                for name in names {
                    if self.addresses(name, Grant::Named).await.is_ok_and(|addresses| addresses.contains(&address)) {
                        return true;
                    }
                }
                Refusal::Address
            }
        };
        self.refuse(format!("tcp://{}", SocketAddr::new(address, port)), refusal);
        false
    }

    /// The addresses of a name that is listed for connections. The guest may connect to them from now on.
    async fn addresses(&self, name: &str, grant: Grant) -> Result<Vec<IpAddr>, Unresolved> {
        let addresses = self.outbound.admitted(name, grant).await?;
        match grant {
            // There are no more such names than the list has.
            Grant::Named => self.seen().remember(name, &addresses),
            Grant::Below => self.seen().remember_below(name, &addresses),
            // Any address of theirs is allowed as it is.
            Grant::AnyHost | Grant::Localhost | Grant::Address => {}
        }
        Ok(addresses)
    }

    /// Tells whoever runs the class what it was refused, once for each destination.
    fn refuse(&self, mut destination: String, why: Refusal) {
        const MAX_CHARS: usize = 200;
        if let Some((end, _)) = destination.char_indices().nth(MAX_CHARS) {
            destination.truncate(end);
        }
        {
            let mut seen = self.seen();
            if seen.told.len() >= MAX_TOLD || !seen.told.insert(destination.clone()) {
                return;
            }
        }
        let origin = self.output.origin();
        let (app, class, instance) = (&*origin.app, &*origin.class, &*origin.instance);
        match why {
            Refusal::Unlisted => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a connection: `class.{class}.allow-outbound` does not list it"
            ),
            #[cfg(feature = "http")]
            Refusal::NoHost => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a connection: that is not a host, with a port or without, alone"
            ),
            Refusal::WithoutTcp => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a socket: `class.{class}.allow-outbound` lists no `tcp://` destination"
            ),
            Refusal::Address => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a connection: no entry of `class.{class}.allow-outbound` may have this address; a name may \
                 not lead to this machine, a wildcard to no private network, and nothing to link-local addresses or to where the \
                 host itself listens"
            ),
            Refusal::Own => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a connection: the host itself listens there, and `class.{class}.allow-outbound` cannot allow it"
            ),
            #[cfg(feature = "http")]
            Refusal::TooMany => tracing::warn!(
                app,
                class,
                instance,
                destination,
                limit = self.max_connections,
                "a guest was refused a connection: it has as many as `max-outbound-connections` allows, and has read none of \
                 their answers to its end in time"
            ),
            Refusal::Always => tracing::warn!(
                app,
                class,
                instance,
                destination,
                "a guest was refused a socket: guests connect to what `class.{class}.allow-outbound` lists, and do nothing else"
            ),
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Whether one of these names had this address, or a name with one of these ends.
    fn has(&self, names: &[&str], below: &[&str], address: IpAddr) -> bool {
        let is_asked = |name: &str| names.contains(&name) || below.iter().any(|suffix| is_below(name, suffix));
        self.addresses.iter().any(|(name, addresses)| is_asked(name) && addresses.contains(&address))
            || self.below.iter().any(|(name, known)| *known == address && is_asked(name))
    }

    fn remember(&mut self, name: &str, addresses: &[IpAddr]) {
        let known = self.addresses.entry(name.to_owned()).or_default();
        for address in addresses {
            if !known.contains(address) {
                known.push_back(*address);
            }
        }
        known.drain(..known.len().saturating_sub(MAX_ADDRESSES));
    }

    fn remember_below(&mut self, name: &str, addresses: &[IpAddr]) {
        for address in addresses {
            let found = (name.to_owned(), *address);
            self.below.retain(|known| *known != found);
            self.below.push_back(found);
        }
        self.below.drain(..self.below.len().saturating_sub(MAX_BELOW));
    }
}

#[cfg(test)]
mod tests;
