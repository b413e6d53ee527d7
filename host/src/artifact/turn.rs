//! Taking turns: of several processes, or hosts, that want the same `build`, one runs it, and the others find what came of it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::order::{Event, Listener, Order, PreparePhase, Task};
use super::store::{Building, Store};
use crate::error::{Error, ErrorKind, Result};

/// How often the one who waits looks.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Waits until nobody else carries out the same order, and tells once that it does. Holds its thread for as long as it takes.
/// What takes no turns has `None`.
///
/// # Errors
///
/// `draining` when `stop` is cancelled first, and what went wrong with the store.
pub(crate) fn turn(
    order: &Order,
    store: &Store,
    listener: &dyn Listener,
    stop: &CancellationToken,
) -> Result<Option<Building>> {
    let Task::Build(build) = &order.task else { return Ok(None) };
    let look = || store.try_building(&build.key).map_err(|error| store.failed(&order.name, error));
    if let Some(turn) = look()? {
        return Ok(Some(turn));
    }
    let phase = PreparePhase::Wait;
    listener.event(Event::Begun { phase, bytes: None });
    let began = Instant::now();
    let turn = loop {
        if stop.is_cancelled() {
            break Err(Error::new(ErrorKind::Draining, "the host is shutting down"));
        }
        // A lock of the system's would be waited for beyond `stop`.
        std::thread::park_timeout(LOOKS_EVERY);
        if let Some(turn) = look().transpose() {
            break turn.map(Some);
        }
    };
    listener.event(Event::Ended { phase, took: began.elapsed(), bytes: None });
    turn
}
