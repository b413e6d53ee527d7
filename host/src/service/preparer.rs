//! Who carries out orders: this process, or a child of it that has limits of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HostInner;
use super::child::Child;
use crate::artifact::{Event, Listener, Order, PreparePhase, Site, SnapshotKey, perform, turn};
use crate::error::Result;
use crate::state::{GuestOutput, OutputLine, OutputStream};

/// What one process that prepares a component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareLimits {
    /// From its start to its end, without what it waits for others that do the same. Default 10 minutes.
    pub time: Duration,
    /// Of all its threads together. Default 10 minutes: a Python guest takes 20 to 40 seconds.
    pub cpu_time: Duration,
    /// Bytes of memory. Default 4 GiB: compiling a Python guest takes about one.
    pub memory_bytes: u64,
}

impl Default for PrepareLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(600), cpu_time: Duration::from_secs(600), memory_bytes: 4 << 30 }
    }
}

/// A step in preparing a component, as it begins and as it ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PrepareEvent<'a> {
    /// The component's file.
    pub component: &'a str,
    /// What is done.
    pub phase: PreparePhase,
    /// How many bytes it is done with, where that is known.
    pub bytes: Option<u64>,
    /// How long it took; `None` when it begins.
    pub took: Option<Duration>,
}

/// Told of each step in preparing components: see [`HostBuilder::on_prepare`](super::HostBuilder::on_prepare).
pub trait PrepareListener: Send + Sync + 'static {
    /// Called from the thread that prepares, or waits for the process that does.
    fn event(&self, event: &PrepareEvent<'_>);
}

/// Where orders are carried out.
#[derive(Clone, Debug)]
pub(super) enum PrepareMode {
    InProcess,
    Child(Child),
}

/// Carries out orders.
pub(super) struct Preparer {
    mode: PrepareMode,
    listener: Option<Arc<dyn PrepareListener>>,
    /// The snapshots that were made again because somebody asked for it.
    rebuilt: Mutex<HashSet<SnapshotKey>>,
}

impl std::fmt::Debug for Preparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparer").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Preparer {
    pub(super) fn new(mode: PrepareMode, listener: Option<Arc<dyn PrepareListener>>) -> Self {
        Self { mode, listener, rebuilt: Mutex::default() }
    }
}

impl HostInner {
    /// Whether nobody asked before for a snapshot to be made again; from now on somebody has.
    pub(super) fn is_first_rebuild(&self, key: &SnapshotKey) -> bool {
        self.preparer.rebuilt.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    /// Takes that back: it was not made again.
    pub(super) fn forget_rebuild(&self, key: &SnapshotKey) {
        self.preparer.rebuilt.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Has an order carried out. Blocks for as long as it takes: call it off the runtime's workers, on a thread of the runtime.
    ///
    /// # Errors
    ///
    /// As [`turn`] and [`perform`]; from a child also `build-failed` and `memory-exceeded` for its limits.
    pub(super) fn perform(&self, order: &Order) -> Result<()> {
        let listener = Arc::new(Relay {
            component: order.name.clone(),
            listener: self.preparer.listener.clone(),
            output: self.output.0.clone(),
        });
        let stop = self.drain.stop_token().clone();
        // Held by this process, whoever does the work: the limits of a child are for what it does, not for what it waits for.
        let _turn = turn(order, &self.store, &*listener, &stop)?;
        match &self.preparer.mode {
            PrepareMode::InProcess => {
                perform(order, &Site { store: self.store.clone(), linkers: self.linkers.clone(), listener, stop })
            }
            PrepareMode::Child(child) => {
                let running = child.perform(order, &self.store, self.config.instance, &*listener, stop);
                tokio::runtime::Handle::current().block_on(running)
            }
        }
    }
}

/// Hands on what is told: lines to whoever listens to guests, steps to whoever wants to know.
struct Relay {
    component: String,
    listener: Option<Arc<dyn PrepareListener>>,
    output: Arc<dyn GuestOutput>,
}

impl Listener for Relay {
    fn event(&self, event: Event) {
        let step = |phase, bytes, took| {
            tracing::debug!(component = self.component, step = PreparePhase::as_str(phase), bytes, ?took, "prepare");
            if let Some(listener) = &self.listener {
                listener.event(&PrepareEvent { component: &self.component, phase, bytes, took });
            }
        };
        match event {
            Event::Begun { phase, bytes } => step(phase, bytes, None),
            Event::Ended { phase, took, bytes } => step(phase, bytes, Some(took)),
            Event::Line { origin, is_stderr, text, cut_bytes } => {
                let stream = if is_stderr { OutputStream::Stderr } else { OutputStream::Stdout };
                self.output.line(&OutputLine { origin: &origin, stream, text: &text, cut_bytes });
            }
            Event::Dropped { origin, lines, bytes } => self.output.dropped(&origin, lines, bytes),
        }
    }
}
