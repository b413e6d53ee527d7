//! The callers of one pool who wait for an instance: how they come in, what they are refused with, and how they leave.

use std::convert::Infallible;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Inner, Pool, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::budget::{Queued, overloaded};
use crate::pool::lease::Lease;
use crate::pool::policy::{Acquired, Limits, Ticket};
use crate::pool::tasks::Lent;
use crate::pool::waits::{InTheWay, Nested, WaitsFor};
use crate::pool::{Keeper, Settings, Starts};

/// When a call that waits is looked at for the second time.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// A caller's place in the queue.
pub(in crate::pool) struct Waiting<K: Keeper> {
    pool: Arc<Pool<K>>,
    ticket: Ticket,
    lease: oneshot::Receiver<Result<Lease<K>>>,
    /// The start that this caller asked for. It belongs to the pool: whoever is first in line gets the instance.
    start: Option<Lent>,
    /// Of a caller from outside.
    _queued: Option<Queued>,
}

impl<K: Keeper> Waiting<K> {
    /// Waits, unless what is waited for could only come about when `nested`, the call that waits, has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place, or the lease that came meanwhile.
    pub(in crate::pool) async fn lease(mut self, nested: Option<&Nested>) -> Result<Lease<K>> {
        let limit = self.pool.shared.settings.wait_timeout;
        let pool = self.pool.clone();
        let in_vain = async {
            match nested {
                Some(nested) => waits_in_vain(&nested.wait_for(pool.clone())).await,
                None => std::future::pending().await,
            }
        };
        let start = self.start.take();
        let starting = async {
            if let Some(mut start) = start {
                start.run().await;
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            never = starting => match never {},
            lease = &mut self.lease => match lease {
                Ok(lease) => lease,
                Err(_) => Err(Error::new(ErrorKind::Draining, "the host is shutting down")),
            },
            in_the_way = in_vain => Err(self.pool.would_deadlock(in_the_way)),
            () = tokio::time::sleep(limit) => Err(self.pool.kept_waiting()),
        }
    }
}

/// Returns when a call waits in vain. It does so from the beginning, or from when a start turns out to have no place: looked at
/// again soon, and then less and less often.
async fn waits_in_vain(waits: &WaitsFor<'_>) -> InTheWay {
    let mut pause = FIRST_LOOK;
    loop {
        if let Some(in_the_way) = waits.in_vain() {
            return in_the_way;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

impl<K: Keeper> Drop for Waiting<K> {
    fn drop(&mut self) {
        let waiter = self.pool.lock().policy.cancel(self.ticket);
        drop(waiter);
    }
}

impl<K: Keeper> Pool<K> {
    /// What a caller waited for in vain, with the setting that would have changed it.
    fn kept_waiting(&self) -> Error {
        let Settings { limits, wait_timeout: waited, .. } = self.shared.settings;
        let app = &self.shared.app;
        let (is_held_up, is_unplaced, is_full) = {
            let inner = self.lock();
            // An instance is there, and only its app's other calls are in the way.
            (inner.policy.could_grant(), inner.unplaced > 0, inner.policy.is_full())
        };
        if is_held_up {
            return app.runs_too_much(waited);
        }
        if is_unplaced {
            return app.host.no_place(waited);
        }
        let mut message = format!("no instance became free within {waited:?}, which is the class's `wait-timeout`");
        if is_full {
            message += &format!("; it may have {} for these parameters, its `max-instances`", limits.max_instances);
        }
        overloaded(message, Duration::from_secs(1)).with_limit("wait-timeout", format!("{waited:?}"))
    }

    /// What a caller would wait for in vain.
    fn would_deadlock(&self, in_the_way: InTheWay) -> Error {
        let Limits { max_instances, concurrency, .. } = self.shared.settings.limits;
        let would = "the call would wait for an instance that only its own callers can give back";
        let (message, limit) = if in_the_way.at_work.is_some() {
            let places = self.shared.app.host.limits.max_instances;
            let message = format!(
                "{would}: all {places} of the host are at work for calls that wait for this one; the setting is the host's \
                 `--max-instances`"
            );
            (message, places)
        } else {
            let what = self.shared.keeper.describe(&self.parameters);
            let (calls, or) = match concurrency {
                1 => (String::new(), ""),
                _ => (format!(" with {concurrency} calls in each"), ", or `concurrency`"),
            };
            let message = format!(
                "{would}: `max-instances` of {what} is {max_instances}{calls}, and all are at work for calls that wait for this \
                 one; the setting is `max-instances`{or}"
            );
            (message, max_instances)
        };
        Error::new(ErrorKind::WouldDeadlock, message).with_limit("max-instances", limit.to_string())
    }

    /// What is left for a caller who did not get an instance at once.
    pub(super) fn queue_up(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner<K>>,
        acquired: &Acquired,
        (depth, starts): (u32, Starts),
        now: Instant,
    ) -> Step<K> {
        let refusal = match *acquired {
            Acquired::BackingOff(left) => {
                let message = "no instance is started after the last failure";
                let error = inner.last_error.clone().unwrap_or_else(|| Error::internal(message));
                Some(error.with_retry_after(left))
            }
            Acquired::Full => {
                let max = self.shared.settings.limits.max_waiting;
                let message = format!("{max} callers wait for an instance already; the setting is `max-waiting`");
                let error = overloaded(message, Duration::from_secs(1));
                Some(error.with_limit("max-waiting", max.to_string()))
            }
            Acquired::Leased { .. } | Acquired::Wait => None,
        };
        let queued = match refusal {
            Some(error) => Err(error),
            None if depth > 0 => Ok(None),
            None => self.shared.app.queue().map(Some),
        };
        let queued = match queued {
            Ok(queued) => queued,
            Err(error) => {
                // A pool that was made for this caller alone has nothing to be kept for.
                self.settle(inner, now);
                return Step::Refused(error);
            }
        };
        let (grant, lease) = oneshot::channel();
        let ticket = inner.policy.enqueue(grant, depth);
        let start = match starts {
            Starts::Here => self.settle_for_caller(inner, now),
            Starts::AsTasks => {
                self.settle(inner, now);
                None
            }
        };
        Step::Waiting(Waiting { pool: self.clone(), ticket, lease, start, _queued: queued })
    }
}
