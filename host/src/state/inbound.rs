//! `wasi:http` requests that a guest answers: how they come into its store, and what is left of them afterwards.
//!
//! In WASI 0.2 the body of an answer ends in the same way whether its guest finished it or died. So `finish` is linked anew
//! here: it ends a body with trailers, perhaps none in number, and a body without them is one that was not finished.
//! This module must not know who asks, or what becomes of an answer.

use http::{Request, Response};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HostOutgoingBody as _, Scheme};
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostOutgoingResponse, HostResponseOutparam};
use wasmtime_wasi_http::{FieldMap, WasiBody, WasiHttpView as _};

use super::State;

const TYPES: &str = "wasi:http/types@0.2.12";

/// How far the table is looked through for what was left: what was opened first lies in front.
const MAX_SWEPT: u32 = 4096;

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

    /// How many things the guest, or the host for it, has open.
    pub(crate) fn entries(&mut self) -> usize {
        self.table.iter_mut().count()
    }

    /// Drops what the guest left of a request: it will not be asked for again, and takes room.
    ///
    /// `entries` is what it had open before.
    pub(crate) fn sweep(&mut self, entries: usize) {
        if self.entries() > entries {
            (0..MAX_SWEPT).for_each(|rep| self.sweep_at(rep));
        }
    }

    fn sweep_at(&mut self, rep: u32) {
        let Ok(entry) = self.table.get_any_mut(rep) else { return };
        // What cannot be deleted has children that are no streams, and stays.
        if entry.is::<HostIncomingRequest>() {
            drop(self.table.delete(Resource::<HostIncomingRequest>::new_own(rep)));
        } else if entry.is::<HostResponseOutparam>() {
            drop(self.table.delete(Resource::<HostResponseOutparam>::new_own(rep)));
        } else if entry.is::<HostOutgoingResponse>() {
            drop(self.table.delete(Resource::<HostOutgoingResponse>::new_own(rep)));
        } else if entry.is::<HostIncomingBody>() {
            self.sweep_children::<HostIncomingBody, DynInputStream>(rep);
            drop(self.table.delete(Resource::<HostIncomingBody>::new_own(rep)));
        } else if entry.is::<HostOutgoingBody>() {
            self.sweep_children::<HostOutgoingBody, DynOutputStream>(rep);
            // Of a request, too: whoever reads it is not to take what there is for all of it.
            if let Ok(body) = self.table.delete(Resource::<HostOutgoingBody>::new_own(rep)) {
                body.abort();
            }
        }
    }

    /// Deletes the children of a body, of which there is one at most: its stream.
    fn sweep_children<P: 'static, C: 'static>(&mut self, parent: u32) {
        let Ok(mut children) = self.table.iter_children(&Resource::<P>::new_own(parent)) else { return };
        let Some(child) = children.next().map(|child| std::ptr::from_ref(child).cast::<()>().addr()) else { return };
        drop(children);
        let found = (0..MAX_SWEPT).find(|rep| {
            let entry = self.table.get_any_mut(*rep);
            entry.is_ok_and(|entry| std::ptr::from_ref(entry).cast::<()>().addr() == child)
        });
        if let Some(rep) = found {
            drop(self.table.delete(Resource::<C>::new_own(rep)));
        }
    }
}
