//! What a bounded directory may hold, and what it is charged for: numbers, and nothing that reads a disk.
//!
//! Charged are the bytes of each file, and [`NAME_BYTES`] for each name: of a file, a directory or a link. A file with two
//! names is charged for its bytes once.

/// What a name is charged beside the bytes it leads to, so that empty files cannot fill a disk. The block that most file
/// systems have for an inode or a short file.
pub(super) const NAME_BYTES: u64 = 4 << 10;

/// A number, and the setting that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) most: u64,
    pub(crate) setting: &'static str,
}

/// What a directory and all below it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) bytes: Limit,
    /// Files, directories and links.
    pub(crate) files: Limit,
}

/// What something in a directory takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) bytes: u64,
    pub(super) names: u64,
}

impl Charge {
    pub(super) const NAME: Self = Self { bytes: 0, names: 1 };

    pub(super) fn bytes(bytes: u64) -> Self {
        Self { bytes, names: 0 }
    }

    /// A file with one name.
    pub(super) fn file(bytes: u64) -> Self {
        Self { bytes, names: 1 }
    }

    fn total_bytes(self) -> u64 {
        self.bytes.saturating_add(self.names.saturating_mul(NAME_BYTES))
    }
}

/// What a directory holds beside what it may.
#[derive(Debug)]
pub(super) struct Ledger {
    bound: Bound,
    used: Charge,
}

impl Ledger {
    pub(super) fn new(bound: Bound, used: Charge) -> Self {
        Self { bound, used }
    }

    /// Charges for something, all of it or nothing.
    ///
    /// # Errors
    ///
    /// The limit that it would be over.
    pub(super) fn take(&mut self, charge: Charge) -> Result<(), Limit> {
        if charge.names > 0 && self.used.names.saturating_add(charge.names) > self.bound.files.most {
            return Err(self.bound.files);
        }
        if charge.total_bytes() > self.room_bytes() {
            return Err(self.bound.bytes);
        }
        self.used.bytes += charge.bytes;
        self.used.names += charge.names;
        Ok(())
    }

    /// Charges for so many bytes or as many as there is room for, and says how many those are.
    pub(super) fn take_up_to(&mut self, bytes: u64) -> u64 {
        let taken = bytes.min(self.room_bytes());
        self.used.bytes += taken;
        taken
    }

    /// Takes a charge back.
    pub(super) fn give_back(&mut self, charge: Charge) {
        debug_assert!(charge.bytes <= self.used.bytes && charge.names <= self.used.names, "{charge:?} of {self:?}");
        self.used.bytes = self.used.bytes.saturating_sub(charge.bytes);
        self.used.names = self.used.names.saturating_sub(charge.names);
    }

    pub(super) fn room_bytes(&self) -> u64 {
        self.bound.bytes.most.saturating_sub(self.used.total_bytes())
    }

    pub(super) fn bound(&self) -> Bound {
        self.bound
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> Charge {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Limit = Limit { most: 10 * NAME_BYTES, setting: "tmp" };
    const FILES: Limit = Limit { most: 3, setting: "max-tmp-files" };

    fn ledger() -> Ledger {
        Ledger::new(Bound { bytes: BYTES, files: FILES }, Charge::default())
    }

    #[test]
    fn a_charge_fits_to_the_last_byte_and_no_further() {
        let mut ledger = ledger();
        ledger.take(Charge::file(9 * NAME_BYTES)).unwrap();
        assert_eq!(ledger.take(Charge::bytes(1)), Err(BYTES));
        assert_eq!(ledger.take(Charge::NAME), Err(BYTES), "an empty file is charged too");
        ledger.give_back(Charge::bytes(1));
        ledger.take(Charge::bytes(1)).unwrap();
        assert_eq!(ledger.used(), Charge::file(9 * NAME_BYTES));
    }

    #[test]
    fn names_are_counted() {
        let mut ledger = ledger();
        (0..3).for_each(|_| ledger.take(Charge::NAME).unwrap());
        assert_eq!(ledger.take(Charge::NAME), Err(FILES));
        ledger.take(Charge::bytes(1)).unwrap();
        ledger.give_back(Charge::NAME);
        ledger.take(Charge::NAME).unwrap();
    }

    #[test]
    fn what_does_not_fit_takes_what_there_is() {
        let mut ledger = ledger();
        assert_eq!(ledger.take_up_to(NAME_BYTES), NAME_BYTES);
        assert_eq!(ledger.take_up_to(u64::MAX), 9 * NAME_BYTES);
        assert_eq!((ledger.take_up_to(1), ledger.room_bytes()), (0, 0));
    }

    #[test]
    fn sizes_that_no_disk_has_are_refused() {
        let mut ledger = ledger();
        assert_eq!(ledger.take(Charge::file(u64::MAX)), Err(BYTES));
        assert_eq!(ledger.take(Charge { bytes: 0, names: u64::MAX }), Err(FILES));
        assert_eq!(ledger.used(), Charge::default());
    }

    #[test]
    fn a_directory_that_holds_too_much_already_takes_nothing_more() {
        let bound = Bound { bytes: Limit { most: 1, ..BYTES }, files: FILES };
        let mut ledger = Ledger::new(bound, Charge::file(5));
        assert_eq!(ledger.take_up_to(1), 0);
        assert_eq!(ledger.take(Charge::bytes(1)), Err(bound.bytes));
    }
}
