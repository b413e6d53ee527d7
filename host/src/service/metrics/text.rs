//! The metrics as text, in the format of OpenMetrics; each has its name, help and unit here and nowhere else.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::{BOUNDS_NANOS, Histogram};
use super::{ClassGauges, ClassMetrics, HostGauges};
use crate::error::ErrorKind;

/// Everything that one answer is made of.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) classes: Vec<((String, String), Arc<ClassMetrics>)>,
    pub(super) gauges: Vec<ClassGauges>,
    pub(super) host: HostGauges,
}

pub(super) fn encode(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut encoded = String::new();
    text::encode(&mut encoded, &registry).expect("a `String` takes any text");
    encoded
}

/// The name and help of a metric.
struct Described {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.calls(&mut encoder)?;
        self.starts(&mut encoder)?;
        self.gauges(&mut encoder)?;
        self.host(&mut encoder)
    }
}

impl Scrape {
    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let calls =
            described("wasmhost_calls", "Calls that came to an end, by outcome: `ok`, or the kind of the error");
        let mut metric = calls.begin(encoder, MetricType::Counter)?;
        for ((app, class), metrics) in &self.classes {
            let mut outcome = |outcome: &str, count: &AtomicU64, always: bool| match count.load(Relaxed) {
                // Most kinds never happen to most classes.
                0 if !always => Ok(()),
                count => ConstCounter::new(count).encode(metric.encode_family(&[
                    ("app", &**app),
                    ("class", class),
                    ("outcome", outcome),
                ])?),
            };
            outcome("ok", &metrics.ok, true)?;
            for (kind, count) in ErrorKind::ALL.iter().zip(&metrics.failed) {
                outcome(kind.as_str(), count, false)?;
            }
            outcome("cancelled", &metrics.cancelled, false)?;
        }
        let duration = seconds("wasmhost_call_duration", "Time from a call's arrival to its answer");
        self.histogram(encoder, &duration, |metrics| &metrics.calls)?;
        let wait = seconds("wasmhost_wait_duration", "Time from a call's arrival until it had an instance");
        self.histogram(encoder, &wait, |metrics| &metrics.waits)
    }

    fn starts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let starts = described("wasmhost_cold_starts", "Attempts to start and enter an instance, by outcome");
        self.outcomes(encoder, &starts, |metrics| [&metrics.started, &metrics.failed_starts])?;
        let duration = seconds("wasmhost_cold_start_duration", "Time that starting and entering an instance took");
        self.histogram(encoder, &duration, |metrics| &metrics.starts)?;
        let exits = described(
            "wasmhost_exits",
            "Instances that were let out, by outcome of their `exit`; it fails also when it is too slow",
        );
        self.outcomes(encoder, &exits, |metrics| [&metrics.exits, &metrics.failed_exits])?;
        let evictions = described("wasmhost_evictions", "Idle instances that made room for others");
        self.counter(encoder, &evictions, |metrics| &metrics.evictions)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let instances = described("wasmhost_instances", "Instances, by state");
        let mut metric = instances.begin(encoder, MetricType::Gauge)?;
        for ClassGauges { app, class, instances, .. } in &self.gauges {
            let states = [
                ("starting", instances.starting),
                ("idle", instances.idle),
                ("busy", instances.busy),
                ("exiting", instances.exiting),
            ];
            for (state, count) in states {
                let labels = [("app", &**app), ("class", class), ("state", state)];
                ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
        let waiting = described("wasmhost_waiting", "Callers that wait for an instance");
        self.gauge(encoder, &waiting, |gauges| gauges.waiting)?;
        let memory = Described {
            name: "wasmhost_memory_charged",
            help: "Memory that instances count in the budget",
            unit: Some(Unit::Bytes),
        };
        self.gauge(encoder, &memory, |gauges| gauges.memory_bytes)?;

        let tuples = described("wasmhost_tuples", "Sets of parameters that have a pool");
        let mut metric = tuples.begin(encoder, MetricType::Gauge)?;
        // The gauges of one app stand together.
        for app in self.gauges.chunk_by(|one, next| one.app == next.app) {
            let sum: u64 = app.iter().map(|gauges| gauges.tuples).sum();
            ConstGauge::new(sum).encode(metric.encode_family(&[("app", &*app[0].app)])?)?;
        }
        Ok(())
    }

    fn host(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let limit = described("wasmhost_instances_limit", "Instances that may be alive at once");
        ConstGauge::new(self.host.instances_limit).encode(limit.begin(encoder, MetricType::Gauge)?)?;
        if let Some(bytes) = self.host.memory_budget_bytes {
            let budget = Described {
                name: "wasmhost_memory_budget",
                help: "Memory that instances may take together before idle ones are evicted",
                unit: Some(Unit::Bytes),
            };
            ConstGauge::new(bytes).encode(budget.begin(encoder, MetricType::Gauge)?)?;
        }
        let charged = Described {
            name: "wasmhost_memory_budget_charged",
            help: "Memory that all instances count in the budget, those of replaced apps and those in no pool included",
            unit: Some(Unit::Bytes),
        };
        ConstGauge::new(self.host.memory_charged_bytes).encode(charged.begin(encoder, MetricType::Gauge)?)?;
        if let Some(alive) = self.host.tasks {
            let tasks = described("wasmhost_tasks", "Tasks alive on the runtime that instances live on");
            ConstGauge::new(alive).encode(tasks.begin(encoder, MetricType::Gauge)?)?;
        }
        let draining = described("wasmhost_draining", "1 once a shutdown has begun");
        ConstGauge::new(u64::from(self.host.draining)).encode(draining.begin(encoder, MetricType::Gauge)?)
    }

    /// A counter of what goes well or fails.
    fn outcomes(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        described: &Described,
        ok_and_failed: impl Fn(&ClassMetrics) -> [&AtomicU64; 2],
    ) -> fmt::Result {
        let mut metric = described.begin(encoder, MetricType::Counter)?;
        for ((app, class), metrics) in &self.classes {
            for (outcome, count) in ["ok", "failed"].into_iter().zip(ok_and_failed(metrics)) {
                let labels = [("app", &**app), ("class", class), ("outcome", outcome)];
                ConstCounter::new(count.load(Relaxed)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn counter(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        described: &Described,
        count: impl Fn(&ClassMetrics) -> &AtomicU64,
    ) -> fmt::Result {
        let mut metric = described.begin(encoder, MetricType::Counter)?;
        for ((app, class), metrics) in &self.classes {
            let count = count(metrics).load(Relaxed);
            ConstCounter::new(count).encode(metric.encode_family(&[("app", app), ("class", class)])?)?;
        }
        Ok(())
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        described: &Described,
        value: impl Fn(&ClassGauges) -> u64,
    ) -> fmt::Result {
        let mut metric = described.begin(encoder, MetricType::Gauge)?;
        for gauges in &self.gauges {
            let labels = [("app", &gauges.app), ("class", &gauges.class)];
            ConstGauge::new(value(gauges)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn histogram(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        described: &Described,
        histogram: impl Fn(&ClassMetrics) -> &Histogram,
    ) -> fmt::Result {
        let mut metric = described.begin(encoder, MetricType::Histogram)?;
        for ((app, class), metrics) in &self.classes {
            let reading = histogram(metrics).read();
            // The encoder sums the buckets up.
            let bounds = BOUNDS_NANOS.iter().map(|nanos| seconds_of(*nanos)).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(reading.counts).collect();
            metric.encode_family(&[("app", app), ("class", class)])?.encode_histogram::<NoLabelSet>(
                seconds_of(reading.sum_nanos),
                reading.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

impl Described {
    fn begin<'a>(
        &'a self,
        encoder: &'a mut DescriptorEncoder<'_>,
        metric_type: MetricType,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), metric_type)
    }
}

fn described(name: &'static str, help: &'static str) -> Described {
    Described { name, help, unit: None }
}

fn seconds(name: &'static str, help: &'static str) -> Described {
    Described { name, help, unit: Some(Unit::Seconds) }
}

#[expect(clippy::cast_precision_loss, reason = "a sum over 104 days is off by a nanosecond")]
fn seconds_of(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;
    use crate::service::InstanceCounts;

    fn text() -> String {
        let metrics = ClassMetrics::default();
        for micros in [1, 2, 200, 3_000_000, 500_000_000] {
            metrics.call_ended(None, Duration::from_micros(micros), Duration::ZERO);
        }
        metrics.call_ended(Some(ErrorKind::ReturnedError), Duration::from_micros(4), Duration::ZERO);
        metrics.start_ended(false, Duration::from_millis(1));
        metrics.exited(true);
        metrics.exited(false);
        metrics.exited(false);
        let gauges = ClassGauges {
            instances: InstanceCounts { idle: 3, ..InstanceCounts::default() },
            tuples: 2,
            ..ClassGauges::new("a\"b\\c\nd", "c")
        };
        let other = ClassGauges { class: "e".to_owned(), ..gauges.clone() };
        encode(Scrape {
            classes: vec![(("a\"b\\c\nd".to_owned(), "c".to_owned()), Arc::new(metrics))],
            gauges: vec![gauges, other],
            host: HostGauges {
                instances_limit: 1000,
                memory_budget_bytes: Some(1 << 30),
                memory_charged_bytes: 3 << 20,
                tasks: Some(7),
                draining: true,
            },
        })
    }

    /// A line `name{labels} value`, taken apart.
    fn sample(line: &str) -> (&str, &str, f64) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        (name, labels.strip_suffix('}').unwrap(), value.parse().unwrap())
    }

    #[test]
    fn every_metric_has_help_and_a_type_and_every_line_is_of_one() {
        let text = text();
        let mut helped = BTreeSet::new();
        let mut types = BTreeMap::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(helped.insert(help.split(' ').next().unwrap()), "twice: {line}");
            } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
                let (name, of_type) = of_type.split_once(' ').unwrap();
                assert!(helped.contains(name) && types.insert(name, of_type).is_none(), "{line}");
            } else if !line.starts_with('#') {
                let (name, _, _) = sample(line);
                let suffixes: &[&str] = match types.iter().next_back() {
                    None => &[],
                    Some(_) => &["", "_total", "_bucket", "_sum", "_count"],
                };
                let known =
                    suffixes.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|n| types.contains_key(n)));
                assert!(known, "{line}");
            }
        }
        let expected = [
            "wasmhost_call_duration_seconds",
            "wasmhost_calls",
            "wasmhost_cold_start_duration_seconds",
            "wasmhost_cold_starts",
            "wasmhost_draining",
            "wasmhost_evictions",
            "wasmhost_exits",
            "wasmhost_instances",
            "wasmhost_instances_limit",
            "wasmhost_memory_budget_bytes",
            "wasmhost_memory_budget_charged_bytes",
            "wasmhost_memory_charged_bytes",
            "wasmhost_tasks",
            "wasmhost_tuples",
            "wasmhost_wait_duration_seconds",
            "wasmhost_waiting",
        ];
        assert_eq!(types.keys().copied().collect::<Vec<_>>(), expected);
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn labels_are_escaped_and_gauges_of_an_app_summed_up() {
        let text = text();
        assert!(text.contains(r#"wasmhost_tuples{app="a\"b\\c\nd"} 4"#), "{text}");
        assert!(
            text.contains(r#"wasmhost_calls_total{app="a\"b\\c\nd",class="c",outcome="returned-error"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"class="e",state="idle"} 3"#), "{text}");
        assert!(
            text.contains(r#"wasmhost_cold_starts_total{app="a\"b\\c\nd",class="c",outcome="failed"} 1"#),
            "{text}"
        );
        for (outcome, count) in [("ok", 1), ("failed", 2)] {
            let exits = format!(r#"wasmhost_exits_total{{app="a\"b\\c\nd",class="c",outcome="{outcome}"}} {count}"#);
            assert!(text.contains(&exits), "{text}");
        }
        assert!(!text.contains("outcome=\"timed-out\""), "what never happened takes no line: {text}");
    }

    #[test]
    fn the_host_has_gauges_of_its_own_and_no_tasks_before_a_runtime() {
        let text = text();
        for line in ["wasmhost_memory_budget_charged_bytes 3145728", "wasmhost_tasks 7", "wasmhost_draining 1"] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in: {text}");
        }
        let host = HostGauges::default();
        assert!(!encode(Scrape { classes: Vec::new(), gauges: Vec::new(), host }).contains("wasmhost_tasks"));
    }

    #[test]
    fn buckets_add_up_to_the_count() {
        let text = text();
        let of = |suffix: &str| {
            let name = format!("wasmhost_call_duration_seconds_{suffix}");
            text.lines().filter(|line| line.starts_with(&name)).map(sample).collect::<Vec<_>>()
        };
        let buckets: Vec<_> = of("bucket").iter().map(|(_, _, value)| *value).collect();
        assert_eq!(buckets.len(), BOUNDS_NANOS.len() + 1);
        assert!(buckets.is_sorted() && buckets[0] < buckets[buckets.len() - 1], "{buckets:?}");
        assert!(of("bucket").last().unwrap().1.contains("le=\"+Inf\""));
        assert_eq!((of("count")[0].2, buckets[buckets.len() - 1]), (6.0, 6.0));
        assert!((of("sum")[0].2 - 503.000_207).abs() < 1e-6);
    }
}
