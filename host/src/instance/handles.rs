//! The numbers that a guest has for its handles, found out when a snapshot is taken.
//!
//! The guest's own table cannot be read from outside. So every number is proven: the handle behind it is taken out of the
//! table, and has to be one that the host knows. When all of them are out, the table has to be empty: there is room for one
//! handle more in the whole store, and a handle is given.

mod replay;
mod together;
mod tried;

use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Network};

use crate::component::accessor::{self, ImportedResource};
use crate::engine::EngineKind;
use crate::state::{Made, Open, Standard, State, Thing};
pub(crate) use replay::Replay;
use tried::Tried;

/// The most handles that are looked for, and numbers that are tried.
const MAX_HANDLES: usize = 4_096;

/// What else may be in a table.
const OF_ITS_OWN: &str = "a resource of its own, or something asynchronous";

/// The host's number of a handle that stands for nothing: it is given where only its place in the table matters.
const OF_NOTHING: u32 = u32::MAX;

/// What a guest had open when its snapshot was taken, with the numbers that it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenHandles {
    /// In the order in which they can be made.
    things: Vec<Thing>,
    /// What is behind the numbers 1, 2, and so on, up to the last one that the guest has.
    slots: Vec<Slot>,
}

/// A place in a guest's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    /// The number of the imported type that it is of.
    resource: usize,
    /// Its place among the things. `None` where the guest has nothing: it is filled and emptied again.
    thing: Option<usize>,
}

impl OpenHandles {
    /// Imported types, by their numbers, of the handles 1, 2, and so on that have to be given.
    pub(crate) fn types(&self) -> Vec<usize> {
        self.slots.iter().map(|slot| slot.resource).collect()
    }

    /// What is open, in words; `directory` names a directory by its place.
    pub(crate) fn describe<'a>(&self, directory: impl Fn(usize) -> &'a str) -> Vec<String> {
        let standard = |standard: Standard| match standard {
            Standard::Input => "standard input",
            Standard::Output => "standard output",
            Standard::Error => "standard error",
        };
        let things = self.things.iter().filter_map(|thing| match thing {
            Thing::Stream(stream) => Some(standard(*stream).to_owned()),
            Thing::Directory(place) => Some(directory(*place).to_owned()),
            Thing::Network => Some("the network".to_owned()),
            // Nobody opens one for its own sake.
            Thing::Pollable(_) => None,
        });
        things.collect()
    }
}

/// The functions of a component that reach its table of handles.
#[derive(Clone, Debug)]
pub(crate) struct Accessors {
    all: Vec<Accessor>,
    /// Whether the component makes handles for what is not the host's.
    may_have_own: bool,
}

#[derive(Clone, Debug)]
struct Accessor {
    /// `None` for resources that are never made again.
    kind: Option<Kind>,
    give: ComponentExportIndex,
    take: ComponentExportIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Input,
    Output,
    Directory,
    Network,
    Pollable,
}

impl Kind {
    fn of(resource: &ImportedResource) -> Option<Self> {
        let interface = resource.interface.split_once('@').map_or(resource.interface.as_str(), |(name, _)| name);
        match (interface, resource.name.as_str()) {
            ("wasi:io/streams", "input-stream") => Some(Self::Input),
            ("wasi:io/streams", "output-stream") => Some(Self::Output),
            ("wasi:filesystem/types", "descriptor") => Some(Self::Directory),
            ("wasi:sockets/network", "network") => Some(Self::Network),
            ("wasi:io/poll", "pollable") => Some(Self::Pollable),
            _ => None,
        }
    }

    fn of_thing(thing: Thing) -> Self {
        match thing {
            Thing::Stream(Standard::Input) => Self::Input,
            Thing::Stream(_) => Self::Output,
            Thing::Directory(_) => Self::Directory,
            Thing::Network => Self::Network,
            Thing::Pollable(_) => Self::Pollable,
        }
    }
}

impl Accessors {
    /// Finds the functions in a component that they were appended to. `None` where one is missing.
    pub(crate) fn find(component: &Component, resources: &[ImportedResource], may_have_own: bool) -> Option<Self> {
        let find = |name: String| component.get_export_index(None, &name);
        let accessors = resources.iter().enumerate().map(|(number, resource)| {
            let (give, take) = (find(accessor::give(number))?, find(accessor::take(number))?);
            Some(Accessor { kind: Kind::of(resource), give, take })
        });
        Some(Self { all: accessors.collect::<Option<Vec<_>>>()?, may_have_own })
    }
}

/// A handle that stands for nothing.
fn nothing(kind: Kind) -> Made {
    match kind {
        Kind::Input => Made::Input(Resource::new_own(OF_NOTHING)),
        Kind::Output => Made::Output(Resource::new_own(OF_NOTHING)),
        Kind::Directory => Made::Directory(Resource::new_own(OF_NOTHING)),
        Kind::Network => Made::Network(Resource::new_own(OF_NOTHING)),
        Kind::Pollable => Made::Pollable(Resource::new_own(OF_NOTHING)),
    }
}

/// Whether nothing goes on in a store: what is read one piece after another would not fit together otherwise, because
/// whoever calls a guest lets its other tasks go on.
///
/// # Errors
///
/// That something does, in plain words.
pub(crate) fn ensure_at_rest(store: &mut Store<State>) -> Result<(), String> {
    match store.concurrent_resource_table() {
        Some(tasks) if !tasks.is_empty() => Err("when `build` had returned, something asynchronous was left: a task, \
                                                 stream or future, or what waits for one"
            .to_owned()),
        _ => Ok(()),
    }
}

/// One guest's table.
pub(super) struct Table<'a> {
    pub(super) store: &'a mut Store<State>,
    pub(super) instance: &'a Instance,
    pub(super) accessors: &'a Accessors,
}

impl Table<'_> {
    /// Finds the number of everything that is open. The handles are out of the table afterwards: the guest is of no more use.
    ///
    /// # Errors
    ///
    /// What is open that the host does not know, in plain words.
    pub(super) async fn numbers(&mut self, open: &[Open], kind: EngineKind) -> Result<OpenHandles, String> {
        if open.len() > MAX_HANDLES {
            return Err(format!("{} handles, more than {MAX_HANDLES}", open.len()));
        }
        let slots = self.take_all(open).await?;
        self.prove_empty(kind).await?;
        Ok(OpenHandles { things: open.iter().map(|open| open.thing).collect(), slots })
    }

    /// Tries one number after another. Both tables use numbers again that were closed, each in an order of its own, and the
    /// guest's has room for calls under way: nothing follows from the host's numbers.
    async fn take_all(&mut self, open: &[Open]) -> Result<Vec<Slot>, String> {
        let kinds: Vec<_> = open.iter().map(|open| Kind::of_thing(open.thing)).collect();
        let all = self.accessors.all.iter().enumerate();
        let types = all.filter_map(|(resource, accessor)| Some((resource, accessor.kind?)));
        let types: Vec<_> = types.filter(|(_, kind)| kinds.contains(kind)).collect();
        let mut is_found = vec![false; open.len()];
        let mut slots = Vec::new();
        for number in (1..).take(MAX_HANDLES) {
            if is_found.iter().all(|found| *found) {
                return Ok(slots);
            }
            let mut thing = None;
            for (resource, kind) in &types {
                let taken = self.take(*kind, *resource, number).await.map_err(|error| format!("{error:#}"))?;
                let Some(rep) = taken else { continue };
                let known = open.iter().position(|open| open.rep == rep && Kind::of_thing(open.thing) == *kind);
                let new = known.and_then(|known| Some((known, is_found.get_mut(known).filter(|found| !**found)?)));
                let (known, found) = new.ok_or("a handle of something that is there no more")?;
                *found = true;
                thing = Some(Slot { resource: *resource, thing: Some(known) });
                break;
            }
            let filler = || types.first().map(|(resource, _)| Slot { resource: *resource, thing: None });
            slots.extend(thing.or_else(filler));
        }
        Err("a handle whose number could not be found".to_owned())
    }

    /// Shows that the guest has nothing open any more: there is room for one handle where no more than one may be.
    async fn prove_empty(&mut self, kind: EngineKind) -> Result<(), String> {
        let Some((resource, kind_of_filler)) = self.filler() else {
            // Nothing can be given to the guest. It may be that it never had anything.
            return if self.accessors.may_have_own { Err(OF_ITS_OWN.to_owned()) } else { Ok(()) };
        };
        // The engine counts the call itself where it has threads for calls.
        let of_the_call = usize::from(kind == EngineKind::Async);
        self.store.set_max_component_handles(of_the_call + 1);
        let given = self.give(resource, nothing(kind_of_filler)).await;
        given.map(|_| ()).map_err(|_| OF_ITS_OWN.to_owned())
    }

    /// A type of which handles can be given that stand for nothing.
    fn filler(&self) -> Option<(usize, Kind)> {
        self.accessors.all.iter().enumerate().find_map(|(resource, accessor)| Some((resource, accessor.kind?)))
    }

    async fn give(&mut self, resource: usize, made: Made) -> wasmtime::Result<u32> {
        let index = self.accessor(resource)?.give;
        match made {
            Made::Input(made) => self.call(&index, (made,)).await,
            Made::Output(made) => self.call(&index, (made,)).await,
            Made::Directory(made) => self.call(&index, (made,)).await,
            Made::Network(made) => self.call(&index, (made,)).await,
            Made::Pollable(made) => self.call(&index, (made,)).await,
        }
    }

    async fn take(&mut self, kind: Kind, resource: usize, number: u32) -> wasmtime::Result<Option<u32>> {
        let index = self.accessor(resource)?.take;
        take(self.store, self.instance, (kind, index), number).await
    }

    fn accessor(&self, resource: usize) -> wasmtime::Result<&Accessor> {
        self.accessors
            .all
            .get(resource)
            .ok_or_else(|| wasmtime::format_err!("no imported type has the number {resource}"))
    }

    async fn call<A: ComponentNamedList + Lower + Send + Sync + 'static>(
        &mut self,
        index: &ComponentExportIndex,
        arguments: A,
    ) -> wasmtime::Result<u32> {
        call(self.store, self.instance, index, arguments).await
    }
}

/// Takes a handle out of a guest's table, and gives the host's number of what it stood for. `None` where the number is of no
/// handle, or of one of another type than the function's.
async fn take(
    store: &mut Store<State>,
    guest: &Instance,
    (kind, function): (Kind, ComponentExportIndex),
    number: u32,
) -> wasmtime::Result<Option<u32>> {
    async fn take_one<T: Send + 'static>(
        store: &mut Store<State>,
        guest: &Instance,
        function: ComponentExportIndex,
        number: u32,
    ) -> wasmtime::Result<Option<u32>> {
        let taken: Tried<Resource<T>> = call(store, guest, &function, (number,)).await?;
        Ok(taken.0.map(|handle| handle.rep()))
    }
    match kind {
        Kind::Input => take_one::<DynInputStream>(store, guest, function, number).await,
        Kind::Output => take_one::<DynOutputStream>(store, guest, function, number).await,
        Kind::Directory => take_one::<Descriptor>(store, guest, function, number).await,
        Kind::Network => take_one::<Network>(store, guest, function, number).await,
        Kind::Pollable => take_one::<DynPollable>(store, guest, function, number).await,
    }
}

async fn call<A, R>(
    store: &mut Store<State>,
    guest: &Instance,
    function: &ComponentExportIndex,
    arguments: A,
) -> wasmtime::Result<R>
where
    A: ComponentNamedList + Lower + Send + Sync + 'static,
    R: Lift + Send + Sync + 'static,
    (R,): ComponentNamedList,
{
    let function = guest.get_typed_func::<A, (R,)>(&mut *store, function)?;
    Ok(function.call_async(store, arguments).await?.0)
}
