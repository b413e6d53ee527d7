//! Runs one future to its end, on what the host says is ready.
//!
//! It knows one thread, as guests have. What waits is known as long as who waits for it: the host does not let go of a
//! stream that somebody still waits for.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use wasip2::io::poll::{Pollable, poll};

thread_local! {
    static WAITING: RefCell<Waiting<Pollable>> = const { RefCell::new(Waiting(Vec::new())) };
}

/// Waits until the host says that something may be ready: whoever asked tries again.
pub(super) async fn ready(pollable: &Rc<Pollable>) {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| waiting.add(pollable, context.waker()));
        Poll::Pending
    })
    .await;
}

/// Runs a future to its end.
///
/// # Panics
///
/// If it waits for something that nobody here can see: another instance's answer, which is `async`.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    run(future, || {
        let live = WAITING.with_borrow_mut(Waiting::live);
        assert!(!live.is_empty(), "a handler without `async` waits for a call; make it by `wait`, or write `async fn`");
        let refs: Vec<_> = live.iter().map(|pollable| &**pollable).collect();
        for at in poll(&refs) {
            let at = usize::try_from(at).expect("an index");
            let waker = WAITING.with_borrow_mut(|waiting| waiting.take(&live[at]));
            // Outside of the borrow: a waker may run anything.
            waker.into_iter().for_each(Waker::wake);
        }
    })
}

/// Polls a future until it is done, and lets `wait` wake it in between.
fn run<F: Future>(future: F, mut wait: impl FnMut()) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !woken.0.swap(false, Ordering::Relaxed) {
            wait();
        }
    }
}

/// Whether the future has something to do.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is waited for, and who is to be told.
#[derive(Debug)]
struct Waiting<P>(Vec<(Weak<P>, Waker)>);

impl<P> Waiting<P> {
    /// Adds something, or who is to be told of it now.
    fn add(&mut self, what: &Rc<P>, waker: &Waker) {
        match self.0.iter_mut().find(|(known, _)| known.as_ptr() == Rc::as_ptr(what)) {
            Some((_, known)) => known.clone_from(waker),
            None => self.0.push((Rc::downgrade(what), waker.clone())),
        }
    }

    /// What somebody still waits for; the rest is forgotten.
    fn live(&mut self) -> Vec<Rc<P>> {
        self.0.retain(|(what, _)| what.strong_count() > 0);
        self.0.iter().filter_map(|(what, _)| what.upgrade()).collect()
    }

    /// Takes out who is to be told.
    fn take(&mut self, what: &Rc<P>) -> Option<Waker> {
        let at = self.0.iter().position(|(known, _)| known.as_ptr() == Rc::as_ptr(what))?;
        Some(self.0.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_any_more_is_forgotten() {
        let mut waiting = Waiting(Vec::new());
        let (one, two) = (Rc::new(1), Rc::new(2));
        waiting.add(&one, Waker::noop());
        waiting.add(&two, Waker::noop());
        waiting.add(&two, Waker::noop());
        drop(one);
        assert_eq!(waiting.live(), [Rc::clone(&two)]);
        assert!(waiting.take(&two).is_some() && waiting.take(&two).is_none());
        assert_eq!(Rc::strong_count(&two), 1);
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again_without_a_wait() {
        let mut count = 0;
        let future = poll_fn(|context| {
            count += 1;
            context.waker().wake_by_ref();
            if count == 3 { Poll::Ready(count) } else { Poll::Pending }
        });
        assert_eq!(run(future, || panic!("there is something to do")), 3);
    }

    #[test]
    fn a_future_is_polled_once_what_it_waits_for_is_there() {
        let waker = RefCell::new(None::<Waker>);
        let mut polls = 0;
        let future = poll_fn(|context| {
            polls += 1;
            *waker.borrow_mut() = Some(context.waker().clone());
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut waits = 0;
        run(future, || {
            waits += 1;
            // Something else was ready the first time.
            if waits == 2 {
                waker.borrow_mut().take().expect("it waits").wake();
            }
        });
        assert_eq!((waits, polls), (2, 2));
    }
}
