//! How far a server is with the apps it is about to serve. Pure but for a lock that is held for a look-up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};

/// What keeps an app from being served yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its turn has not come.
    Waiting,
    /// The guest's compiler runs.
    Building,
    /// Its components are compiled, or found compiled.
    Compiling,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Building => "building",
            Self::Compiling => "compiling",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is said of an app that is about to be served, at every front.
pub(crate) fn not_ready(app: &str, phase: &str) -> Error {
    Error::new(ErrorKind::Starting, format!("the app `{app}` is not ready yet: {phase}"))
}

/// Which apps are not there yet, and whether the server still wants requests. All clones are one.
///
/// A new one is ready: there is nothing to wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    draining: AtomicBool,
    phases: Mutex<BTreeMap<String, Phase>>,
}

impl Readiness {
    /// Says that requests for `app` have to wait, and for what.
    pub(crate) fn set(&self, app: &str, phase: Phase) {
        self.phases_mut().insert(app.to_owned(), phase);
    }

    /// Says that nothing keeps `app` any longer.
    pub(crate) fn clear(&self, app: &str) {
        self.phases_mut().remove(app);
    }

    /// Says for good that this server wants no more requests. It answers those that come all the same.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// What `app` waits for.
    pub(crate) fn phase(&self, app: &str) -> Option<Phase> {
        self.phases_mut().get(app).copied()
    }

    /// What each app waits for, for those that do.
    pub(crate) fn phases(&self) -> BTreeMap<String, &'static str> {
        self.phases_mut().iter().map(|(app, phase)| (app.clone(), phase.as_str())).collect()
    }

    fn phases_mut(&self) -> MutexGuard<'_, BTreeMap<String, Phase>> {
        self.0.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_no_app_has_a_phase() {
        let readiness = Readiness::default();
        readiness.set("a", Phase::Building);
        readiness.clone().set("a", Phase::Compiling);
        assert_eq!(readiness.phase("a"), Some(Phase::Compiling));
        assert_eq!(readiness.phase("b"), None);
        readiness.clear("a");
        assert!(readiness.phases().is_empty());
    }
}
