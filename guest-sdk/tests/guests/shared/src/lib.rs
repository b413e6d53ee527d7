//! Serves the promises about instances whose calls run at the same time: those that read the state share it, those that
//! change it are alone, and a function without `async` may wait for it, too.

use wasmhost_guest::prelude::*;

#[class(concurrency = 8, max_instances = 1)]
mod shared {
    use std::future::poll_fn;
    use std::task::Poll;

    #[derive(Default)]
    pub struct Shared {
        written: u32,
    }

    /// Lets others have their turn.
    async fn pause() {
        let mut is_over = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_over, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    impl Shared {
        /// Adds one, and gives others the chance to add theirs to the same number.
        #[method]
        async fn add(&mut self) -> u32 {
            let before = self.written;
            for _ in 0..10 {
                pause().await;
            }
            self.written = before + 1;
            self.written
        }

        #[method]
        async fn read(&self) -> u32 {
            pause().await;
            self.written
        }

        #[method]
        fn read_at_once(&self) -> u32 {
            self.written
        }

        #[exit]
        fn close(self) {
            println!("written {}", self.written);
        }
    }
}
