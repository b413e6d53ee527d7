//! What happened in pools that are empty and gone, for when they come back. Pure.
//!
//! A set of parameters with one instance has a pool for as long as that instance lives: without this no such pool would ever
//! tell of an exit. It is bounded, so that memory does not grow with the parameters that were ever used.

use std::collections::{BTreeMap, HashMap};

use super::key::Key;
use super::policy::Counts;

/// Pools of a class that are remembered.
const MAX_POOLS: usize = 1_024;

/// A longer key is not remembered: a class may take half a MiB for its own and for their order, each.
const MAX_KEY_BYTES: usize = 512;

/// The totals of pools that went, those of the last that did.
#[derive(Debug, Default)]
pub(super) struct Departed {
    totals: HashMap<Key, (u64, Counts)>,
    /// By when they went.
    order: BTreeMap<u64, Key>,
    next: u64,
}

impl Departed {
    /// An empty pool goes.
    pub(super) fn leave(&mut self, key: Key, totals: Counts) {
        if totals == Counts::default() || key.bytes().len() > MAX_KEY_BYTES {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.order.insert(number, key.clone());
        if let Some((earlier, _)) = self.totals.insert(key, (number, totals)) {
            self.order.remove(&earlier);
        }
        if self.order.len() > MAX_POOLS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.totals.remove(&oldest);
        }
    }

    /// A pool is made: what happened in the one before it.
    pub(super) fn come_back(&mut self, key: &Key) -> Counts {
        let Some((number, totals)) = self.totals.remove(key) else { return Counts::default() };
        self.order.remove(&number);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::from(&number.to_le_bytes()[..])
    }

    fn calls(calls: u64) -> Counts {
        Counts { calls, ..Counts::default() }
    }

    #[test]
    fn the_last_that_went_are_remembered_and_no_more() {
        let mut departed = Departed::default();
        for number in 0..20_000 {
            departed.leave(key(number), calls(number as u64 + 1));
        }
        assert_eq!((departed.totals.len(), departed.order.len()), (MAX_POOLS, MAX_POOLS));
        assert_eq!(departed.come_back(&key(0)), Counts::default());
        assert_eq!(departed.come_back(&key(20_000 - MAX_POOLS)), calls(20_001 - MAX_POOLS as u64));
        assert_eq!(departed.come_back(&key(19_999)), calls(20_000));
        assert_eq!(departed.come_back(&key(19_999)), Counts::default(), "a pool has them now");
        assert_eq!((departed.totals.len(), departed.order.len()), (MAX_POOLS - 2, MAX_POOLS - 2));
    }

    #[test]
    fn one_that_comes_and_goes_takes_the_place_of_one() {
        let mut departed = Departed::default();
        departed.leave(key(0), calls(1));
        for went in 1..5_000 {
            let before = departed.come_back(&key(1));
            assert_eq!(before.calls, went - 1);
            departed.leave(key(1), calls(went));
            departed.leave(key(1), calls(went));
        }
        assert_eq!((departed.totals.len(), departed.order.len()), (2, 2));
        assert_eq!(departed.come_back(&key(0)), calls(1));
    }

    #[test]
    fn nothing_is_kept_of_pools_where_nothing_happened_or_whose_key_is_long() {
        let mut departed = Departed::default();
        departed.leave(key(0), Counts::default());
        departed.leave(Key::from(&[0; MAX_KEY_BYTES + 1][..]), calls(1));
        assert!(departed.totals.is_empty() && departed.order.is_empty());
    }
}
