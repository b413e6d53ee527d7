//! The memory limiter: one sum over all memories and tables of a store, and a record of what it refused.
//!
//! Guests react to a failed growth with an `unreachable` of their own, so the record is what lets the error say
//! `memory-exceeded` instead of a bare trap.

use wasmtime::ResourceLimiter;

use crate::config::InstanceLimits;
use crate::memory::is_out_of_memory;

/// Bytes one table element takes in the host.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Counts what a store's memories and tables take.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    max_bytes: u64,
    used_bytes: u64,
    /// What the growth under way added, to be given back when the allocator itself fails.
    last_growth_bytes: u64,
    refusal: Option<MemoryRefusal>,
    max_table_elements: usize,
    max_instances: usize,
    max_tables: usize,
    max_memories: usize,
}

/// A growth that was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryRefusal {
    /// Memories and tables together would have taken this many bytes.
    Bytes { wanted: u64, max: u64 },
    /// One table would have had this many elements.
    TableElements { wanted: usize, max: usize },
    /// The system had no more for this process.
    NoneLeft,
}

impl MemoryLimiter {
    pub(crate) fn new(max_bytes: u64, limits: &InstanceLimits) -> Self {
        Self {
            max_bytes,
            used_bytes: 0,
            last_growth_bytes: 0,
            refusal: None,
            max_table_elements: limits.max_table_elements,
            max_instances: limits.max_core_instances,
            max_tables: limits.max_tables,
            max_memories: limits.max_memories,
        }
    }

    /// Bytes taken by all memories and tables of the store.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Lets everything grow, for a guest that is only read any more.
    pub(crate) fn lift(&mut self) {
        self.max_bytes = u64::MAX;
    }

    /// Takes the record of the last refusal, so that an earlier one that the guest survived blames no later trap.
    pub(crate) fn take_refusal(&mut self) -> Option<MemoryRefusal> {
        self.refusal.take()
    }

    fn grow(&mut self, bytes: u64) -> bool {
        let wanted = self.used_bytes.saturating_add(bytes);
        if wanted > self.max_bytes {
            self.refusal = Some(MemoryRefusal::Bytes { wanted, max: self.max_bytes });
            return false;
        }
        self.used_bytes = wanted;
        self.last_growth_bytes = bytes;
        true
    }

    fn give_back(&mut self) {
        self.used_bytes = self.used_bytes.saturating_sub(std::mem::take(&mut self.last_growth_bytes));
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A module's own maximum is no limit of ours: the growth fails in the engine.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        if is_out_of_memory(&format!("{error:#}")) {
            self.refusal = Some(MemoryRefusal::NoneLeft);
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.max_table_elements {
            self.refusal = Some(MemoryRefusal::TableElements { wanted: desired, max: self.max_table_elements });
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64 * TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.max_instances
    }

    fn tables(&self) -> usize {
        self.max_tables
    }

    fn memories(&self) -> usize {
        self.max_memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max_bytes: u64) -> MemoryLimiter {
        MemoryLimiter::new(max_bytes, &InstanceLimits::default())
    }

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = limiter(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap(), "a second memory shares the limit");
        assert_eq!(limiter.take_refusal(), Some(MemoryRefusal::Bytes { wanted: 120, max: 100 }));
        assert_eq!(limiter.take_refusal(), None);
        assert_eq!(limiter.used_bytes(), 60);
    }

    #[test]
    fn a_growth_the_allocator_could_not_do_is_given_back() {
        let mut limiter = limiter(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no pages")).unwrap();
        assert_eq!(limiter.used_bytes(), 0);
    }

    #[test]
    fn tables_count_and_have_a_length() {
        let mut limiter = limiter(1 << 20);
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert_eq!(limiter.used_bytes(), 80);
        assert!(!limiter.table_growing(10, 200_000, None).unwrap());
        assert_eq!(limiter.take_refusal(), Some(MemoryRefusal::TableElements { wanted: 200_000, max: 100_000 }));
    }

    #[test]
    fn a_modules_own_maximum_is_not_blamed_on_the_limit() {
        let mut limiter = limiter(1 << 20);
        assert!(!limiter.memory_growing(0, 4096, Some(1024)).unwrap());
        assert_eq!(limiter.take_refusal(), None);
    }
}
