//! Serves the promises about many callers on a pool that has no instance yet: an `enter` that takes as long as it is told
//! to, and then goes well or wrong.

use std::time::Duration;

use exports::test::slow::sloth::Guest;

wit_bindgen::generate!({ path: "wit" });

struct Sloth;

impl Guest for Sloth {
    #[expect(clippy::disallowed_methods, reason = "sleeping in the host is what a test asks for")]
    fn enter(milliseconds: u64, fails: bool) -> Result<(), String> {
        std::thread::sleep(Duration::from_millis(milliseconds));
        if fails { Err("too slow".to_owned()) } else { Ok(()) }
    }

    fn noop() {}
}

export!(Sloth);
