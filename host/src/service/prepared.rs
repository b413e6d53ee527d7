//! What the instances of a class are made of, once it is there.
//!
//! ```text
//!  load:            is there a snapshot of what `build` would see? ─ no ─▶ build, snapshot, compile
//!  first instance:  verify, map, link ─▶ blueprint on the snapshot ─▶ every start
//!                        └─ refused ─▶ the component as it came: `build` runs in each instance
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::OnceCell;

use super::HostInner;
use super::code::{Code, ComponentCode};
use super::plan::Plan;
use super::world::World;
use crate::artifact::{BuildOrder, Built, Digest, FileRecord, Kept, Outcome, SnapshotKey, Store, Taken, Task, is_lost};
use crate::error::{Error, Result};
use crate::instance::{Blueprint, Replay};
use crate::state::{Directory, WasiSpec};

/// The directory that `build` writes and everybody after it reads, by its name in the guest.
const IMAGE: &str = crate::artifact::IMAGE;

/// What the instances of a class are made of.
pub(super) struct Prepared {
    pub(super) plan: Arc<Plan>,
    pub(super) code: Arc<ComponentCode>,
    pub(super) build: Option<Arc<Build>>,
    pub(super) made: OnceCell<Arc<Blueprint>>,
}

/// The one run of a component's `build` hooks.
pub(super) struct Build {
    pub(super) code: Arc<ComponentCode>,
    pub(super) order: BuildOrder,
    /// Holds the files in place that `build` reads, also when nobody waits for it any more.
    pub(super) _world: Arc<World>,
    pub(super) ready: OnceCell<Arc<Ready>>,
    pub(super) is_fallback_told: AtomicBool,
}

/// What is there of a component after `build`.
enum OnDisk {
    Code,
    /// Its code is another engine's, or was damaged.
    SnapshotAlone,
}

/// What came of it, mapped and linked.
pub(super) enum Ready {
    Snapshot {
        code: Code,
        handles: Arc<Replay>,
        kept: Box<Kept>,
    },
    /// `build` runs in each instance.
    Fallback,
}

impl Prepared {
    /// Sees to it that all that instances need is on disk, or will be: nothing is mapped yet. Runs `build` if nobody has before.
    ///
    /// # Errors
    ///
    /// `bad-request` where the component cannot be compiled, `build-failed` or `memory-exceeded` from the hooks.
    pub(super) async fn ensure(self: &Arc<Self>) -> Result<()> {
        match &self.build {
            None => self.code.ensure().await,
            Some(build) => build.ensure().await,
        }
    }

    /// What instances are made of.
    ///
    /// # Errors
    ///
    /// As [`ensure`](Self::ensure); the next start tries again.
    pub(super) async fn blueprint(&self) -> Result<Arc<Blueprint>> {
        let made = self.made.get_or_try_init(|| self.make()).await?;
        if made.builds.is_empty() {
            return Ok(made.clone());
        }
        // `build` runs in this very instance, and writes where nobody else has.
        let mut blueprint = (**made).clone();
        let host = self.code.host.upgrade().ok_or_else(|| Error::internal("the host is gone"))?;
        blueprint.setup.wasi.directories.push(image_of_its_own(&host.store)?);
        Ok(Arc::new(blueprint))
    }

    async fn make(&self) -> Result<Arc<Blueprint>> {
        let Some(build) = &self.build else { return Ok(Arc::new(self.plan.on(&*self.code.get().await?)?)) };
        match &*build.ready().await? {
            Ready::Fallback => Ok(Arc::new(self.plan.on(&*self.code.get().await?)?)),
            Ready::Snapshot { code, handles, kept } => {
                let mut wasi = self.plan.wasi.clone()?;
                wasi.clock = kept.taken.clock;
                wasi.directories.push(Directory::own(kept.image(), IMAGE));
                Ok(Arc::new(self.plan.on_snapshot(code, wasi, handles.clone())?))
            }
        }
    }

    /// Why `build` runs in each instance although it should not.
    pub(super) fn fallback(&self) -> Option<String> {
        let Some(build) = &self.build else { return None };
        match build.built()?.outcome {
            Outcome::Refused(reason) => Some(reason),
            Outcome::Taken(_) => None,
        }
    }
}

/// The `/image` of an instance that runs `build` itself: removed with it.
pub(super) fn image_of_its_own(store: &Store) -> Result<Directory> {
    let dir = store.staging_dir("image-").map_err(|error| Error::io(format!("a directory for `{IMAGE}`"), error))?;
    let mut directory = Directory::own(dir.path().to_owned(), IMAGE);
    directory.writable = true;
    directory.is_bounded = true;
    directory.keeps = Some(Arc::new(dir));
    Ok(directory)
}

impl Build {
    /// What came of the hooks, as far as the records tell.
    pub(super) fn built(&self) -> Option<Built> {
        self.code.host.upgrade()?.store.built(&self.order.key).ok()?
    }

    async fn ensure(self: &Arc<Self>) -> Result<()> {
        if self.ready.initialized() {
            return Ok(());
        }
        let build = self.clone();
        let found = self.code.blocking(move |code, host| {
            let key = &build.order.key;
            if host.config.rebuild && host.is_first_rebuild(key) {
                let again = BuildOrder { again: true, ..build.order.clone() };
                // Who asks once more after a failure means the same.
                code.perform(host, Task::Build(Box::new(again))).inspect_err(|_| host.forget_rebuild(key))?;
            }
            match code.of_store(host, host.store.built(key))? {
                Some(built) => Ok((build.on_disk(&built.outcome, code, host)?, Some(built))),
                None => {
                    build.perform(code, host)?;
                    Ok((OnDisk::Code, code.of_store(host, host.store.built(key))?))
                }
            }
        });
        let (on_disk, built) = found.await?;
        if let OnDisk::SnapshotAlone = on_disk {
            // For this engine it has to be compiled again, from what was kept: nobody waits for that but who calls.
            let build = self.clone();
            if let Some(host) = self.code.host.upgrade() {
                host.drain.drivers().spawn(async move { build.ready().await.map(|_| ()) });
            }
        }
        if let Some(Outcome::Refused(reason)) = built.map(|built| built.outcome) {
            self.tell_fallback(&reason);
            self.code.ensure().await?;
        }
        Ok(())
    }

    fn on_disk(&self, outcome: &Outcome, code: &ComponentCode, host: &HostInner) -> Result<OnDisk> {
        let engine = host.linkers.engines().get(code.kind)?;
        Ok(match outcome {
            Outcome::Taken(taken) => {
                match code.of_store(host, host.store.has_code(&taken.digest, code.kind, engine))? {
                    Some(_) => OnDisk::Code,
                    None => OnDisk::SnapshotAlone,
                }
            }
            Outcome::Refused(_) => OnDisk::Code,
        })
    }

    fn perform(&self, code: &ComponentCode, host: &HostInner) -> Result<()> {
        code.perform(host, Task::Build(Box::new(self.order.clone())))
    }

    async fn ready(self: &Arc<Self>) -> Result<Arc<Ready>> {
        let ready = self.ready.get_or_try_init(async || {
            let build = self.clone();
            let ready = self.code.blocking(move |code, host| build.make_ready(code, host)).await?;
            self.check_pack_later(&ready);
            Ok::<_, Error>(ready)
        });
        ready.await.cloned()
    }

    fn make_ready(&self, code: &ComponentCode, host: &HostInner) -> Result<Arc<Ready>> {
        let key = &self.order.key;
        let mut performed = false;
        loop {
            let built = code.of_store(host, host.store.built(key))?;
            let found = match built.map(|built| built.outcome) {
                None => None,
                Some(Outcome::Refused(reason)) => {
                    self.tell_fallback(&reason);
                    return Ok(Arc::new(Ready::Fallback));
                }
                Some(Outcome::Taken(taken)) => self.mapped(&taken, code, host)?,
            };
            match found {
                Some(ready) => return Ok(Arc::new(ready)),
                None if performed => {
                    return Err(Error::internal("a snapshot cannot be used right after it was written"));
                }
                None => self.perform(code, host)?,
            }
            performed = true;
        }
    }

    /// A snapshot, if all of it is on disk and what was written.
    fn mapped(&self, taken: &Taken, code: &ComponentCode, host: &HostInner) -> Result<Option<Ready>> {
        let kept = match host.store.take_into_use(&self.order.key, taken) {
            Ok(kept) => kept,
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, "a snapshot cannot be used");
                return Ok(None);
            }
            Err(error) => return code.of_store(host, Err(error)),
        };
        let engine = host.linkers.engines().get(code.kind)?;
        let mapped = code.of_store(host, host.store.map_code(&taken.digest, code.kind, engine))?;
        let Some(component) = mapped else { return Ok(None) };
        let handles = Replay::find(&component, &taken.resources, &taken.open)
            .ok_or_else(|| Error::internal("a function is missing in the snapshot"))?;
        let handles = Arc::new(handles);
        Ok(Some(Ready::Snapshot { code: Code::link(host, component, code.kind)?, handles, kept: Box::new(kept) }))
    }

    /// The durable form is read only when something else was damaged: looks now whether it could be.
    fn check_pack_later(self: &Arc<Self>, ready: &Arc<Ready>) {
        let (Some(host), ready) = (self.code.host.upgrade(), ready.clone()) else { return };
        // Waited for at the end: what uses the store keeps its staging area.
        let looks = host.drain.drivers().clone();
        looks.spawn_blocking(move || {
            if let Ready::Snapshot { kept, .. } = &*ready {
                // It has told what is wrong.
                let _ = host.store.check_pack(kept);
            }
        });
    }

    fn tell_fallback(&self, reason: &str) {
        if !self.is_fallback_told.swap(true, Ordering::Relaxed) {
            let origin = &self.order.origin;
            tracing::warn!(
                app = origin.app,
                class = origin.class,
                reason,
                "no snapshot can be taken after `build`, which therefore runs in each instance"
            );
        }
    }
}

/// All that `build` can see, and what makes it.
#[derive(Serialize)]
struct Sight<'a> {
    component: Digest,
    engine: &'static str,
    memory_bytes: u64,
    /// Interface and name of each `build` hook: which functions are hooks is a setting.
    hooks: &'a [(Option<String>, String)],
    env: &'a [(String, String)],
    outbound: Vec<String>,
    directories: Vec<SeenDirectory<'a>>,
    /// The size of its `/tmp`, which is a directory too.
    tmp_bytes: Option<u64>,
}

#[derive(Serialize)]
struct SeenDirectory<'a> {
    guest: &'a str,
    is_mount: bool,
    /// And directories in it, with their digests.
    files: Vec<(PathBuf, FileRecord)>,
}

/// The name of the snapshot of what `build` hooks can see.
///
/// # Errors
///
/// Something of it cannot be read.
pub(super) fn snapshot_key(
    store: &Store,
    code: &ComponentCode,
    hooks: &[(Option<String>, String)],
    wasi: &WasiSpec,
    memory_bytes: u64,
) -> io::Result<SnapshotKey> {
    let mut directories = Vec::with_capacity(wasi.directories.len());
    for directory in &wasi.directories {
        // Of the host's own directories `build` sees the names.
        let files = if directory.is_mount { Vec::new() } else { store.seen_below(&directory.host)? };
        directories.push(SeenDirectory { guest: &directory.guest, is_mount: directory.is_mount, files });
    }
    store.snapshot_key(&Sight {
        component: code.digest,
        engine: code.kind.as_str(),
        memory_bytes,
        hooks,
        env: &wasi.env,
        outbound: wasi.outbound.destinations(),
        directories,
        tmp_bytes: wasi.tmp.as_ref().map(|tmp| tmp.bytes),
    })
}
