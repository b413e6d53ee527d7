//! What a guest left of a request: it will not be asked for again, and takes room.
//!
//! What belongs to requests alone is dropped: what `wasi:http` has, with the streams of bodies and whatever waits for these, and
//! timers. Files, sockets and standard streams stay, which guests open once and keep. So does all that was there before.
//! The guest still has its own numbers of what was dropped, which count as its handles; they may even come to stand for something
//! else, which a guest that cleans up late would close. So one that has left much makes room for another in time.
//! An instance that requests share is not swept: nothing in it says which of them opened what.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::OnceLock;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::Host as _;
use wasmtime_wasi::p2::bindings::io::poll::HostPollable;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi_http::p2::body::{HostFutureTrailers, HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{
    HostFutureIncomingResponse, HostIncomingRequest, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
    HostResponseOutparam,
};
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{FieldMap, RequestOptions};

use super::super::State;

/// How far the table is looked through for what was left: what was opened first lies in front.
const MAX_SWEPT: u32 = 4096;

/// What was open before a request, by its numbers in the table.
#[derive(Debug)]
pub(in crate::state) struct Before {
    /// In order.
    numbers: Vec<u32>,
    /// How many there are of them, and of those further back.
    entries: usize,
    /// Whether nothing but requests ran since it was noted.
    is_known: bool,
    /// How much was dropped so far, and how much the guest may leave before it makes room.
    dropped: usize,
    most_dropped: usize,
}

/// One kind of what belongs to requests.
struct Kind {
    is: fn(&dyn Any) -> bool,
    drop: fn(&mut ResourceTable, u32),
}

impl Kind {
    const fn of<T: 'static>() -> Self {
        Self { is: |entry| entry.is::<T>(), drop: |table, number| drop(table.delete(Resource::<T>::new_own(number))) }
    }
}

const KINDS: [Kind; 14] = [
    Kind::of::<HostIncomingRequest>(),
    Kind::of::<HostIncomingBody>(),
    Kind::of::<HostFutureTrailers>(),
    Kind::of::<HostResponseOutparam>(),
    Kind::of::<HostOutgoingResponse>(),
    // Whoever reads it is not to take what there is for all of it.
    Kind {
        is: |entry| entry.is::<HostOutgoingBody>(),
        drop: |table, number| {
            if let Ok(body) = table.delete(Resource::<HostOutgoingBody>::new_own(number)) {
                body.abort();
            }
        },
    },
    Kind::of::<HostOutgoingRequest>(),
    Kind::of::<HostFutureIncomingResponse>(),
    Kind::of::<HostIncomingResponse>(),
    Kind::of::<RequestOptions>(),
    Kind::of::<p3::RequestOptions>(),
    // Of both versions.
    Kind::of::<FieldMap>(),
    Kind::of::<p3::Request>(),
    Kind::of::<p3::Response>(),
];

/// What hangs on others.
const CHILDREN: [Kind; 3] = [
    Kind::of::<DynInputStream>(),
    Kind::of::<DynOutputStream>(),
    // With the timer that it is of, if it is of one.
    Kind {
        is: |entry| entry.is::<DynPollable>(),
        drop: |table, number| drop(HostPollable::drop(table, Resource::new_own(number))),
    },
];

impl State {
    /// Says that something else than a request runs, which may open and close what it likes.
    pub(crate) fn forget_open(&mut self) {
        self.before.is_known = false;
    }

    /// Notes what is open, before a request.
    pub(crate) fn note_open(&mut self) {
        if !self.before.is_known {
            self.before.note(&mut self.table);
        }
    }

    /// Drops what the guest left of a request.
    pub(crate) fn sweep(&mut self) {
        if entries(&mut self.table) != self.before.entries {
            let timer = self.timer();
            self.before.sweep(&mut self.table, timer);
        }
    }

    /// Whether the guest has left so much that it is to make room for another.
    pub(crate) fn is_worn(&self) -> bool {
        self.before.dropped > self.before.most_dropped
    }

    /// The type of a timer, which has no name outside of WASI.
    fn timer(&mut self) -> Option<TypeId> {
        static TIMER: OnceLock<TypeId> = OnceLock::new();
        let timer = TIMER.get().copied().or_else(|| self.type_of_timer())?;
        Some(*TIMER.get_or_init(|| timer))
    }

    /// The type of what one hangs on that is made for the purpose.
    fn type_of_timer(&mut self) -> Option<TypeId> {
        let probe = self.clocks().subscribe_duration(0).ok()?;
        let table = &mut self.table;
        let waiting = place(table.get_any_mut(probe.rep()).ok()?);
        let parent = (0..MAX_SWEPT).find(|number| children(table, *number).any(|child| child == waiting));
        let timer = parent.and_then(|parent| table.get_any_mut(parent).ok()).map(|timer| (*timer).type_id());
        HostPollable::drop(table, probe).ok()?;
        timer
    }
}

impl Before {
    /// For a guest that may have so many handles.
    pub(in crate::state) fn new(max_handles: usize) -> Self {
        // What a request has open at a time has to have room beside it.
        Self { numbers: Vec::new(), entries: 0, is_known: false, dropped: 0, most_dropped: max_handles / 2 }
    }

    fn note(&mut self, table: &mut ResourceTable) {
        self.entries = entries(table);
        self.numbers.clear();
        self.numbers.extend(numbers(table, self.entries));
        self.is_known = true;
    }

    fn sweep(&mut self, table: &mut ResourceTable, timer: Option<TypeId>) {
        let entries = entries(table);
        let mut new: Vec<_> = numbers(table, entries).collect();
        new.retain(|number| self.numbers.binary_search(number).is_err());
        let mut places = BTreeMap::new();
        let mut left = Vec::new();
        for number in new {
            let Ok(entry) = table.get_any_mut(number) else { continue };
            places.insert(place(entry), number);
            if Some((*entry).type_id()) == timer || KINDS.iter().any(|kind| (kind.is)(entry)) {
                left.push(number);
            }
        }
        let mut looked_at = 0;
        while let Some(&parent) = left.get(looked_at) {
            looked_at += 1;
            // It knows its children, and not their numbers.
            let children = children(table, parent);
            left.extend(children.filter_map(|child| places.get(&child)));
        }
        self.dropped = self.dropped.saturating_add(left.len());
        // Children come after their parents, and go before them.
        for number in left.into_iter().rev() {
            let Ok(entry) = table.get_any_mut(number) else { continue };
            let entry: &dyn Any = entry;
            if let Some(kind) = KINDS.iter().chain(&CHILDREN).find(|kind| (kind.is)(entry)) {
                (kind.drop)(table, number);
            }
        }
        self.note(table);
    }
}

/// How many things the guest, or the host for it, has open.
fn entries(table: &mut ResourceTable) -> usize {
    table.iter_mut().count()
}

/// The places of an entry's children.
fn children(table: &ResourceTable, number: u32) -> impl Iterator<Item = usize> {
    let children = table.iter_children(&Resource::<()>::new_own(number));
    children.into_iter().flatten().map(|child| place(child))
}

/// The numbers of so many entries that are in the table.
fn numbers(table: &mut ResourceTable, entries: usize) -> impl Iterator<Item = u32> {
    (0..MAX_SWEPT).filter(|number| table.get_any_mut(*number).is_ok()).take(entries)
}

/// Where an entry lies in memory: each in a place of its own, and none of them is empty.
fn place(entry: &dyn Any) -> usize {
    std::ptr::from_ref(entry).cast::<()>().addr()
}

#[cfg(test)]
mod tests {
    use wasmtime_wasi::p2::pipe::MemoryInputPipe;
    use wasmtime_wasi::p2::{Pollable, subscribe};

    use super::*;

    struct Timer;

    #[wasmtime_wasi::async_trait]
    impl Pollable for Timer {
        async fn ready(&mut self) {}
    }

    fn stream() -> DynInputStream {
        Box::new(MemoryInputPipe::new("text"))
    }

    fn leaves(table: &mut ResourceTable) {
        let fields = table.push(FieldMap::default()).unwrap();
        let body = table.push_child(stream(), &fields).unwrap();
        subscribe(table, Resource::<DynInputStream>::new_borrow(body.rep())).unwrap();
        let timer = table.push(Timer).unwrap();
        subscribe(table, timer).unwrap();
        table.push(RequestOptions::default()).unwrap();
    }

    #[test]
    fn what_is_of_requests_goes_with_all_that_hangs_on_it() {
        let mut table = ResourceTable::new();
        let mut before = Before::new(1000);
        before.note(&mut table);
        for _ in 0..3 {
            leaves(&mut table);
            before.sweep(&mut table, Some(TypeId::of::<Timer>()));
            assert!(table.is_empty());
        }
        assert_eq!(before.dropped, 18);
    }

    #[test]
    fn what_was_there_before_stays_and_so_does_what_guests_keep() {
        let mut table = ResourceTable::new();
        let (fields, closed) = (table.push(FieldMap::default()).unwrap(), table.push(0_u8).unwrap());
        let mut before = Before::new(1000);
        before.note(&mut table);
        // A standard stream that takes a number over, and what waits for it.
        table.delete(closed).unwrap();
        let standard = table.push(stream()).unwrap();
        subscribe(&mut table, Resource::<DynInputStream>::new_borrow(standard.rep())).unwrap();
        for _ in 0..3 {
            leaves(&mut table);
            before.sweep(&mut table, Some(TypeId::of::<Timer>()));
            assert!(table.get(&fields).is_ok() && table.get(&standard).is_ok());
            assert_eq!((entries(&mut table), before.entries), (3, 3));
        }
    }
}
