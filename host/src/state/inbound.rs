//! `wasi:http` requests that a guest answers: how they come into its store, and what is left of them afterwards.
//!
//! In WASI 0.2 the body of an answer ends in the same way whether its guest finished it or died. So `finish` is linked anew
//! here: it ends a body with trailers, perhaps none in number, and a body without them is one that was not finished.
//! This module must not know who asks, or what becomes of an answer.

mod left;

use http::{Request, Response};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HostOutgoingBody as _, Scheme};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{FieldMap, WasiBody, WasiHttpView as _};

use super::State;

pub(super) use left::Before;

const TYPES: &str = "wasi:http/types@0.2.12";

/// Links what marks the end of a body, in place of what is linked.
///
/// # Errors
///
/// When it cannot be defined, which no input can cause.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap("[static]outgoing-body.finish", finish)?;
    linker.allow_shadowing(false);
    Ok(())
}

type Finished = wasmtime::Result<(Result<(), ErrorCode>,)>;

fn finish(
    mut store: StoreContextMut<'_, State>,
    (body, trailers): (Resource<HostOutgoingBody>, Option<Resource<FieldMap>>),
) -> Finished {
    let state = store.data_mut();
    let trailers = match trailers {
        Some(trailers) => trailers,
        None => state.table.push(FieldMap::default())?,
    };
    let finished = state.http().finish(body, Some(trailers));
    Ok((finished.map(Ok).or_else(|error| error.downcast().map(Err))?,))
}

/// What a guest makes of a request: its answer, or why there is none, in the words of WASI.
pub(crate) type Head = Result<Response<WasiBody>, ErrorCode>;

/// A request in the store, and what the guest answers it by.
pub(crate) struct Incoming {
    pub(crate) request: Resource<types::IncomingRequest>,
    pub(crate) outparam: Resource<types::ResponseOutparam>,
}

impl State {
    /// Brings a request into the store. `head` is told what the guest makes of it.
    ///
    /// # Errors
    ///
    /// When the store has room for no more handles.
    pub(crate) fn incoming(
        &mut self,
        request: Request<WasiBody>,
        head: impl FnOnce(Head) + Send + Sync + 'static,
    ) -> wasmtime::Result<Incoming> {
        let request = self.http().new_incoming_request(Scheme::Http, request)?;
        let outparam = self.http().new_response_outparam_from_callback(head)?;
        Ok(Incoming { request, outparam })
    }
}
