//! The right to run one call in an instance.

use std::fmt;
use std::sync::Arc;

use super::members::{Pool, Seated};
use super::policy::Slot;
use super::waits::{PoolNumber, Room};
use super::{Held, Keeper};

/// The right to run one call in an instance. Dropping it gives the instance back to its pool; one that is no longer sound
/// is dropped with it.
pub(crate) struct Lease<K: Keeper> {
    pool: Arc<Pool<K>>,
    slot: Slot,
    /// Taken out by `Drop` alone.
    seated: Option<Seated<K>>,
    has_waited: bool,
}

/// A leased instance, as far as its lease goes.
pub(crate) enum Guest<'a, K: Keeper> {
    /// Nobody else has it.
    Exclusive(&'a mut K::Exclusive),
    /// Others may call it at the same time. Whoever goes on with the guest's task keeps the lease until that has ended.
    Shared(&'a Arc<K::Shared>),
}

impl<K: Keeper> Lease<K> {
    pub(super) fn new(pool: Arc<Pool<K>>, slot: Slot, seated: Seated<K>) -> Self {
        Self { pool, slot, seated: Some(seated), has_waited: false }
    }

    /// One whose caller had to wait for it.
    pub(super) fn after_waiting(pool: Arc<Pool<K>>, slot: Slot, seated: Seated<K>) -> Self {
        let mut lease = Self::new(pool, slot, seated);
        lease.has_waited = true;
        lease
    }

    /// Whether its caller had to wait for it.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// The instance's number, unique in the process.
    pub(crate) fn id(&self) -> u64 {
        self.seated.as_ref().map_or(0, |seated| seated.id)
    }

    /// The number of the pool, the same for as long as there is a lease of it.
    pub(crate) fn pool(&self) -> PoolNumber {
        self.pool.number()
    }

    /// The instance.
    pub(crate) fn guest(&mut self) -> Guest<'_, K> {
        match &mut self.seated.as_mut().expect("only `Drop` takes it").instance {
            Held::Exclusive(exclusive) => Guest::Exclusive(&mut **exclusive),
            Held::Shared(shared) => Guest::Shared(shared),
        }
    }

    /// What lets the instance take no more calls, for whoever is left behind when the lease goes elsewhere.
    pub(crate) fn retirer(&self) -> Retirer<K> {
        Retirer { pool: self.pool.clone(), slot: self.slot, id: self.id() }
    }
}

impl<K: Keeper> Drop for Lease<K> {
    fn drop(&mut self) {
        if let Some(seated) = self.seated.take() {
            self.pool.give_back(self.slot, seated);
        }
    }
}

impl<K: Keeper> fmt::Debug for Lease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("instance", &self.id()).finish_non_exhaustive()
    }
}

/// Retires the instance of a lease.
pub(crate) struct Retirer<K: Keeper> {
    pool: Arc<Pool<K>>,
    slot: Slot,
    id: u64,
}

impl<K: Keeper> Retirer<K> {
    /// Lets the instance take no more calls; it exits when it is empty. Nothing happens if it is idle, or gone.
    pub(crate) fn retire(self) {
        self.pool.retire_instance(self.slot, self.id);
    }
}
