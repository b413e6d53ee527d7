//! What there is of the machine for this process.

/// Bytes of memory: the machine's, or what a container may take of it.
pub(super) fn memory_bytes() -> u64 {
    let of_machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    let of_group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    of_machine.unwrap_or(u64::MAX).min(of_group.unwrap_or(u64::MAX))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_bytes() {
        assert_eq!(total_of("MemTotal:       25165824 kB\nMemFree: 1 kB\n"), Some(24 << 30));
        assert_eq!(total_of("nothing of the kind"), None);
        assert!(memory_bytes() > 64 << 20);
    }
}
