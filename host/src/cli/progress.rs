//! Signs of life while components are prepared: a bar on a terminal, elsewhere a line for each step that took long.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::say;
use crate::artifact::PreparePhase;
use crate::service::{PrepareEvent, PrepareListener};

/// Steps that took no longer are not worth a line.
const WORTH_A_LINE: Duration = Duration::from_millis(700);

/// How often the bar shows that time passes.
const TICK: Duration = Duration::from_millis(100);

/// The steps of what takes several, for the bar.
const STEPS: [PreparePhase; 6] = [
    PreparePhase::Instrument,
    PreparePhase::Build,
    PreparePhase::Capture,
    PreparePhase::CompileSnapshot,
    PreparePhase::Verify,
    PreparePhase::Keep,
];

/// The bar that is on the terminal now.
static BAR: LazyLock<Mutex<Option<ProgressBar>>> = LazyLock::new(Mutex::default);

/// Shows how far the preparation of components is.
#[derive(Debug)]
pub(super) struct Progress;

impl PrepareListener for Progress {
    fn event(&self, event: &PrepareEvent<'_>) {
        let name = Path::new(event.component).file_name().map_or(event.component.into(), |name| name.to_string_lossy());
        let bytes = event.bytes.map(|bytes| format!(" ({})", HumanBytes(bytes))).unwrap_or_default();
        let what = format!("{name}: {}{bytes}", event.phase.as_str());
        if !std::io::stderr().is_terminal() {
            if event.phase == PreparePhase::Wait {
                // Nobody knows how long that is.
                if event.took.is_none() {
                    say(&what);
                }
            } else if let Some(took) = event.took.filter(|took| *took >= WORTH_A_LINE) {
                say(&format!("{what}: {:.1} s", took.as_secs_f64()));
            }
            return;
        }
        let mut bar = BAR.lock().unwrap_or_else(PoisonError::into_inner);
        let step = STEPS.iter().position(|step| *step == event.phase);
        if event.took.is_some() {
            if step.is_none_or(|step| step + 1 == STEPS.len()) {
                bar.take().inspect(ProgressBar::finish_and_clear);
            }
            return;
        }
        let bar = bar.get_or_insert_with(new_bar);
        bar.set_length(if step.is_some() { STEPS.len() as u64 } else { 1 });
        bar.set_position(step.unwrap_or(0) as u64);
        bar.set_message(what);
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:12}] {elapsed:>4} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Takes the bar off the terminal: what it was for is done, or failed.
pub(super) fn clear() {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).take();
    bar.inspect(ProgressBar::finish_and_clear);
}

/// Writes to the terminal while the bar stands aside.
pub(super) fn aside(write: impl FnOnce()) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
