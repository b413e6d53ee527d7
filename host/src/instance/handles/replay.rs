//! What a guest had open, given to a fresh one under the same numbers.
//!
//! A fresh table gives the numbers 1, 2, and so on. So the handles are made in the host, put in the order of their numbers, and
//! given together; a number that the guest has not is filled and taken back.

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance};

use super::together::Together;
use super::{Kind, OF_NOTHING, OpenHandles, nothing, take};
use crate::component::accessor::{self, ImportedResource, MAX_TOGETHER};
use crate::state::{Made, State, Thing};

/// How to do it in instances of one component.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// In the order in which they can be made.
    things: Vec<Thing>,
    /// For each number, the place of its thing.
    slots: Vec<(Kind, Option<usize>)>,
    /// The functions that give them, up to [`MAX_TOGETHER`] each.
    give_all: Vec<ComponentExportIndex>,
    /// The numbers to take back, with the functions that do.
    gaps: Vec<(u32, Kind, ComponentExportIndex)>,
}

impl Replay {
    /// Finds the functions in a component that they were appended to. `None` where one is missing.
    pub(crate) fn find(component: &Component, resources: &[ImportedResource], open: &OpenHandles) -> Option<Self> {
        let find = |name: String| component.get_export_index(None, &name);
        let slots = open.slots.iter().map(|slot| Some((Kind::of(resources.get(slot.resource)?)?, slot.thing)));
        let slots = slots.collect::<Option<Vec<_>>>()?;
        let give_all = (0..slots.len().div_ceil(MAX_TOGETHER)).map(|step| find(accessor::give_all(step)));
        let gaps = (1..).zip(&open.slots).zip(&slots).filter(|(_, (_, thing))| thing.is_none());
        let gaps = gaps.map(|((number, slot), (kind, _))| Some((number, *kind, find(accessor::take(slot.resource))?)));
        Some(Self {
            things: open.things.clone(),
            give_all: give_all.collect::<Option<_>>()?,
            gaps: gaps.collect::<Option<_>>()?,
            slots,
        })
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// A number is another one, or something cannot be made.
    pub(in crate::instance) async fn run(&self, store: &mut Store<State>, guest: &Instance) -> wasmtime::Result<()> {
        let mut made: Vec<_> = store.data_mut().make(&self.things)?.into_iter().map(Some).collect();
        let in_order = self.slots.iter().map(|(kind, thing)| match thing {
            None => Some(nothing(*kind)),
            Some(thing) => made.get_mut(*thing)?.take(),
        });
        let mut in_order = in_order
            .collect::<Option<Vec<Made>>>()
            .ok_or_else(|| wasmtime::format_err!("a handle is of nothing that was made"))?
            .into_iter();
        for function in &self.give_all {
            let handles = Together::new(in_order.by_ref().take(MAX_TOGETHER));
            let is_in_order: bool = super::call(store, guest, function, handles).await?;
            wasmtime::ensure!(is_in_order, "a handle has another number than it had");
        }
        for (number, kind, function) in &self.gaps {
            let rep = take(store, guest, (*kind, *function), *number).await?;
            wasmtime::ensure!(rep == Some(OF_NOTHING), "the handle {number} is not the one that was given");
        }
        Ok(())
    }
}
