//! `wasi:sockets/ip-name-lookup`, for names that are listed and no others: a question to a name server is a way out by itself.
//!
//! It takes the place of wasmtime's, which knows all names or none. Should a new version of that have another name, then
//! it answers again: none.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup, types};

use super::super::State;
use super::{Reach, Refusal, Unresolved};
use crate::engine::EngineKind;
use crate::manifest::HostName;

const INTERFACE: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// Links the lookup of names in place of the one that is linked.
///
/// # Errors
///
/// When an interface cannot be defined, which no input can cause.
pub(super) fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    let mut lookup = linker.instance(INTERFACE)?;
    lookup.resource("resolve-address-stream", ResourceType::host::<Addresses>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Addresses>::new_own(rep)).map(drop).map_err(Into::into)
    })?;
    lookup.func_wrap("resolve-addresses", resolve)?;
    lookup.func_wrap("[method]resolve-address-stream.resolve-next-address", next)?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, State>,
         (stream,): (Resource<Addresses>,)|
         -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().table, stream)?,))
        },
    )?;
    if kind == EngineKind::Async {
        ip_name_lookup::add_to_linker::<State, Names>(linker, |state| state)?;
    }
    Ok(())
}

/// A name that is being resolved, and its addresses once it is.
struct Addresses {
    work: Option<Work>,
    found: Result<std::vec::IntoIter<IpAddr>, Refused>,
}

type Work = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, Refused>> + Send>>;

#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    AccessDenied,
    Unresolvable,
    TimedOut,
}

impl Addresses {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(work) = &mut self.work {
            let found = std::task::ready!(work.as_mut().poll(context));
            self.found = found.map(Vec::into_iter);
            self.work = None;
        }
        Poll::Ready(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }
}

type Resolved<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

fn resolve(
    mut store: StoreContextMut<'_, State>,
    (network, name): (Resource<Network>, String),
) -> Resolved<Resource<Addresses>> {
    let state = store.data_mut();
    state.table.get(&network)?;
    let reach = state.reach.clone();
    let mut addresses = Addresses {
        work: Some(Box::pin(async move { reach.look_up(&name).await })),
        found: Ok(Vec::new().into_iter()),
    };
    // What is refused is refused at once.
    if addresses.poll(&mut Context::from_waker(Waker::noop())).is_ready()
        && let Err(refused) = addresses.found
    {
        return Ok((Err(refused.into()),));
    }
    Ok((Ok(state.table.push(addresses)?),))
}

fn next(mut store: StoreContextMut<'_, State>, (stream,): (Resource<Addresses>,)) -> Resolved<Option<IpAddress>> {
    let addresses = store.data_mut().table.get_mut(&stream)?;
    if addresses.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        return Ok((Err(ErrorCode::WouldBlock),));
    }
    let next = addresses.found.as_mut().map(|found| found.next().map(IpAddress::from));
    Ok((next.map_err(|refused| (*refused).into()),))
}

impl Reach {
    /// The addresses of a name that a guest asks for.
    pub(super) async fn look_up(self: Arc<Self>, text: &str) -> Result<Vec<IpAddr>, Refused> {
        let grant = match HostName::parse(text) {
            // An address is its own answer; whether it may be connected to is asked when it is.
            Some(HostName::Address(address)) => return Ok(vec![address]),
            Some(HostName::Name(name)) => self.outbound.policy.lookup(&name).map(|grant| (name, grant)),
            None => None,
        };
        let Some((name, grant)) = grant else {
            self.refuse(format!("tcp://{text}"), Refusal::Unlisted);
            return Err(Refused::AccessDenied);
        };
        self.addresses(&name, grant).await.map_err(|error| match error {
            Unresolved::TimedOut => Refused::TimedOut,
            Unresolved::Unknown(error) => {
                tracing::debug!(name, %error, "a name could not be resolved");
                Refused::Unresolvable
            }
            Unresolved::Prohibited => {
                self.refuse(format!("tcp://{name}"), Refusal::Address);
                Refused::AccessDenied
            }
        })
    }
}

impl From<Refused> for ErrorCode {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AccessDenied => Self::AccessDenied,
            Refused::Unresolvable => Self::NameUnresolvable,
            Refused::TimedOut => Self::TemporaryResolverFailure,
        }
    }
}

impl From<Refused> for ip_name_lookup::ErrorCode {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AccessDenied => Self::AccessDenied,
            Refused::Unresolvable => Self::NameUnresolvable,
            Refused::TimedOut => Self::TemporaryResolverFailure,
        }
    }
}

/// The same for WASI 0.3, where a lookup is a call that waits.
struct Names;

impl HasData for Names {
    type Data<'a> = &'a mut State;
}

impl ip_name_lookup::Host for State {}

impl<T> ip_name_lookup::HostWithStore<T> for Names {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<types::IpAddress>, ip_name_lookup::ErrorCode>> {
        let reach = store.with(|mut access| access.get().reach.clone());
        let addresses = reach.look_up(&name).await;
        Ok(addresses.map(|all| all.into_iter().map(types::IpAddress::from).collect()).map_err(Into::into))
    }
}
