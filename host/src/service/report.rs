//! What the host says of its pools: plain data, ready to be printed or serialized.
//!
//! Keys are in snake_case; within a minor version they are only added.

#[cfg(feature = "cli")]
mod foremost;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::App;
use super::class::Class;
use super::keeper::ClassKeeper;
use super::metrics::ClassGauges;
use crate::pool::{Counts, Pool};

/// The instances of one class with one set of parameters, and what became of them so far. What happened goes on to count
/// when all instances have gone and come back, for the last thousand sets of parameters of a class of which that is true.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolReport {
    /// The class.
    pub class: String,
    /// The parameters by name, with defaults filled in.
    pub parameters: Value,
    /// Instances by state, as they are now.
    pub instances: InstanceCounts,
    /// Callers that wait for an instance.
    pub waiting: u64,
    /// Calls that got an instance.
    pub calls: u64,
    /// Instances that were started and entered.
    pub starts: u64,
    /// Instances that ended with their `exit`.
    pub exits: u64,
    /// Idle instances that made room for others, which is one way to an exit.
    pub evictions: u64,
    /// Starts that came to nothing.
    pub failed_starts: u64,
    /// Why the last start came to nothing, if none went well since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Bytes that its instances count in the memory budget.
    pub memory_bytes: u64,
}

/// Instances by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounts {
    /// On the way to their first call.
    pub starting: u64,
    /// Entered, and free.
    pub idle: u64,
    /// At work on a call.
    pub busy: u64,
    /// In their `exit`.
    pub exiting: u64,
}

impl AddAssign for InstanceCounts {
    fn add_assign(&mut self, more: Self) {
        self.starting += more.starting;
        self.idle += more.idle;
        self.busy += more.busy;
        self.exiting += more.exiting;
    }
}

fn report(class: &Class, pool: &Pool<ClassKeeper>) -> PoolReport {
    let (counts, memory_bytes, last_error) = pool.report();
    PoolReport {
        class: class.name().to_owned(),
        parameters: class.inner.pools.keeper().parameters_json(pool.parameters()),
        instances: instances(&counts),
        waiting: counts.waiting as u64,
        calls: counts.calls,
        starts: counts.starts,
        exits: counts.exits,
        evictions: counts.evictions,
        failed_starts: counts.failed_starts,
        last_error,
        memory_bytes,
    }
}

fn instances(counts: &Counts) -> InstanceCounts {
    InstanceCounts {
        starting: counts.starting as u64,
        idle: counts.idle as u64,
        busy: counts.busy as u64,
        exiting: counts.exiting as u64,
    }
}

impl App {
    /// The pools of the app: one for each set of parameters that has instances, or had some lately.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolReport> {
        self.classes().flat_map(|class| class.inner.pools.iter().map(|pool| report(class, &pool))).collect()
    }

    /// The pools summed up by class, one entry for each class.
    pub(crate) fn class_gauges(&self) -> Vec<ClassGauges> {
        let mut gauges: Vec<_> = self.classes().map(|class| ClassGauges::new(self.name(), class.name())).collect();
        for (class, gauges) in self.classes().zip(&mut gauges) {
            for pool in class.inner.pools.iter() {
                let (counts, memory_bytes) = pool.usage();
                gauges.instances += instances(&counts);
                gauges.waiting += counts.waiting as u64;
                gauges.memory_bytes += memory_bytes;
                gauges.tuples += 1;
            }
        }
        gauges
    }
}
