//! Serves the promises about hooks: several of each run in the order written, `#[build] #[enter]` runs at both times, a
//! state may be `Default`, and all exits run though one fails.

use wasmhost_guest::prelude::*;

/// What each function has noted, in a static: a state exists only once it was made.
mod journal {
    use std::cell::RefCell;

    thread_local! {
        static LINES: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn note(line: &'static str) {
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    pub(crate) fn lines() -> String {
        LINES.with_borrow(|lines| lines.join(", "))
    }
}

#[class(timeout = "5s")]
mod steps {
    use super::journal::{lines, note};

    pub struct Small(u32);
    pub struct Large(String);

    pub struct Steps {
        sum: u32,
        text: &'static str,
    }

    #[build]
    #[enter]
    fn both() {
        note("both");
    }

    impl Steps {
        #[build]
        fn small() -> Small {
            note("build small");
            Small(1)
        }

        #[build]
        async fn large() -> Result<Large, String> {
            note("build large");
            Ok(Large("large".to_owned()))
        }

        #[enter]
        fn before() {
            note("before");
        }

        #[enter]
        fn new(#[built] small: &'static Small, more: u32, #[built] large: &'static Large) -> Self {
            note("new");
            Self { sum: small.0 + more, text: &large.0 }
        }

        #[enter]
        async fn after(&mut self, #[default(10)] yet_more: u32) -> Result<()> {
            note("after");
            self.sum += yet_more;
            Ok(())
        }

        #[method]
        fn journal(&self) -> String {
            format!("{}: {} {}", lines(), self.sum, self.text)
        }

        #[exit]
        fn first(&self) -> Result<()> {
            println!("exit first");
            Err(error!("the first failed"))
        }

        #[exit]
        async fn second(&mut self) -> Result<(), String> {
            println!("exit second");
            Err("the second failed".to_owned())
        }

        #[exit]
        fn last(self) {
            println!("exit last {}", self.sum);
        }
    }
}

#[class]
mod counter {
    #[derive(Default)]
    pub struct Counter(u32);

    impl Counter {
        #[method]
        fn add(&mut self, #[default(1)] by: u32) -> u32 {
            self.0 += by;
            self.0
        }
    }
}

/// A constructor that runs in `build`, too.
#[class]
mod stacked {
    pub struct Stacked {
        found: bool,
    }

    impl Stacked {
        #[build]
        #[enter]
        fn load() -> Result<Self> {
            let found = std::fs::exists("/image/weights")?;
            if !found {
                std::fs::write("/image/weights", "w")?;
            }
            Ok(Self { found })
        }

        #[method]
        fn found(&self) -> bool {
            self.found
        }
    }
}
