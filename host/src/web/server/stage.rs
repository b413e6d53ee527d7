//! How far a server's end has come, as its tasks wait for it.
//!
//! Every connection looks at this each time it is polled, so a look is one load: a waiter is listed once, not each time.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Open,
    /// Nothing new begins.
    Draining,
    /// Nothing goes on.
    Cut,
}

/// The stage of one server, and who waits for the next.
#[derive(Debug)]
pub(super) struct Stages {
    reached: AtomicU8,
    waiting: Mutex<Slab<Waker>>,
}

impl Default for Stages {
    fn default() -> Self {
        Self { reached: AtomicU8::new(Stage::Open as u8), waiting: Mutex::default() }
    }
}

impl Stages {
    /// Goes on to `stage`, and wakes everybody.
    pub(super) fn advance(&self, stage: Stage) {
        self.reached.fetch_max(stage as u8, Ordering::SeqCst);
        let wakers: Vec<_> = self.waiting().iter().map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits for `stage`.
    pub(super) fn reached(&self, stage: Stage) -> Reached<'_> {
        Reached { stages: self, stage, listed: None }
    }

    fn waiting(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a stage.
#[derive(Debug)]
pub(super) struct Reached<'a> {
    stages: &'a Stages,
    stage: Stage,
    listed: Option<(usize, Waker)>,
}

impl Future for Reached<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.listed.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            let waker = cx.waker().clone();
            let mut waiting = self.stages.waiting();
            let place = match self.listed.take() {
                Some((place, _)) => {
                    waiting[place] = waker.clone();
                    place
                }
                None => waiting.insert(waker.clone()),
            };
            drop(waiting);
            self.listed = Some((place, waker));
        }
        // After the waker is listed, so that no advance goes by between the two.
        let reached = self.stages.reached.load(Ordering::SeqCst) >= self.stage as u8;
        if reached { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if let Some((place, _)) = self.listed.take() {
            self.stages.waiting().remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_woken_and_leave_nothing_behind() {
        let stages = Stages::default();
        let draining = async {
            stages.reached(Stage::Draining).await;
            stages.advance(Stage::Cut);
        };
        let advancing = async { stages.advance(Stage::Draining) };
        tokio::join!(stages.reached(Stage::Cut), draining, advancing);
        stages.reached(Stage::Draining).await;
        assert!(stages.waiting().is_empty());
    }
}
