//! New TCP sockets: where a class may connect nowhere by TCP, it gets none, and whoever runs it is told why.
//!
//! The answer is wasmtime's; this stands before it.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::{network, tcp_create_socket};
use wasmtime_wasi::p3::bindings::sockets::types::{self, HostTcpSocket as _};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::super::State;
use super::Refusal;
use crate::engine::EngineKind;

/// Links functions that make TCP sockets in place of those that are linked.
///
/// # Errors
///
/// When a function cannot be defined, which no input can cause.
pub(super) fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, State>, (family,): (network::IpAddressFamily,)| {
            let state = store.data_mut();
            state.tell_without_tcp();
            let made = tcp_create_socket::Host::create_tcp_socket(&mut state.sockets(), family);
            Ok((made.map(Ok).or_else(|error| error.downcast().map(Err))?,))
        },
    )?;
    if kind == EngineKind::Async {
        linker.instance("wasi:sockets/types@0.3.0")?.func_wrap(
            "[static]tcp-socket.create",
            |mut store: StoreContextMut<'_, State>, (family,): (types::IpAddressFamily,)| {
                let state = store.data_mut();
                state.tell_without_tcp();
                let made: Result<Resource<types::TcpSocket>, _> = state.sockets().create(family);
                Ok((made.map(Ok).or_else(|error| error.downcast().map(Err))?,))
            },
        )?;
    }
    Ok(())
}

impl State {
    fn tell_without_tcp(&self) {
        if !self.reach.outbound.has_tcp() {
            self.reach.refuse("TCP".to_owned(), Refusal::WithoutTcp);
        }
    }
}
