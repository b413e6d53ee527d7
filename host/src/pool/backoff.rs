//! How long a pool leaves a guest alone whose start failed. Pure: `now` is an argument.
//!
//! ```text
//!  clear ── failed ──▶ refusing ── the step is over ──▶ one attempt ── failed ──▶ refusing, twice as long
//!    ▲                                                       │ started
//!    └───────────────────────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// The first step.
pub(super) const FIRST: Duration = Duration::from_secs(1);

/// The longest step, and how long a failure is remembered after its step.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The failures of a pool's starts, in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Notes a failed start. Those that fail during a step were begun before it, and do not make it longer.
    pub(super) fn failed(&mut self, now: Instant) {
        if self.remaining(now).is_none() {
            let step = FIRST.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(LONGEST);
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + step);
        }
    }

    /// Forgets the failures: a start went well.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How long no start is tried; `None` when one may be.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// When the failures may be forgotten although nothing was tried since: callers who come later than this have waited
    /// longer than the longest step.
    pub(super) fn forgotten_at(&self) -> Option<Instant> {
        Some(self.until? + LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double_from_one_second_to_sixty() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        assert_eq!(backoff.remaining(now), None);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            backoff.failed(now);
            assert_eq!(backoff.remaining(now), Some(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            assert_eq!(backoff.remaining(now), None, "one attempt may be made");
        }
        backoff.clear();
        backoff.failed(now);
        assert_eq!(backoff.remaining(now), Some(FIRST));
    }

    #[test]
    fn failures_of_starts_that_ran_side_by_side_count_once() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..4 {
            backoff.failed(now);
        }
        assert_eq!(backoff.remaining(now), Some(FIRST));
    }
}
