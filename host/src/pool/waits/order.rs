//! Whether things that need each other can come about one after another. Pure, in one pass: each thing and each need is looked
//! at once.

use std::collections::HashMap;
use std::hash::Hash;

/// What something needs before it can come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Needs<T> {
    /// All of these; it needs nothing where there are none.
    AllOf(Vec<T>),
    /// One of these; it cannot come about where there are none.
    AnyOf(Vec<T>),
}

/// Whether `wanted` can come about, by what `needs` says of everything.
pub(super) fn is_possible<T: Copy + Eq + Hash>(wanted: T, needs: impl Fn(T) -> Needs<T>) -> bool {
    // How many needs are left of each thing, and who needs it.
    let mut left: HashMap<T, usize> = HashMap::new();
    let mut needed_by: HashMap<T, Vec<T>> = HashMap::new();
    let mut possible = Vec::new();
    let mut unseen = vec![wanted];
    while let Some(thing) = unseen.pop() {
        if left.contains_key(&thing) {
            continue;
        }
        let (count, needed) = match needs(thing) {
            Needs::AllOf(things) => (things.len(), things),
            Needs::AnyOf(things) => (1, things),
        };
        left.insert(thing, count);
        if count == 0 {
            possible.push(thing);
        }
        for other in needed {
            needed_by.entry(other).or_default().push(thing);
            unseen.push(other);
        }
    }
    while let Some(thing) = possible.pop() {
        if thing == wanted {
            return true;
        }
        for other in needed_by.remove(&thing).unwrap_or_default() {
            // One that came about before needs nothing more.
            if let Some(count @ 1..) = left.get_mut(&other) {
                *count -= 1;
                if *count == 0 {
                    possible.push(other);
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::Needs::{AllOf, AnyOf};
    use super::*;

    #[test]
    fn what_needs_itself_is_impossible_unless_there_is_another_way() {
        assert!(!is_possible(1, |_| AllOf(vec![1])));
        assert!(!is_possible(1, |_| AnyOf(vec![1])));
        assert!(!is_possible(1, |_| AnyOf(Vec::new())));
        assert!(is_possible(1, |_| AllOf(Vec::new())));
        assert!(is_possible(1, |thing| if thing == 1 { AnyOf(vec![1, 2]) } else { AllOf(Vec::new()) }));
    }

    #[test]
    fn all_is_more_than_any() {
        let needs = |all: bool| {
            move |thing| match thing {
                1 if all => AllOf(vec![2, 3]),
                1 => AnyOf(vec![2, 3]),
                2 => AllOf(vec![1]),
                _ => AllOf(Vec::new()),
            }
        };
        assert!(is_possible(1, needs(false)));
        assert!(!is_possible(1, needs(true)));
    }

    #[test]
    fn a_thousand_who_need_one_room_and_hold_it_are_looked_at_once_each() {
        const ROOM: u32 = 0;
        let asked = Cell::new(0);
        // Each holds the room, and needs a call that waits for the room.
        let needs = |thing: u32| {
            asked.set(asked.get() + 1);
            match thing {
                ROOM => AnyOf((1..=1_000).collect()),
                1..=1_000 => AllOf(vec![thing + 1_000]),
                _ => AnyOf(vec![ROOM]),
            }
        };
        assert!(!is_possible(1_001, needs));
        assert_eq!(asked.get(), 2_001);
    }
}
