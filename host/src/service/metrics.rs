//! What calls, starts and exits cost and how they ended, counted per class and never per set of parameters.
//!
//! Counting is a few relaxed atomic additions, because it happens in every call; the text is made when somebody asks for
//! it. Counters belong to a name, not to a loaded app, so that they go on when an app is replaced. This module knows no
//! HTTP.

mod histogram;
mod text;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Host;
use super::report::InstanceCounts;
use crate::error::ErrorKind;
use histogram::Histogram;

/// Classes whose counters are kept; over it, those that no loaded app has any longer are forgotten. Far more than a host
/// has at a time, so that only names which come and go without end are ever forgotten.
const MAX_CLASSES: usize = 10_000;

/// The counters of all classes of a host.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By app and class.
    classes: Mutex<BTreeMap<(String, String), Arc<ClassMetrics>>>,
}

/// The counters of one class.
#[derive(Debug, Default)]
pub(crate) struct ClassMetrics {
    ok: AtomicU64,
    /// By the place of the kind in [`ErrorKind::ALL`].
    failed: [AtomicU64; ErrorKind::ALL.len()],
    cancelled: AtomicU64,
    calls: Histogram,
    waits: Histogram,
    started: AtomicU64,
    failed_starts: AtomicU64,
    starts: Histogram,
    exits: AtomicU64,
    failed_exits: AtomicU64,
    evictions: AtomicU64,
}

/// What a class has at this moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassGauges {
    pub(crate) app: String,
    pub(crate) class: String,
    pub(crate) instances: InstanceCounts,
    pub(crate) waiting: u64,
    pub(crate) memory_bytes: u64,
    /// Sets of parameters that have a pool.
    pub(crate) tuples: u64,
}

impl ClassGauges {
    pub(crate) fn new(app: &str, class: &str) -> Self {
        Self { app: app.to_owned(), class: class.to_owned(), ..Self::default() }
    }
}

/// What the host as a whole has at this moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostGauges {
    pub(crate) instances_limit: u64,
    /// `None` if there is no budget.
    pub(crate) memory_budget_bytes: Option<u64>,
    /// What of it is charged. More than the sum over classes, which leaves out apps that were replaced and what is in no
    /// pool.
    pub(crate) memory_charged_bytes: u64,
    /// Tasks on the runtime that instances live on; `None` before there is one.
    pub(crate) tasks: Option<u64>,
    pub(crate) draining: bool,
}

impl Metrics {
    /// The counters of a class, the same ones for every app of this name.
    pub(super) fn class(&self, app: &str, class: &str) -> Arc<ClassMetrics> {
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (app.to_owned(), class.to_owned());
        if classes.len() >= MAX_CLASSES && !classes.contains_key(&key) {
            classes.retain(|_, metrics| Arc::strong_count(metrics) > 1);
        }
        classes.entry(key).or_default().clone()
    }

    /// Writes everything as OpenMetrics text, which Prometheus reads.
    pub(super) fn encode(&self, host: HostGauges, gauges: impl IntoIterator<Item = ClassGauges>) -> String {
        let classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let classes = classes.iter().map(|(key, metrics)| (key.clone(), metrics.clone())).collect();
        text::encode(text::Scrape { classes, gauges: gauges.into_iter().collect(), host })
    }
}

impl ClassMetrics {
    /// Counts a call that came to an end. `waited` is the time until it had an instance, or was refused one.
    pub(crate) fn call_ended(&self, outcome: Option<ErrorKind>, duration: Duration, waited: Duration) {
        match outcome {
            None => &self.ok,
            Some(kind) => &self.failed[kind as usize],
        }
        .fetch_add(1, Relaxed);
        self.calls.observe(duration);
        self.waits.observe(waited);
    }

    /// Counts a call whose caller has gone.
    pub(crate) fn call_cancelled(&self, duration: Duration, waited: Duration) {
        self.cancelled.fetch_add(1, Relaxed);
        self.calls.observe(duration);
        self.waits.observe(waited);
    }

    /// Counts an attempt to start and enter an instance.
    pub(crate) fn start_ended(&self, ok: bool, duration: Duration) {
        let count = if ok { &self.started } else { &self.failed_starts };
        count.fetch_add(1, Relaxed);
        self.starts.observe(duration);
    }

    /// Counts an idle instance that made room for others.
    pub(crate) fn evicted(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    /// Counts an instance that was let out, and whether its `exit` went well.
    pub(crate) fn exited(&self, ok: bool) {
        let count = if ok { &self.exits } else { &self.failed_exits };
        count.fetch_add(1, Relaxed);
    }

    /// Begins the clock of a call. Dropped before its end, the call counts as cancelled.
    pub(crate) fn begin(&self) -> Timed<&Self> {
        Timed::new(self)
    }
}

/// A call under way, with the counters of its class.
#[derive(Debug)]
pub(crate) struct Timed<M: Deref<Target = ClassMetrics>> {
    /// `None` once it was counted.
    metrics: Option<M>,
    began: Instant,
    waited: Option<Duration>,
}

impl<M: Deref<Target = ClassMetrics>> Timed<M> {
    /// Begins the clock of a call. Dropped before its end, the call counts as cancelled.
    pub(crate) fn new(metrics: M) -> Self {
        Self { metrics: Some(metrics), began: Instant::now(), waited: None }
    }

    /// The time since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes that the call has an instance now, and whether it had to wait for it: most do not, and need no clock for it. One
    /// that is told again had an instance that went.
    pub(crate) fn leased(&mut self, has_waited: bool) {
        let waits = has_waited || self.waited.is_some();
        self.waited = Some(if waits { self.elapsed() } else { Duration::ZERO });
    }

    /// Counts the call.
    pub(crate) fn ended(mut self, outcome: Option<ErrorKind>) {
        if let Some(metrics) = self.metrics.take() {
            let duration = self.elapsed();
            metrics.call_ended(outcome, duration, self.waited.unwrap_or(duration));
        }
    }
}

impl<M: Deref<Target = ClassMetrics>> Drop for Timed<M> {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            let duration = self.elapsed();
            metrics.call_cancelled(duration, self.waited.unwrap_or(duration));
        }
    }
}

impl Host {
    /// What calls, starts and exits cost and how they ended, per app and class, and what the host has as a whole, as
    /// OpenMetrics text, which Prometheus reads.
    #[must_use]
    pub fn metrics(&self) -> String {
        let host = HostGauges {
            instances_limit: self.inner.config.max_instances.into(),
            memory_budget_bytes: Some(self.inner.budget.memory_bytes()),
            memory_charged_bytes: self.inner.budget.usage().0,
            tasks: self.inner.budget.tasks_alive().map(|tasks| tasks as u64),
            draining: self.is_draining(),
        };
        let apps = self.apps();
        self.inner.metrics.encode(host, apps.values().flat_map(super::App::class_gauges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_on_when_an_app_is_replaced() {
        let metrics = Metrics::default();
        metrics.class("shop", "cart").call_ended(None, Duration::from_micros(5), Duration::ZERO);
        metrics.class("shop", "cart").call_ended(Some(ErrorKind::Trapped), Duration::from_micros(5), Duration::ZERO);
        let text = metrics.encode(HostGauges::default(), []);
        for line in [
            r#"wasmhost_calls_total{app="shop",class="cart",outcome="ok"} 1"#,
            r#"wasmhost_calls_total{app="shop",class="cart",outcome="trapped"} 1"#,
            r#"wasmhost_call_duration_seconds_count{app="shop",class="cart"} 2"#,
        ] {
            assert!(text.contains(line), "`{line}` is not in: {text}");
        }
    }

    #[test]
    fn a_call_that_is_dropped_counts_as_cancelled() {
        let class = ClassMetrics::default();
        drop(class.begin());
        let mut timed = class.begin();
        timed.leased(true);
        timed.ended(None);
        assert_eq!((class.cancelled.load(Relaxed), class.ok.load(Relaxed)), (1, 1));
        assert_eq!(class.calls.read().count(), 2);
    }

    #[test]
    fn names_that_come_and_go_are_forgotten_in_the_end() {
        let metrics = Metrics::default();
        let kept = metrics.class("kept", "c");
        kept.exited(true);
        for app in 0..MAX_CLASSES {
            metrics.class(&app.to_string(), "c");
        }
        assert!(metrics.classes.lock().unwrap().len() < MAX_CLASSES);
        assert_eq!(metrics.class("kept", "c").exits.load(Relaxed), 1);
    }
}
