//! What is to be done with a component, as plain data that can be sent to another process; and what is told meanwhile.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Digest;
use super::store::{PrintedLine, SnapshotKey};
use crate::config::OutputLimits;
use crate::engine::EngineKind;
use crate::instance::Bounds;
use crate::state::{GuestOutput, OutputLine, OutputOrigin, OutputStream, WasiSpec};

/// A piece of work on a component that lies in a store; what comes of it lies there afterwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The component's file, for messages.
    pub(crate) name: String,
    pub(crate) component: Digest,
    pub(crate) task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Find out what it offers.
    Examine,
    /// Compile it as it came.
    Compile(EngineKind),
    /// Run its `build` hooks, take a snapshot and compile that; where it cannot be taken, compile it as it came.
    Build(Box<BuildOrder>),
}

/// All that `build` can see, and what it may take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BuildOrder {
    pub(crate) key: SnapshotKey,
    pub(crate) kind: EngineKind,
    /// Whether they run although there is a snapshot, which stays until there is another.
    pub(crate) again: bool,
    /// The hooks, with the interface of each, or the root.
    pub(crate) hooks: Vec<(Option<String>, String)>,
    pub(crate) wasi: WasiSpec,
    pub(crate) bounds: Bounds,
    pub(crate) origin: OutputOrigin,
    pub(crate) output: OutputLimits,
}

/// A step of preparing a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PreparePhase {
    /// Waiting for another process, or another host, that does the same.
    Wait,
    /// Finding out what a component offers and needs.
    Examine,
    /// Compiling a component as it came.
    Compile,
    /// Making a component one whose state can be captured, and compiling that.
    Instrument,
    /// Running the `build` hooks.
    Build,
    /// Capturing the state that they left.
    Capture,
    /// Compiling the component that begins with this state.
    CompileSnapshot,
    /// Making one instance of it, in which nothing runs.
    Verify,
    /// Writing everything to disk.
    Keep,
}

impl PreparePhase {
    /// What is done, in words: `compiling`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "waiting for another process that prepares it",
            Self::Examine => "examining",
            Self::Compile => "compiling",
            Self::Instrument => "instrumenting",
            Self::Build => "running `build`",
            Self::Capture => "capturing",
            Self::CompileSnapshot => "compiling the snapshot",
            Self::Verify => "verifying",
            Self::Keep => "writing",
        }
    }
}

/// What is told while an order is carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    Begun { phase: PreparePhase, bytes: Option<u64> },
    Ended { phase: PreparePhase, took: Duration, bytes: Option<u64> },
    Line { origin: OutputOrigin, is_stderr: bool, text: String, cut_bytes: u64 },
    Dropped { origin: OutputOrigin, lines: u64, bytes: u64 },
}

/// Whoever is told.
pub(crate) trait Listener: Send + Sync + 'static {
    fn event(&self, event: Event);
}

/// Lines of `build` that are kept, and the bytes of each.
const MAX_PRINTED_LINES: usize = 100;
const MAX_PRINTED_LINE_BYTES: usize = 400;

/// Passes on what `build` prints, and keeps the beginning of it.
pub(super) struct Printing {
    listener: std::sync::Arc<dyn Listener>,
    printed: Mutex<(Vec<PrintedLine>, u64)>,
}

impl Printing {
    pub(super) fn new(listener: std::sync::Arc<dyn Listener>) -> Self {
        Self { listener, printed: Mutex::default() }
    }

    /// The first lines, and how many more there were.
    pub(super) fn printed(&self) -> (Vec<PrintedLine>, u64) {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl GuestOutput for Printing {
    fn line(&self, line: &OutputLine<'_>) {
        let is_stderr = line.stream == OutputStream::Stderr;
        {
            let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
            if printed.0.len() < MAX_PRINTED_LINES {
                let end = line.text.floor_char_boundary(MAX_PRINTED_LINE_BYTES);
                printed.0.push(PrintedLine { is_stderr, text: line.text[..end].to_owned() });
            } else {
                printed.1 += 1;
            }
        }
        self.listener.event(Event::Line {
            origin: line.origin.clone(),
            is_stderr,
            text: line.text.to_owned(),
            cut_bytes: line.cut_bytes,
        });
    }

    fn dropped(&self, origin: &OutputOrigin, lines: u64, bytes: u64) {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).1 += lines;
        self.listener.event(Event::Dropped { origin: origin.clone(), lines, bytes });
    }
}
