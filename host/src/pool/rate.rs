//! How fast an app may make new pools: a bucket of tokens. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// Tokens that come back with time, up to a number that may be spent at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    counted_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: f64::from(per_second), burst, tokens: burst, counted_at: now }
    }

    /// Takes one token, or says when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.counted_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A rate of zero never gives another one: an hour stands for never.
        let seconds = ((1.0 - self.tokens) / self.per_second).min(3600.0);
        Err(Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(100, 10, now);
        assert!((0..10).all(|_| bucket.take(now).is_ok()));
        let wait = bucket.take(now).unwrap_err();
        assert!(wait <= Duration::from_millis(11), "{wait:?}");
        now += Duration::from_secs(1);
        assert_eq!((0..50).filter(|_| bucket.take(now).is_ok()).count(), 10, "no more than the burst is saved up");
    }

    #[test]
    fn a_rate_of_zero_says_so_without_a_panic() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, 0, now);
        assert!(bucket.take(now).is_ok());
        assert_eq!(bucket.take(now), Err(Duration::from_secs(3600)));
    }
}
