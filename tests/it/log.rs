//! What the host logs while a test runs.

use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};

/// While it is there, what this thread's code says goes to its subscriber.
pub(crate) struct Listening {
    _default: DefaultGuard,
    _another: Dispatch,
}

/// Lets a subscriber hear this thread's code. A place in the code that another test comes to for the first time is asked about by
/// that test's thread, if there is one subscriber alone, and then stays silent for all. So there are two.
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> Listening {
    let _another = Dispatch::new(tracing_subscriber::registry());
    Listening { _default: tracing::subscriber::set_default(subscriber), _another }
}

/// What was logged, from INFO on.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins to write down what this thread's code says.
    pub(crate) fn listen(&self) -> Listening {
        listen(tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false).finish())
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
