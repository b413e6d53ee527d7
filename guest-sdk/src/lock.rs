//! An async read-write lock for the state of an instance whose calls run at the same time.
//!
//! ```text
//! shared ──▶ free, or shared by others, and nobody waits: in
//! exclusive ▶ free, and nobody waits: in                       else: to the end of the queue
//! a guard goes ──▶ the first of the queue is woken; once it is in, it wakes the next
//! ```
//!
//! Whoever came first is in first, so neither kind can starve the other. It knows one thread, as guests have, and no
//! runtime.

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::task::{Poll, Waker};

use crate::alone::{Alone, Changing};

/// A value that many may read or one may change.
#[derive(Debug)]
pub struct Lock<T> {
    value: Alone<T>,
    queue: RefCell<VecDeque<Waiting>>,
    next: Cell<u64>,
}

/// Someone in the queue.
#[derive(Debug)]
struct Waiting {
    number: u64,
    waker: Waker,
}

impl<T> Lock<T> {
    /// Makes a lock around `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { value: Alone::new(value), queue: RefCell::new(VecDeque::new()), next: Cell::new(0) }
    }

    /// Waits until the value can be read.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the queue.
    pub async fn shared(&self) -> Shared<'_, T> {
        self.wait_for(Self::try_shared).await
    }

    /// Waits until the value can be changed.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the queue.
    pub async fn exclusive(&self) -> Exclusive<'_, T> {
        self.wait_for(Self::try_exclusive).await
    }

    fn try_shared(&self) -> Option<Shared<'_, T>> {
        Some(Shared { value: self.value.try_shared()?, _wake: WakeNext(&self.queue) })
    }

    fn try_exclusive(&self) -> Option<Exclusive<'_, T>> {
        Some(Exclusive { value: self.value.try_exclusive()?, _wake: WakeNext(&self.queue) })
    }

    async fn wait_for<'a, G>(&'a self, attempt: impl Fn(&'a Self) -> Option<G>) -> G {
        let mut place = None::<Place<'a>>;
        poll_fn(|context| {
            let number = place.as_ref().map(|place| place.number);
            let is_turn = self.queue.borrow().front().is_none_or(|first| Some(first.number) == number);
            if is_turn && let Some(guard) = attempt(self) {
                // Leaving the queue wakes the next, which may be able to share.
                place = None;
                return Poll::Ready(guard);
            }
            let number = number.unwrap_or_else(|| {
                let number = self.next.replace(self.next.get().wrapping_add(1));
                place = Some(Place { number, queue: &self.queue });
                number
            });
            let mut queue = self.queue.borrow_mut();
            match queue.iter_mut().find(|waiting| waiting.number == number) {
                Some(waiting) => waiting.waker.clone_from(context.waker()),
                None => queue.push_back(Waiting { number, waker: context.waker().clone() }),
            }
            Poll::Pending
        })
        .await
    }
}

/// A place in the queue, given up when it is dropped.
#[derive(Debug)]
struct Place<'a> {
    number: u64,
    queue: &'a RefCell<VecDeque<Waiting>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.borrow_mut().retain(|waiting| waiting.number != self.number);
        wake_first(self.queue);
    }
}

/// Wakes whoever is first, once the guard that it is part of is gone.
#[derive(Debug)]
struct WakeNext<'a>(&'a RefCell<VecDeque<Waiting>>);

impl Drop for WakeNext<'_> {
    fn drop(&mut self) {
        wake_first(self.0);
    }
}

fn wake_first(queue: &RefCell<VecDeque<Waiting>>) {
    // Outside of the borrow: a waker may run anything.
    let first = queue.borrow().front().map(|waiting| waiting.waker.clone());
    if let Some(waker) = first {
        waker.wake();
    }
}

/// The value, for reading. Fields are dropped in order: the value is free before the next is woken.
#[derive(Debug)]
pub struct Shared<'a, T> {
    value: Ref<'a, T>,
    _wake: WakeNext<'a>,
}

impl<T> Deref for Shared<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The value, for changing. Fields are dropped in order: the value is free before the next is woken.
#[derive(Debug)]
pub struct Exclusive<'a, T> {
    value: Changing<'a, T>,
    _wake: WakeNext<'a>,
}

impl<T> Exclusive<'_, T> {
    /// Takes the value for good.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    #[must_use]
    pub fn take(self) -> T {
        self.value.take()
    }
}

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Exclusive<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn poll<F: Future>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken)))) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let (lock, woken) = (Lock::new(1), Arc::default());
        let one = poll(pin!(lock.shared()), &woken).unwrap();
        let two = poll(pin!(lock.shared()), &woken).unwrap();
        let mut writer = pin!(lock.exclusive());
        assert!(poll(writer.as_mut(), &woken).is_none());
        drop(one);
        assert!(poll(writer.as_mut(), &woken).is_none());
        drop(two);
        *poll(writer.as_mut(), &woken).unwrap() += 1;
        assert_eq!(*lock.try_shared().unwrap(), 2);
    }

    #[test]
    fn a_reader_does_not_pass_a_writer_that_waits() {
        let (lock, woken) = (Lock::new(()), Arc::default());
        let reader = lock.try_shared().unwrap();
        let (mut writer, mut later) = (pin!(lock.exclusive()), pin!(lock.shared()));
        assert!(poll(writer.as_mut(), &woken).is_none());
        assert!(poll(later.as_mut(), &woken).is_none());
        drop(reader);
        let held = poll(writer, &woken).unwrap();
        assert!(poll(later.as_mut(), &woken).is_none());
        drop(held);
        assert!(poll(later, &woken).is_some());
    }

    #[test]
    fn readers_wake_each_other_in_turn() {
        let (lock, first, second) = (Lock::new(()), Arc::default(), Arc::default());
        let writer = lock.try_exclusive().unwrap();
        let (mut one, mut two) = (pin!(lock.shared()), pin!(lock.shared()));
        assert!(poll(one.as_mut(), &first).is_none() && poll(two.as_mut(), &second).is_none());
        drop(writer);
        assert_eq!((first.count(), second.count()), (1, 0));
        let _one = poll(one, &first).unwrap();
        assert_eq!(second.count(), 1);
        assert!(poll(two, &second).is_some());
    }

    #[test]
    fn who_gives_up_waiting_does_not_hold_up_others() {
        let (lock, woken, last) = (Lock::new(()), Arc::default(), Arc::default());
        let reader = lock.try_shared().unwrap();
        let mut writer = Box::pin(lock.exclusive());
        let mut later = pin!(lock.shared());
        assert!(poll(writer.as_mut(), &woken).is_none() && poll(later.as_mut(), &last).is_none());
        drop(writer);
        assert_eq!(last.count(), 1);
        assert!(poll(later, &last).is_some());
        drop(reader);
    }
}
