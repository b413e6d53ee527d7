//! An instance that waits with its end for a body which its guest left to others, as it may in WASI 0.3.
//!
//! ```text
//!  guest has ended ── lend ──▶ Lender … Loan ── the body has ended, or is dropped ──▶ the instance goes back to its pool
//!                                └── the host stops ─────────────────────────────────────▲
//! ```
//! Such a body goes on without its guest, and yet not without the instance: that takes the bodies of its requests to other
//! servers with it. What is lent must not be known here.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was lent, in the hands of whoever looks after the instance.
pub(super) struct Lender<T>(Arc<Mutex<Lent<T>>>);

/// The same in the hands of a body; over when it is dropped.
pub(super) struct Loan<T>(Arc<Mutex<Lent<T>>>);

enum Lent<T> {
    NothingYet,
    It(T),
    /// It went back, or would at once.
    Over,
}

/// Both ends of a loan.
pub(super) fn loan<T>() -> (Lender<T>, Loan<T>) {
    let lent = Arc::new(Mutex::new(Lent::NothingYet));
    (Lender(lent.clone()), Loan(lent))
}

impl<T> Lender<T> {
    /// Lends it, unless the body is over.
    pub(super) fn lend(&self, it: T) {
        let mut lent = lock(&self.0);
        if let Lent::NothingYet = *lent {
            *lent = Lent::It(it);
        }
    }

    /// Takes it back.
    pub(super) fn end(&self) {
        end(&self.0);
    }
}

impl<T> Loan<T> {
    /// Gives it back.
    pub(super) fn end(&self) {
        end(&self.0);
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Dropped outside of the lock: an instance that goes back may start others.
fn end<T>(lent: &Mutex<Lent<T>>) {
    let it = mem::replace(&mut *lock(lent), Lent::Over);
    drop(it);
}

fn lock<T>(lent: &Mutex<Lent<T>>) -> MutexGuard<'_, Lent<T>> {
    lent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_back_when_either_end_says_so_and_is_not_lent_after_that() {
        for ends in
            [|_: &Lender<_>, loan: &Loan<Arc<()>>| loan.end(), |lender: &Lender<_>, _: &Loan<Arc<()>>| lender.end()]
        {
            let (lender, loan) = loan();
            let it = Arc::new(());
            lender.lend(it.clone());
            assert_eq!(Arc::strong_count(&it), 2);
            ends(&lender, &loan);
            assert_eq!(Arc::strong_count(&it), 1);
            lender.lend(it.clone());
            assert_eq!(Arc::strong_count(&it), 1);
        }
    }

    #[test]
    fn it_goes_back_with_the_body() {
        let (lender, loan) = loan();
        let it = Arc::new(());
        lender.lend(it.clone());
        drop(loan);
        assert_eq!(Arc::strong_count(&it), 1);
    }
}
