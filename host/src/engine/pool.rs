//! The sizes of the pooling allocator, derived from the host's limits and checked against the machine.
//!
//! The pools are address space, not memory: what is never used costs nothing but mappings.

use wasmtime::{Enabled, PoolingAllocationConfig};

use super::{ASYNC_STACK_BYTES, EngineConfig};
use crate::error::{Error, Result};

/// Fiber stacks for each instance: one for the call, one for an exit or a drop that overlaps the next start.
const STACKS_PER_INSTANCE: u32 = 2;
/// Memories for each instance, on average: most components have one, an adapter or a composition adds one.
const MEMORIES_PER_INSTANCE: u32 = 2;
/// Tables for each instance, on average: the guest's, and those of the modules that join it to its imports.
const TABLES_PER_INSTANCE: u32 = 8;
/// Core instances for each instance, on average; only a counter. A Python guest has 14.
const CORE_INSTANCES_PER_INSTANCE: u32 = 16;
/// Bytes reserved for each memory, so that 32-bit addresses need no bounds checks, with the guard behind it.
const MEMORY_SLOT_BYTES: u64 = (4 << 30) + (32 << 20);
/// Bytes of metadata of all of a component's instances; 1 MiB, the default, is too little for a Python guest.
const MAX_INSTANCE_METADATA_BYTES: usize = 8 << 20;
/// Bytes of a memory that stay resident when its slot is released. With the kernel's page map only pages that were
/// written are reset, so the number bounds the idle pool (64 slots of it), not the work.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// Slots that stay bound to a component they served, so that the next start finds its image mapped.
const MAX_WARM_SLOTS: u32 = 64;
/// Memory mappings the rest of the process may need: libraries, heaps, threads, mapped artifacts.
const OTHER_MAPPINGS: u64 = 8_192;
/// Address space a process has on x86-64 and AArch64 Linux, less a part for everything else.
const ADDRESS_SPACE_BYTES: u64 = 100 << 40;

pub(super) fn allocation(host: &EngineConfig) -> PoolingAllocationConfig {
    let instances = with_headroom(host.max_instances);
    let limits = &host.limits;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    // An average for each, and room for one that takes all it may.
    let total = |each: u32, most: usize| instances.saturating_mul(each).saturating_add(saturating_u32(most));
    pool.total_core_instances(total(CORE_INSTANCES_PER_INSTANCE, limits.max_core_instances));
    pool.total_memories(total(MEMORIES_PER_INSTANCE, limits.max_memories));
    pool.total_tables(total(TABLES_PER_INSTANCE, limits.max_tables));
    pool.total_stacks(instances.saturating_mul(STACKS_PER_INSTANCE));
    // No memory of a garbage-collected heap: the proposal is off.
    pool.total_gc_heaps(0);
    pool.max_core_instances_per_component(saturating_u32(limits.max_core_instances));
    pool.max_memories_per_component(saturating_u32(limits.max_memories));
    pool.max_tables_per_component(saturating_u32(limits.max_tables));
    pool.max_tables_per_module(saturating_u32(limits.max_tables));
    // More than one memory in a module no toolchain makes; importing several is another matter.
    pool.max_memories_per_module(1);
    pool.table_elements(limits.max_table_elements);
    pool.max_component_instance_size(MAX_INSTANCE_METADATA_BYTES);
    pool.max_core_instance_size(MAX_INSTANCE_METADATA_BYTES);
    // All that 32 bits address: what an instance may take of it is its class's `memory`.
    pool.max_memory_size(4 << 30);
    pool.max_unused_warm_slots(MAX_WARM_SLOTS);
    // Where the kernel can list dirty pages (Linux 6.7) a slot is reset by copying those alone.
    pool.pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    // The tables of most guests have a few hundred elements of 8 bytes.
    pool.table_keep_resident(64 << 10);
    // Fiber stacks are touched for a few KiB by most calls.
    pool.async_stack_keep_resident(32 << 10);
    pool
}

/// Refuses pools that the machine would refuse later, in the middle of somebody's call.
pub(super) fn check(host: &EngineConfig) -> Result<()> {
    if host.max_instances == 0 {
        return Err(Error::bad_request("`max-instances` is 0, so that nothing could run")
            .with_limit("max-instances", "at least 1"));
    }
    let instances = u64::from(with_headroom(host.max_instances));
    // Of each engine: a stack and its guard; a memory's image, its heap and the rest of the slot; a table.
    let mappings_per_instance = 2
        * (2 * u64::from(STACKS_PER_INSTANCE) + 3 * u64::from(MEMORIES_PER_INSTANCE) + u64::from(TABLES_PER_INSTANCE));
    let mappings = instances * mappings_per_instance + OTHER_MAPPINGS;
    if let Some(limit) = max_map_count().filter(|limit| mappings > *limit) {
        let fits = limit.saturating_sub(OTHER_MAPPINGS) / mappings_per_instance;
        return Err(Error::bad_request(format!(
            "`max-instances` = {} can need {mappings} memory mappings, and the kernel gives a process {limit}; \
             lower it to {fits} or raise `vm.max_map_count`",
            host.max_instances
        ))
        .with_limit("max-instances", fits.to_string()));
    }
    let table_bytes = host.limits.max_table_elements as u64 * 8;
    let bytes_per_instance = 2
        * (u64::from(MEMORIES_PER_INSTANCE) * MEMORY_SLOT_BYTES
            + u64::from(STACKS_PER_INSTANCE) * ASYNC_STACK_BYTES as u64
            + u64::from(TABLES_PER_INSTANCE) * table_bytes);
    let limit = address_space_limit();
    if instances.saturating_mul(bytes_per_instance) > limit {
        let fits = limit / bytes_per_instance;
        return Err(Error::bad_request(format!(
            "`max-instances` = {} reserves {} GiB of address space, and this process may have {} GiB; \
             lower it to {fits} or raise the limit on virtual memory (`ulimit -v`)",
            host.max_instances,
            instances.saturating_mul(bytes_per_instance) >> 30,
            limit >> 30,
        ))
        .with_limit("max-instances", fits.to_string()));
    }
    Ok(())
}

/// Room for as many, and for those whose stores are dropped at this moment on some thread.
fn with_headroom(max_instances: u32) -> u32 {
    max_instances.saturating_add(max_instances / 32 + 2)
}

fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

fn address_space_limit() -> u64 {
    #[cfg(unix)]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        limit.unwrap_or(ADDRESS_SPACE_BYTES).min(ADDRESS_SPACE_BYTES)
    }
    #[cfg(not(unix))]
    ADDRESS_SPACE_BYTES
}

fn saturating_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
