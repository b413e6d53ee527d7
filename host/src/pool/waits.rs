//! Which calls wait for which: so that one that could only wait for its own callers is told so, and does not hang.
//!
//! ```text
//!  call ── has an instance of ──▶ pool        a call ends when all those that it made have ended
//!   │ made                                    a pool has room when one of the calls in it has ended
//!   ▼
//!  call ── waits for ──▶ pool ── wants an instance more ──▶ a place in the host
//! ```
//! Only calls that made others, and those, are in the graph: a call that makes none costs nothing here. When a call begins to
//! wait, and now and then while it does, it is looked for a way on which the calls could end one after another; if it has none,
//! it is refused. What was added last closes a circle, so that nobody else has to be looked at. The reckoning is that of
//! resources which several hold (Holt, 1972): one holder that can go on is enough.
//!
//! This module must not know guests or what is called.

mod order;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::NestedLimits;
use crate::error::{Error, ErrorKind, Result};
use order::Needs;

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
    /// Whether no other call is in that instance.
    pub(crate) is_alone: bool,
}

/// What calls wait for.
pub(crate) trait Room: Send + Sync {
    /// The same number for the same pool.
    fn number(&self) -> PoolNumber;

    /// What has to happen before another call can begin; `None` where it can, or will, without any other call's end.
    fn in_the_way(&self) -> Option<InTheWay>;
}

/// What keeps a call from an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InTheWay {
    /// Calls in the pool's instances, of which one has to end.
    pub(crate) calls: usize,
    /// Where an instance more would do, and only a place in the host is missing: the instances of all pools that are at work,
    /// of which one has to come to rest.
    pub(crate) at_work: Option<usize>,
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
    /// Those of them that have it to themselves.
    alone: HashSet<CallNumber>,
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
        let Graph { calls, holders, alone } = &mut *graph;
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
            if caller.is_alone {
                alone.insert(caller.number);
            }
        }
        calls.insert(number, Call { is_nested: true, ..Call::default() });
        Ok(Nested { waits: self.clone(), number, caller: caller.number, depth })
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

    /// Notes that the call waits for room until what comes back is dropped.
    pub(super) fn wait_for(&self, room: Arc<dyn Room>) -> WaitsFor<'_> {
        self.waits.lock().calls.entry(self.number).or_default().waits_for = Some(room);
        WaitsFor(self)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let mut graph = self.waits.lock();
        if let Some(call) = graph.calls.remove(&self.number) {
            graph.release(self.number, call.has);
        }
        let Some(above) = graph.calls.get_mut(&self.caller) else { return };
        above.made.remove(&self.number);
        if above.made.is_empty() {
            let (has, is_nested) = (above.has, above.is_nested);
            graph.release(self.caller, has);
            if !is_nested {
                graph.calls.remove(&self.caller);
            }
        }
    }
}

/// Held while a call waits.
pub(super) struct WaitsFor<'a>(&'a Nested);

impl WaitsFor<'_> {
    /// What the call waits for in vain, because that could only come about when the call itself has ended.
    pub(super) fn in_vain(&self) -> Option<InTheWay> {
        let graph = self.0.waits.lock();
        let room = graph.calls.get(&self.0.number)?.waits_for.as_ref()?;
        let in_the_way = room.in_the_way()?;
        (!graph.can_end(self.0.number)).then_some(in_the_way)
    }
}

impl Drop for WaitsFor<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.0.waits.lock().calls.get_mut(&self.0.number) {
            call.waits_for = None;
        }
    }
}

impl Graph {
    /// A call no longer waits for others.
    fn release(&mut self, call: CallNumber, pool: PoolNumber) {
        self.alone.remove(&call);
        if let Some(of_pool) = self.holders.get_mut(&pool) {
            of_pool.remove(&call);
            if of_pool.is_empty() {
                self.holders.remove(&pool);
            }
        }
    }

    /// Whether there is an order in which calls can end, this one among them.
    fn can_end(&self, call: CallNumber) -> bool {
        order::is_possible(Node::Call(call), |node| self.needs(node))
    }

    /// What has to be before a call can end, or before there is room.
    fn needs(&self, node: Node) -> Needs<Node> {
        let calls = |calls: &HashSet<CallNumber>| calls.iter().copied().map(Node::Call).collect();
        match node {
            Node::Call(call) => match self.calls.get(&call) {
                Some(Call { waits_for: Some(room), .. }) => self.needs_of(&**room),
                Some(Call { made, .. }) => Needs::AllOf(calls(made)),
                None => Needs::AllOf(Vec::new()),
            },
            Node::Room(pool) => Needs::AnyOf(self.holders.get(&pool).map(calls).unwrap_or_default()),
            Node::Place => Needs::AnyOf(calls(&self.alone)),
        }
    }

    fn needs_of(&self, room: &dyn Room) -> Needs<Node> {
        let nothing = Needs::AllOf(Vec::new());
        let Some(InTheWay { calls, at_work }) = room.in_the_way() else { return nothing };
        // Where one of them waits for no other call, it will end by itself.
        if calls > self.holders.get(&room.number()).map_or(0, HashSet::len) {
            return nothing;
        }
        let this = Node::Room(room.number());
        match at_work {
            None => Needs::AnyOf(vec![this]),
            Some(at_work) if at_work > self.alone.len() => nothing,
            Some(_) => Needs::AnyOf(vec![this, Node::Place]),
        }
    }
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    /// The end of a call.
    Call(CallNumber),
    /// The end of a call in this pool.
    Room(PoolNumber),
    /// The rest of an instance of any pool.
    Place,
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
