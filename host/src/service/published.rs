//! The apps that fronts can reach by name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use super::Host;
use super::app::App;
use super::known::unknown;
use crate::error::Result;

/// The apps of a host that answer under their names.
#[derive(Default)]
pub(super) struct Published {
    apps: RwLock<Arc<BTreeMap<String, App>>>,
    generation: AtomicU64,
    followers: Mutex<Vec<Weak<dyn Follower>>>,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published")
            .field("apps", &self.apps)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Holds what it worked out from the apps, and has to let go of those that are no more.
pub(crate) trait Follower: Send + Sync {
    /// Told after each change of the apps.
    fn apps_changed(&self);
}

impl Host {
    /// Makes an app answer under its name: at the web front, and to whoever asks for it by [`app`](Self::app).
    ///
    /// An app of the same name is replaced, and given back: what runs in it runs on, its idle instances exit.
    pub fn publish(&self, app: &App) -> Option<App> {
        for class in app.classes() {
            if let Err(error) = class.keep_ready() {
                tracing::warn!(app = app.name(), class = class.name(), %error, "instances cannot be kept ready");
            }
        }
        let before = self.published.change(|apps| apps.insert(app.name().to_owned(), app.clone()));
        before.inspect(App::retire)
    }

    /// Takes an app out of reach. What runs in it runs on, its idle instances exit.
    ///
    /// # Errors
    ///
    /// `not-found`, naming the nearest apps.
    pub fn unpublish(&self, name: &str) -> Result<App> {
        let app = self.app(name)?;
        self.published.change(|apps| apps.remove(name));
        app.retire();
        Ok(app)
    }

    /// Finds a published app by name.
    ///
    /// # Errors
    ///
    /// `not-found`, naming the nearest apps.
    pub fn app(&self, name: &str) -> Result<App> {
        self.published.app(name)
    }

    /// The published apps by name, as they are now.
    #[must_use]
    pub fn apps(&self) -> Arc<BTreeMap<String, App>> {
        self.published.apps()
    }

    /// Tells this one of each change of the apps, for as long as it lives.
    #[cfg(feature = "http")]
    pub(crate) fn follow_apps(&self, follower: Weak<dyn Follower>) {
        self.published.followers().push(follower);
    }

    /// Counts the changes of [`Host::apps`], so that what is derived from them is made anew only after one.
    pub(crate) fn apps_generation(&self) -> u64 {
        self.published.generation.load(Ordering::Acquire)
    }
}

impl Published {
    fn apps(&self) -> Arc<BTreeMap<String, App>> {
        self.apps.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As [`Host::app`].
    pub(super) fn app(&self, name: &str) -> Result<App> {
        let apps = self.apps();
        apps.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = apps.keys().cloned().collect();
            unknown(format!("there is no app `{name}`"), name, &known, "apps")
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, App>) -> T) -> T {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(Arc::make_mut(&mut apps));
        self.generation.fetch_add(1, Ordering::Release);
        drop(apps);
        self.followers().retain(|follower| follower.upgrade().inspect(|follower| follower.apps_changed()).is_some());
        changed
    }

    fn followers(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Follower>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Follower for Counter {
        fn apps_changed(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn followers_are_told_while_they_live() {
        let (published, counters) = (Published::default(), [Arc::new(Counter::default()), Arc::default()]);
        for counter in &counters {
            let follower: Weak<Counter> = Arc::downgrade(counter);
            published.followers().push(follower);
        }
        published.change(|_| ());
        let [one, other] = counters;
        drop(other);
        published.change(|_| ());
        assert_eq!((one.0.load(Ordering::Relaxed), published.followers().len()), (2, 1));
    }
}
