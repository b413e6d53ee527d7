//! Which calls wait for which: so that one that could only wait for its own callers is told so, and does not hang.
//!
//! ```text
//!  call ── has an instance of ──▶ pool        a call ends when all those that it made have ended
//!   │ made                                    a pool has room when one of the calls in it has ended
//!   ▼
//!  call ── waits for ──▶ pool
//! ```
//! Only calls that made others, and those, are in the graph: a call that makes none costs nothing here. When a call begins to
//! wait it is looked for a way on which the calls could end one after another; if it has none, it is refused. Only what was
//! added last can have closed a circle, so that nobody else has to be looked at. The reckoning is that of resources which
//! several hold (Holt, 1972): one holder that can go on is enough.
//!
//! This module must not know guests or what is called.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::NestedLimits;
use crate::error::{Error, ErrorKind, Result};

/// A call's number, unique in the host.
pub(crate) type CallNumber = u64;

/// Something that calls have instances of, by a number that is the same for the same pool; 0 is none.
pub(crate) type PoolNumber = usize;

/// Who makes a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) number: CallNumber,
    /// Calls above it.
    pub(crate) depth: u32,
    /// The pool whose instance it has.
    pub(crate) pool: PoolNumber,
}

/// What calls wait for.
pub(crate) trait Room: Send + Sync {
    /// The same number for the same pool.
    fn number(&self) -> PoolNumber;

    /// The calls of which one has to end before another can begin; `None` where it can, or will, without that.
    fn in_the_way(&self) -> Option<usize>;
}

/// The calls of one host that made others.
pub(crate) struct Waits {
    limits: NestedLimits,
    graph: Mutex<Graph>,
}

#[derive(Default)]
struct Graph {
    calls: HashMap<CallNumber, Call>,
    /// The calls that have an instance of a pool and wait for others.
    holders: HashMap<PoolNumber, HashSet<CallNumber>>,
}

#[derive(Default)]
struct Call {
    made: HashSet<CallNumber>,
    /// Where it has its instance, known once it has made a call.
    has: PoolNumber,
    waits_for: Option<Arc<dyn Room>>,
    /// Made by another one, which takes it out of the graph.
    is_nested: bool,
}

/// A call that another one made, until it is dropped.
pub(crate) struct Nested {
    waits: Arc<Waits>,
    number: CallNumber,
    caller: CallNumber,
    depth: u32,
}

impl Waits {
    pub(crate) fn new(limits: NestedLimits) -> Self {
        Self { limits, graph: Mutex::default() }
    }

    /// Takes a new call into the graph, `number`, made by `caller`.
    ///
    /// # Errors
    ///
    /// `too-large` for calls that stand too deep, `overloaded` when the caller has made as many as it may.
    pub(crate) fn begin(self: &Arc<Self>, caller: &Caller, number: CallNumber) -> Result<Nested> {
        let NestedLimits { max_depth, max_width } = self.limits;
        let depth = caller.depth + 1;
        if depth > max_depth {
            let message = format!(
                "calls stand {max_depth} deep already, each made by the one above; the setting is `max-call-depth`"
            );
            return Err(Error::new(ErrorKind::TooLarge, message).with_limit("max-call-depth", max_depth.to_string()));
        }
        let mut graph = self.lock();
        let Graph { calls, holders } = &mut *graph;
        let above = calls.entry(caller.number).or_default();
        if above.made.len() >= max_width {
            let message =
                format!("{max_width} calls that this one made are under way; the setting is `max-nested-calls`");
            return Err(
                Error::new(ErrorKind::Overloaded, message).with_limit("max-nested-calls", max_width.to_string())
            );
        }
        above.has = caller.pool;
        above.made.insert(number);
        if caller.pool != 0 {
            holders.entry(caller.pool).or_default().insert(caller.number);
        }
        calls.insert(number, Call { is_nested: true, ..Call::default() });
        Ok(Nested { waits: self.clone(), number, caller: caller.number, depth })
    }

    /// Calls in the graph.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().calls.len()
    }

    fn lock(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nested {
    pub(crate) fn number(&self) -> CallNumber {
        self.number
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Notes that the call waits for room until what comes back is dropped. `None`: there could only be room when the call
    /// itself has ended.
    pub(super) fn wait_for(&self, room: Arc<dyn Room>) -> Option<WaitsFor<'_>> {
        let mut graph = self.waits.lock();
        graph.calls.entry(self.number).or_default().waits_for = Some(room);
        let can_end = graph.can_end(self.number);
        drop(graph);
        let waits = WaitsFor(self);
        can_end.then_some(waits)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let mut graph = self.waits.lock();
        let Graph { calls, holders } = &mut *graph;
        if let Some(call) = calls.remove(&self.number) {
            release(holders, call.has, self.number);
        }
        let Some(above) = calls.get_mut(&self.caller) else { return };
        above.made.remove(&self.number);
        if above.made.is_empty() {
            release(holders, above.has, self.caller);
            if !above.is_nested {
                calls.remove(&self.caller);
            }
        }
    }
}

/// A call no longer waits for others.
fn release(holders: &mut HashMap<PoolNumber, HashSet<CallNumber>>, pool: PoolNumber, call: CallNumber) {
    if let Some(of_pool) = holders.get_mut(&pool) {
        of_pool.remove(&call);
        if of_pool.is_empty() {
            holders.remove(&pool);
        }
    }
}

/// Held while a call waits.
pub(super) struct WaitsFor<'a>(&'a Nested);

impl Drop for WaitsFor<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.0.waits.lock().calls.get_mut(&self.0.number) {
            call.waits_for = None;
        }
    }
}

/// What a call needs before it can end.
enum Needs {
    Nothing,
    AnyOf(Vec<CallNumber>),
    AllOf(Vec<CallNumber>),
}

impl Graph {
    /// Whether there is an order in which calls can end, this one among them.
    fn can_end(&self, call: CallNumber) -> bool {
        let mut open = HashMap::new();
        let mut unseen = vec![call];
        while let Some(call) = unseen.pop() {
            if open.contains_key(&call) {
                continue;
            }
            let needs = self.needs(call);
            match &needs {
                Needs::Nothing => {}
                Needs::AnyOf(calls) | Needs::AllOf(calls) => unseen.extend(calls),
            }
            open.insert(call, needs);
        }
        // Lets those end that need nobody who is still there, until nobody is left who can.
        loop {
            let before = open.len();
            let able: Vec<_> = open.iter().filter(|(_, needs)| needs.are_met(&open)).map(|(call, _)| *call).collect();
            able.iter().for_each(|call| _ = open.remove(call));
            if !open.contains_key(&call) {
                return true;
            }
            if open.len() == before {
                return false;
            }
        }
    }

    fn needs(&self, call: CallNumber) -> Needs {
        let Some(Call { made, waits_for, .. }) = self.calls.get(&call) else { return Needs::Nothing };
        let Some(room) = waits_for else {
            return if made.is_empty() { Needs::Nothing } else { Needs::AllOf(made.iter().copied().collect()) };
        };
        let none = HashSet::new();
        let holders = self.holders.get(&room.number()).unwrap_or(&none);
        match room.in_the_way() {
            // Each of them waits for others; where one does not, it will end by itself.
            Some(in_the_way) if in_the_way <= holders.len() => Needs::AnyOf(holders.iter().copied().collect()),
            _ => Needs::Nothing,
        }
    }
}

impl Needs {
    fn are_met(&self, open: &HashMap<CallNumber, Self>) -> bool {
        match self {
            Self::Nothing => true,
            Self::AnyOf(calls) => calls.iter().any(|call| !open.contains_key(call)),
            Self::AllOf(calls) => calls.iter().all(|call| !open.contains_key(call)),
        }
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").field("limits", &self.limits).field("calls", &self.lock().calls.len()).finish()
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nested").field("number", &self.number).field("depth", &self.depth).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
