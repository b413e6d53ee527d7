//! The numbers that a guest has for its handles: found out when a snapshot is taken, given again to each instance made of it.
//!
//! The guest's own table cannot be read from outside. So every number is proven: the handle behind it is taken out of the
//! table, and has to be the one that the host knows. That nothing else is in the table is proven too: fresh handles have to
//! be given every number that is left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, Lift, Lower, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Network};

use crate::component::accessor::{self, ImportedResource};
use crate::engine::EngineKind;
use crate::state::{Made, Open, Standard, State, Thing};

/// The most handles that are looked for, and numbers that are tried.
const MAX_HANDLES: usize = 4_096;

/// What else may be in a table.
const OF_ITS_OWN: &str = "a resource of its own, or something asynchronous";

/// Numbers in a row that show that a table has no gaps left.
const IN_A_ROW: usize = 8;

/// What a guest had open when its snapshot was taken, with the numbers that it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenHandles {
    /// In the order in which they can be made.
    things: Vec<Thing>,
    /// For each of them, its number in the guest, and the imported type it is of.
    numbers: Vec<Numbered>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbered {
    number: u32,
    resource: usize,
}

impl OpenHandles {
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

    /// Those of one kind: a component may import several versions of an interface.
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (usize, &Accessor)> {
        self.all.iter().enumerate().filter(move |(_, accessor)| accessor.kind == Some(kind))
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
        let mut numbers = Vec::with_capacity(open.len());
        if open.len() > MAX_HANDLES {
            return Err(format!("{} handles, more than {MAX_HANDLES}", open.len()));
        }
        for one in open {
            numbers.push(self.number(one).await.ok_or("a handle whose number could not be found")?);
        }
        match kind {
            EngineKind::Sync => self.prove_empty().await?,
            EngineKind::Async => self.prove_filled(numbers.iter().map(|numbered| numbered.number)).await?,
        }
        Ok(OpenHandles { things: open.iter().map(|open| open.thing).collect(), numbers })
    }

    async fn number(&mut self, open: &Open) -> Option<Numbered> {
        let kind = Kind::of_thing(open.thing);
        let resources: Vec<_> = self.accessors.of_kind(kind).map(|(resource, _)| resource).collect();
        // Both tables hand out their numbers in the same order, the guest's from one on.
        for resource in resources {
            let number = open.rep + 1;
            if self.take(kind, resource, number).await.ok()? == open.rep {
                return Some(Numbered { number, resource });
            }
        }
        None
    }

    /// Shows that the guest has nothing open any more: there is room for one handle where no more than one may be.
    async fn prove_empty(&mut self) -> Result<(), String> {
        let Some((resource, kind, thing)) = self.filler() else { return self.without_filler() };
        let made = self.store.data_mut().make(&[thing]).map_err(|error| format!("{error:#}"))?;
        let made = made.into_iter().next().ok_or("nothing was made")?;
        self.store.set_max_component_handles(1);
        let given = self.give(kind, resource, made).await;
        given.map(|_| ()).map_err(|_| OF_ITS_OWN.to_owned())
    }

    /// Nothing can be given to the guest. It may be that it never had anything.
    fn without_filler(&self) -> Result<(), String> {
        if self.accessors.may_have_own { Err(OF_ITS_OWN.to_owned()) } else { Ok(()) }
    }

    /// Shows the same where the engine has handles of its own for what runs, by giving the guest handles until it needs new
    /// numbers for them.
    async fn prove_filled(&mut self, known: impl Iterator<Item = u32>) -> Result<(), String> {
        let most = known.max().unwrap_or(0) as usize;
        let Some((resource, kind, thing)) = self.filler() else { return self.without_filler() };
        let mut given = BTreeSet::new();
        let mut in_a_row = 0;
        while in_a_row < IN_A_ROW || given.len() < most {
            if given.len() > MAX_HANDLES + IN_A_ROW {
                return Err("more handles than can be looked for".to_owned());
            }
            let made = self.store.data_mut().make(&[thing]).map_err(|error| format!("{error:#}"))?;
            let made = made.into_iter().next().ok_or("nothing was made")?;
            let number = self.give(kind, resource, made).await.map_err(|error| format!("{error:#}"))?;
            in_a_row = if given.last().is_none_or(|last| number == last + 1) { in_a_row + 1 } else { 0 };
            given.insert(number);
        }
        let last = given.last().copied().unwrap_or(0);
        match (1..=last).find(|number| !given.contains(number)) {
            Some(_) => Err(OF_ITS_OWN.to_owned()),
            None => Ok(()),
        }
    }

    /// Something that can be made as often as wanted.
    fn filler(&self) -> Option<(usize, Kind, Thing)> {
        let of = |kind, thing| self.accessors.of_kind(kind).next().map(|(resource, _)| (resource, kind, thing));
        of(Kind::Output, Thing::Stream(Standard::Output)).or_else(|| of(Kind::Input, Thing::Stream(Standard::Input)))
    }

    /// Gives a fresh guest what another one had open, under the same numbers.
    ///
    /// # Errors
    ///
    /// A number is another one, or something cannot be made.
    pub(super) async fn replay(&mut self, open: &OpenHandles) -> wasmtime::Result<()> {
        let made = self.store.data_mut().make(&open.things)?;
        let mut all: Vec<_> = made.into_iter().zip(&open.things).zip(&open.numbers).collect();
        all.sort_unstable_by_key(|(_, numbered)| numbered.number);
        let mut fillers = Vec::new();
        let mut next = 1;
        for ((made, thing), numbered) in all {
            while next < numbered.number {
                fillers.push(self.fill(next).await?);
                next += 1;
            }
            let number = self.give(Kind::of_thing(*thing), numbered.resource, made).await?;
            wasmtime::ensure!(
                number == numbered.number,
                "a handle has the number {number} and not {}",
                numbered.number
            );
            next += 1;
        }
        for (number, kind, resource) in fillers {
            let rep = self.take(kind, resource, number).await?;
            let standard = if kind == Kind::Input { Standard::Input } else { Standard::Output };
            self.store.data_mut().forget_stream(rep, standard)?;
        }
        Ok(())
    }

    async fn fill(&mut self, wanted: u32) -> wasmtime::Result<(u32, Kind, usize)> {
        let (resource, kind, thing) =
            self.filler().ok_or_else(|| wasmtime::format_err!("a gap between handles cannot be filled"))?;
        let made = self.store.data_mut().make(&[thing])?.into_iter().next();
        let made = made.ok_or_else(|| wasmtime::format_err!("nothing was made"))?;
        let number = self.give(kind, resource, made).await?;
        wasmtime::ensure!(number == wanted, "a handle has the number {number} and not {wanted}");
        Ok((number, kind, resource))
    }

    async fn give(&mut self, kind: Kind, resource: usize, made: Made) -> wasmtime::Result<u32> {
        let index = self.accessor(resource)?.give;
        match (kind, made) {
            (Kind::Input, Made::Input(made)) => self.call(&index, (made,)).await,
            (Kind::Output, Made::Output(made)) => self.call(&index, (made,)).await,
            (Kind::Directory, Made::Directory(made)) => self.call(&index, (made,)).await,
            (Kind::Network, Made::Network(made)) => self.call(&index, (made,)).await,
            (Kind::Pollable, Made::Pollable(made)) => self.call(&index, (made,)).await,
            _ => wasmtime::bail!("a thing of another kind was made"),
        }
    }

    /// Takes a handle out of the table, and gives the host's number of what it stood for.
    async fn take(&mut self, kind: Kind, resource: usize, number: u32) -> wasmtime::Result<u32> {
        let index = self.accessor(resource)?.take;
        Ok(match kind {
            Kind::Input => self.call::<_, Resource<DynInputStream>>(&index, (number,)).await?.rep(),
            Kind::Output => self.call::<_, Resource<DynOutputStream>>(&index, (number,)).await?.rep(),
            Kind::Directory => self.call::<_, Resource<Descriptor>>(&index, (number,)).await?.rep(),
            Kind::Network => self.call::<_, Resource<Network>>(&index, (number,)).await?.rep(),
            Kind::Pollable => self.call::<_, Resource<DynPollable>>(&index, (number,)).await?.rep(),
        })
    }

    fn accessor(&self, resource: usize) -> wasmtime::Result<&Accessor> {
        self.accessors
            .all
            .get(resource)
            .ok_or_else(|| wasmtime::format_err!("no imported type has the number {resource}"))
    }

    async fn call<A, R>(&mut self, index: &ComponentExportIndex, arguments: A) -> wasmtime::Result<R>
    where
        A: wasmtime::component::ComponentNamedList + Lower + Send + Sync + 'static,
        R: Lift + Send + Sync + 'static,
        (R,): wasmtime::component::ComponentNamedList,
    {
        let function = self.instance.get_typed_func::<A, (R,)>(&mut *self.store, index)?;
        Ok(function.call_async(&mut *self.store, arguments).await?.0)
    }
}
