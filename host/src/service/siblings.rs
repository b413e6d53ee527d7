//! The classes of one version of an app, as they find each other.
//!
//! Handles of classes hold them all, so that a class which somebody calls finds the others though their app is no longer
//! reachable. The instances hold none of it: they live in the pools of classes.

use std::sync::{Arc, OnceLock, Weak};

use super::class::{Class, ClassInner};
use super::known::unknown;
use super::published::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Name;

/// The classes of one version of an app, once it is loaded.
pub(super) struct Siblings {
    app: String,
    classes: OnceLock<Box<[Arc<ClassInner>]>>,
    /// The apps that their host serves.
    published: Weak<Published>,
}

impl Siblings {
    pub(super) fn new(app: &str, published: Weak<Published>) -> Arc<Self> {
        Arc::new(Self { app: app.to_owned(), classes: OnceLock::new(), published })
    }

    /// All classes are known now.
    pub(super) fn complete(&self, classes: &[Class]) {
        self.classes.get_or_init(|| classes.iter().map(|class| class.inner.clone()).collect());
    }

    /// The class that one of them means by `name`: one of its own app, or `APP/CLASS` of another one that is served and `allowed`.
    ///
    /// # Errors
    ///
    /// `not-found`, naming the nearest classes or apps; `forbidden` for an app that is not allowed.
    pub(super) fn find(self: &Arc<Self>, name: &str, allowed: &[Name]) -> Result<Class> {
        let Some((app, class)) = name.split_once('/') else { return self.own(name) };
        // The full name of an interface has a slash as well.
        if let Ok(class) = self.own(name) {
            return Ok(class);
        }
        if app == self.app {
            return self.own(class);
        }
        // Before it is looked for: who may not call an app need not know whether it is there.
        if !allowed.iter().any(|allowed| allowed.as_str() == app) {
            let listed: Vec<_> = allowed.iter().map(Name::as_str).collect();
            let message = format!(
                "the app `{}` may not call the app `{app}` from here; the setting is the calling class's `allow-calls`",
                self.app
            );
            let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
            return Err(Error::new(ErrorKind::Forbidden, message).with_limit("allow-calls", listed));
        }
        let published = self.published.upgrade().ok_or_else(|| Error::not_found(format!("there is no app `{app}`")))?;
        published.app(app)?.class(class)
    }

    fn own(self: &Arc<Self>, name: &str) -> Result<Class> {
        let classes = self.classes.get().map_or(&[][..], |classes| classes);
        let is_meant = |class: &&Arc<ClassInner>| {
            crate::values::same(&class.name, name) || class.export.as_deref().is_some_and(|export| export == name)
        };
        if let Some(inner) = classes.iter().find(is_meant) {
            return Ok(Class { inner: inner.clone(), _siblings: self.clone() });
        }
        let known: Vec<_> = classes.iter().map(|class| class.name.clone()).collect();
        Err(unknown(format!("the app `{}` has no class `{name}`", self.app), name, &known, "classes"))
    }
}
