//! What `inspect` tells of the snapshot that a class's instances start from.

use serde::Serialize;

use super::super::class::Class;
use crate::artifact::{Built, Outcome, Taken};
use crate::state::TMP;

/// What came of a class's `build` hooks.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotReport {
    /// `none-yet`: the next load runs `build`. `taken`. `refused`: `build` runs in each instance.
    pub state: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When `build` ran, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_at_unix_s: Option<u64>,
    /// How long each step took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<TimingsReport>,
    /// What was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<CapturedReport>,
    /// What `build` printed, its first lines; those of its standard error begin with `stderr: `.
    pub printed: Vec<String>,
    /// How many lines there were beyond these.
    pub lines_left_out: u64,
}

/// Milliseconds of each step.
#[derive(Clone, Debug, Serialize)]
pub struct TimingsReport {
    /// Making the component one that can be captured, and compiling that.
    pub instrument_ms: u64,
    /// The `build` hooks themselves.
    pub build_ms: u64,
    /// Capturing what they left.
    pub capture_ms: u64,
    /// Compiling the component that begins with it.
    pub compile_ms: u64,
    /// Making one instance of that.
    pub verify_ms: u64,
}

/// What was captured, in bytes and by name.
#[derive(Clone, Debug, Serialize)]
pub struct CapturedReport {
    /// The component that begins where `build` ended.
    pub component_bytes: u64,
    /// Its compiled code; null while it is not compiled for this host's engine.
    pub code_bytes: Option<u64>,
    /// What `build` wrote below `/image`.
    pub image_bytes: u64,
    /// How many files those are.
    pub image_files: usize,
    /// What is open in every instance from its start.
    pub open: Vec<String>,
}

impl SnapshotReport {
    /// `None` for a class whose component has no `build` hook.
    pub(super) fn of(class: &Class) -> Option<Self> {
        let build = class.inner.pools.keeper().prepared.build.as_ref()?;
        let nothing = Self {
            state: "none-yet",
            reason: None,
            built_at_unix_s: None,
            took: None,
            captured: None,
            printed: Vec::new(),
            lines_left_out: 0,
        };
        let Some(Built { at_unix_seconds, timings, printed, lines_left_out, outcome }) = build.built() else {
            return Some(nothing);
        };
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (state, reason, captured) = match outcome {
            Outcome::Refused(reason) => ("refused", Some(reason), None),
            Outcome::Taken(taken) => ("taken", None, Some(captured(class, &taken))),
        };
        let line = |line: crate::artifact::PrintedLine| {
            if line.is_stderr { format!("stderr: {}", line.text) } else { line.text }
        };
        Some(Self {
            state,
            reason,
            built_at_unix_s: Some(at_unix_seconds),
            took: Some(TimingsReport {
                instrument_ms: ms(timings.instrument),
                build_ms: ms(timings.build),
                capture_ms: ms(timings.capture),
                compile_ms: ms(timings.compile),
                verify_ms: ms(timings.verify),
            }),
            captured,
            printed: printed.into_iter().map(line).collect(),
            lines_left_out,
        })
    }
}

fn captured(class: &Class, taken: &Taken) -> CapturedReport {
    let host = &class.inner.host.inner;
    let prepared = &class.inner.pools.keeper().prepared;
    let kind = prepared.code.kind;
    let engine = host.linkers.engines().get(kind);
    let directories = prepared.plan.wasi.as_ref().map(|wasi| &wasi.directories[..]).unwrap_or_default();
    // `/image` and `/tmp` come after what the settings name.
    let name = |place: usize| match place.checked_sub(directories.len()) {
        None => &directories[place].guest,
        Some(0) => crate::artifact::IMAGE,
        Some(_) => TMP,
    };
    CapturedReport {
        component_bytes: taken.component_bytes(),
        code_bytes: engine.ok().and_then(|engine| host.store.has_code(&taken.digest, kind, engine).ok()?),
        image_bytes: taken.image_bytes(),
        image_files: taken.image_files(),
        open: taken.open.describe(name),
    }
}
