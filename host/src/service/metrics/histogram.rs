//! A histogram of durations that many threads count into without waiting for each other.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const BUCKETS: usize = 17;

/// The upper bounds of the buckets, from 1 µs to 100 s in steps of about three: a warm call takes a microsecond, a cold one
/// of a Python guest a millisecond, and a method may run for minutes.
pub(super) const BOUNDS_NANOS: [u64; BUCKETS] = [
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    30_000_000_000,
    100_000_000_000,
];

/// Counts of durations by size.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One for each bound, and one for what is longer than all of them.
    counts: [AtomicU64; BUCKETS + 1],
    sum_nanos: AtomicU64,
}

/// A histogram as it was at some moment.
#[derive(Debug)]
pub(super) struct Reading {
    /// Counts of each bucket alone, not summed up.
    pub(super) counts: [u64; BUCKETS + 1],
    pub(super) sum_nanos: u64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    pub(super) fn read(&self) -> Reading {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed));
        Reading { counts, sum_nanos: self.sum_nanos.load(Relaxed) }
    }
}

impl Reading {
    /// All durations together, whatever their size.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for nanos in [0, 1, 1_000, 1_001, 100_000_000_000, 100_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        histogram.observe(Duration::from_secs(1 << 40));
        let reading = histogram.read();
        assert_eq!(reading.counts[..3], [3, 1, 0]);
        assert_eq!(reading.counts[BUCKETS - 1..], [1, 2]);
        assert_eq!(reading.count(), 7);
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS_NANOS.is_sorted_by(|one, next| one < next));
    }
}
