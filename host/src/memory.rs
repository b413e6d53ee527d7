//! Want of memory: how it is told from other failures. It passes, so what failed of it is not kept as refused for good.
//!
//! This module must not know who wanted the memory, or what for.

use std::any::Any;

/// What the words are of those who get no memory: of the allocator, the system, the engine, and whoever wants another thread.
const OUT_OF_MEMORY: [&str; 5] = [
    "memory allocation of",
    "Cannot allocate memory",
    "os error 12",
    "failed to allocate",
    "Resource temporarily unavailable",
];

/// Whether somebody else's words tell of want of memory, which passes.
pub(crate) fn is_out_of_memory(words: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|of_memory| words.contains(of_memory))
}

/// What a panic over somebody's bytes is told as: `what`, and want of memory where it was that, for it passes.
pub(crate) fn of_panic(what: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let words = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    let told = OUT_OF_MEMORY.iter().find(|of_memory| words.contains(**of_memory));
    // Code that was refused memory may panic over something else that it then has not.
    let of_memory = told.or_else(|| OUT_OF_MEMORY.first().filter(|_| is_short_of_memory()));
    of_memory.map_or_else(|| what.to_owned(), |of_memory| format!("{what}: {of_memory}"))
}

/// Whether this process has bounds on its memory, and has, or ever had, more than half of that.
fn is_short_of_memory() -> bool {
    let Some(bound) = rustix::process::getrlimit(rustix::process::Resource::Data).current else { return false };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // What the system counts against the bound now, and what was used at most.
    ["VmData:", "VmHWM:"].iter().any(|name| {
        let kib =
            status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
        kib.is_some_and(|kib| kib.saturating_mul(2 * 1024) > bound)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(panic: Box<dyn Any + Send>) -> String {
        of_panic("the compiler failed on it", &*panic)
    }

    #[test]
    fn a_panic_for_want_of_memory_says_so() {
        let words = told(Box::new("memory allocation of 4096 bytes failed"));
        assert!(is_out_of_memory(&words), "{words}");
        let words = told(Box::new(String::from("spawn: Resource temporarily unavailable")));
        assert!(is_out_of_memory(&words), "{words}");
    }

    #[test]
    fn any_other_panic_is_told_without_its_words() {
        // Tests run without a bound on memory, or far below it.
        assert_eq!(told(Box::new("index out of bounds")), "the compiler failed on it");
        assert_eq!(told(Box::new(7)), "the compiler failed on it");
    }
}
