//! Classes whose component has `build` hooks: these run once, and instances start from what they left.
//!
//! ```text
//!  first start ─▶ build, snapshot, compile ─▶ blueprint on the snapshot ─▶ every start
//!                        └─ refused ─▶ the class's own blueprint: `build` runs in each instance
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::HostInner;
use super::world::World;
use crate::artifact::{self, Artifact, Digest};
use crate::component::Function;
use crate::component::accessor::ImportedResource;
use crate::engine::EngineKind;
use crate::error::{Error, Result};
use crate::instance::{Accessors, Blueprint, Live, OpenHandles, Setup};
use crate::snapshot::{self, Building, FileRecord, Kept, SnapshotKey, SnapshotStore, Taken, link_below};
use crate::state::{Directory, Output, OutputOrigin, State, WasiSpec};
use wasmtime::component::{Component, InstancePre};

/// What the instances of a class are made of: known once `build` has run.
pub(super) struct Prepared {
    /// Of the component as it came.
    pub(super) base: Arc<Blueprint>,
    /// The interface of the class.
    export: Option<String>,
    build: Option<Arc<Build>>,
    made: OnceCell<Arc<Blueprint>>,
}

/// The one run of a component's `build` hooks.
pub(super) struct Build {
    pub(super) host: Weak<HostInner>,
    pub(super) component: Arc<[u8]>,
    pub(super) digest: Digest,
    pub(super) kind: EngineKind,
    pub(super) path: PathBuf,
    pub(super) origin: OutputOrigin,
    /// Of the component as it came, with the world of a class.
    pub(super) blueprint: Blueprint,
    /// The interface of each of its `build` hooks.
    pub(super) exports: Vec<Option<String>>,
    pub(super) image: Image,
    /// Holds the files in place that `build` reads, also when nobody waits for it any more.
    pub(super) _world: Arc<World>,
    pub(super) ready: OnceCell<Arc<Ready>>,
}

/// The directory `/image`: written by `build`, read by all that come after.
pub(super) struct Image {
    files: TempDir,
    /// What `build` finds where the host's own directories will be.
    nothing: TempDir,
}

/// All that `build` can see, and what makes it.
#[derive(Serialize)]
struct Sight<'a> {
    component: Digest,
    engine: &'static str,
    memory_bytes: u64,
    /// Interface and name of each `build` hook: which functions are hooks is a setting.
    hooks: Vec<(Option<&'a str>, &'a str)>,
    env: &'a [(String, String)],
    outbound: Vec<String>,
    directories: Vec<SeenDirectory<'a>>,
}

#[derive(Serialize)]
struct SeenDirectory<'a> {
    guest: &'a str,
    is_mount: bool,
    /// And directories in it, with their digests.
    files: Vec<(PathBuf, FileRecord)>,
}

/// What came of it.
pub(super) enum Ready {
    Snapshot {
        component: Component,
        pre: InstancePre<State>,
        handles: Arc<(Accessors, OpenHandles)>,
        clock: Duration,
        /// Where the files are that `build` wrote.
        image: PathBuf,
    },
    /// Why `build` runs in each instance.
    Fallback(String),
}

impl Prepared {
    pub(super) fn new(base: Arc<Blueprint>, export: Option<String>, build: Option<Arc<Build>>) -> Self {
        Self { base, export, build, made: OnceCell::new() }
    }

    /// What instances are made of. Runs `build` if nobody has before.
    ///
    /// # Errors
    ///
    /// `build-failed` or `memory-exceeded` from the hooks, which the next start runs again.
    pub(super) async fn blueprint(&self) -> Result<Arc<Blueprint>> {
        let Some(build) = &self.build else { return Ok(self.base.clone()) };
        let made = self.made.get_or_try_init(|| self.make(build)).await?;
        if made.builds.is_empty() {
            return Ok(made.clone());
        }
        // `build` runs in this very instance, and writes where nobody else has.
        let mut blueprint = (**made).clone();
        if let Ok(setup) = &mut blueprint.setup {
            let alone = Image::alone()?;
            build.image.find(&mut setup.wasi).for_each(|directory| directory.clone_from(&alone));
        }
        Ok(Arc::new(blueprint))
    }

    async fn make(&self, build: &Arc<Build>) -> Result<Arc<Blueprint>> {
        match &*build.ready().await? {
            Ready::Fallback(_) => Ok(self.base.clone()),
            Ready::Snapshot { component, pre, handles, clock, image } => {
                let base = &*self.base;
                let again = |function: &Arc<Function>| {
                    let again = function.of(component, self.export.as_deref()).map(Arc::new);
                    again.ok_or_else(|| Error::internal("a function is not in the snapshot of its component"))
                };
                let wasi = &base.setup.as_ref().map_err(Error::clone)?.wasi;
                let mut wasi = WasiSpec { clock: *clock, ..wasi.clone() };
                build.image.find(&mut wasi).for_each(|directory| directory.host.clone_from(image));
                Ok(Arc::new(Blueprint {
                    setup: Ok(Setup { pre: pre.clone(), wasi, handles: Some(handles.clone()) }),
                    builds: Vec::new(),
                    enter: base.enter.as_ref().map(again).transpose()?,
                    exit: base.exit.as_ref().map(again).transpose()?,
                    methods: base.methods.iter().map(again).collect::<Result<_>>()?,
                    ..base.clone()
                }))
            }
        }
    }

    /// Why `build` runs in each instance although it should not.
    pub(super) fn fallback(&self) -> Option<&str> {
        match &**self.build.as_ref()?.ready.get()? {
            Ready::Fallback(reason) => Some(reason),
            Ready::Snapshot { .. } => None,
        }
    }
}

impl Image {
    const NAME: &str = "/image";

    pub(super) fn new() -> Result<Self> {
        Ok(Self { files: private_dir()?, nothing: private_dir()? })
    }

    /// The directory of an instance that runs `build` itself: removed with it.
    pub(super) fn alone() -> Result<Directory> {
        let dir = private_dir()?;
        Ok(Directory {
            host: dir.path().to_owned(),
            guest: Self::NAME.to_owned(),
            writable: true,
            is_mount: false,
            keeps: Some(Arc::new(dir)),
        })
    }

    /// As instances see it.
    pub(super) fn directory(&self) -> Directory {
        Directory {
            host: self.files.path().to_owned(),
            guest: Self::NAME.to_owned(),
            writable: false,
            is_mount: false,
            keeps: None,
        }
    }

    /// This directory among those of a class.
    fn find<'a>(&'a self, wasi: &'a mut WasiSpec) -> impl Iterator<Item = &'a mut Directory> {
        wasi.directories.iter_mut().filter(|directory| directory.host == self.files.path())
    }

    /// The world of a class as its `build` hook sees it.
    fn world_of_build(&self, wasi: &WasiSpec) -> WasiSpec {
        let mut wasi = wasi.clone();
        for mount in wasi.directories.iter_mut().filter(|directory| directory.is_mount) {
            mount.host = self.nothing.path().to_owned();
            mount.writable = false;
        }
        wasi.directories.push(Directory { writable: true, ..self.directory() });
        wasi
    }
}

/// A directory that only this user can look into: what `build` writes may come of files that are private.
fn private_dir() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wasmhost-image-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().map_err(|error| Error::io(format!("a directory for `{}`", Image::NAME), error))
}

impl Build {
    async fn ready(self: &Arc<Self>) -> Result<Arc<Ready>> {
        let ready = self.ready.get_or_try_init(async || {
            let build = self.clone();
            let running = tokio::task::spawn_blocking(move || build.run());
            running.await.map_err(|error| Error::internal(format!("`build` could not run: {error}")))?.map(Arc::new)
        });
        ready.await.cloned()
    }

    fn run(&self) -> Result<Ready> {
        let host = self.host.upgrade().ok_or_else(|| Error::internal("the host is gone"))?;
        let wasi = &self.blueprint.setup.as_ref().map_err(Error::clone)?.wasi;
        let kept = host.snapshots.as_ref().map(|store| Ok((store, self.key(store, wasi)?)));
        let kept = kept.transpose().map_err(|error: io::Error| Error::io("what `build` sees", error))?;
        if let Some((store, key)) = &kept
            && let Some(found) = store.find(key)
        {
            match self.ready_from(&host, &found) {
                Ok(ready) => return Ok(ready),
                Err(error) => {
                    tracing::warn!(%error, "a snapshot cannot be used: `build` runs again");
                    store.set_aside(key);
                }
            }
        }
        let output = Output::new(self.origin.clone(), host.output.0.clone(), host.config.output);
        let building = Building {
            component: &self.component,
            linker: host.linker(self.kind)?,
            kind: self.kind,
            blueprint: &self.blueprint,
            exports: &self.exports,
            wasi: self.image.world_of_build(wasi),
            output: output.clone(),
        };
        let taken = snapshot::take(building);
        output.finish();
        let snapshot = match taken? {
            Taken::Snapshot(snapshot) => snapshot,
            Taken::Refused(reason) => return Ok(self.fall_back(reason)),
        };
        if let Some(link) = link_below(self.image.files.path()).map_err(|error| Error::io("files of `build`", error))? {
            let link = Path::new(Image::NAME).join(link);
            return Ok(self.fall_back(format!("`build` left `{}`, which is no file", link.display())));
        }
        let bytes = || Ok(&snapshot.component);
        let digest = Digest::of(&snapshot.component);
        let cache = host.cache.as_ref();
        let artifact = artifact::prepare_known(digest, self.kind, bytes, &self.path, &host.engines, cache)?;
        let image = self.image.files.path();
        let mut ready =
            self.linked(&host, artifact, &snapshot.resources, snapshot.open.clone(), snapshot.clock, image)?;
        if let Err(error) = self.verify(&ready) {
            return Ok(self.fall_back(format!("an instance could not be made of it: {error}")));
        }
        if let Some((store, key)) = &kept {
            match (store.keep(key, &snapshot, image), &mut ready) {
                (Ok(kept), Ready::Snapshot { image, .. }) => *image = kept.image,
                (Ok(_), Ready::Fallback(_)) => {}
                (Err(error), _) => tracing::warn!(%error, "a snapshot could not be kept"),
            }
        }
        Ok(ready)
    }

    /// Makes one instance of a snapshot, in which nothing runs.
    fn verify(&self, ready: &Ready) -> Result<()> {
        let Ready::Snapshot { pre, handles, .. } = ready else { return Ok(()) };
        let wasi = self.image.world_of_build(&self.blueprint.setup.as_ref().map_err(Error::clone)?.wasi);
        let setup = Ok(Setup { pre: pre.clone(), wasi, handles: Some(handles.clone()) });
        let blueprint = Arc::new(Blueprint { setup, builds: Vec::new(), ..self.blueprint.clone() });
        let host = self.host.upgrade().ok_or_else(|| Error::internal("the host is gone"))?;
        let output = Output::new(self.origin.clone(), host.output.0.clone(), host.config.output);
        Handle::current().block_on(Live::start_unentered(blueprint, output)).map(|_| ())
    }

    fn fall_back(&self, reason: String) -> Ready {
        let OutputOrigin { app, class, .. } = &self.origin;
        tracing::warn!(
            app,
            class,
            reason,
            "no snapshot can be taken after `build`, which therefore runs in each instance"
        );
        Ready::Fallback(reason)
    }

    /// The name of the snapshot: all that its `build` hooks can see.
    fn key(&self, store: &SnapshotStore, wasi: &WasiSpec) -> io::Result<SnapshotKey> {
        let hooks = self.blueprint.builds.iter().zip(&self.exports);
        let mut directories = Vec::with_capacity(wasi.directories.len());
        for directory in &wasi.directories {
            // Of the host's own directories `build` sees the names.
            let files = if directory.is_mount { Vec::new() } else { store.records_below(&directory.host)? };
            directories.push(SeenDirectory { guest: &directory.guest, is_mount: directory.is_mount, files });
        }
        store.name(&Sight {
            component: self.digest,
            engine: self.kind.as_str(),
            memory_bytes: self.blueprint.bounds.memory_bytes,
            hooks: hooks.map(|(build, export)| (export.as_deref(), build.name.as_str())).collect(),
            env: &wasi.env,
            outbound: wasi.outbound.destinations(),
            directories,
        })
    }

    fn ready_from(&self, host: &HostInner, kept: &Kept) -> Result<Ready> {
        let bytes = || kept.component().map_err(|error| Error::io("a snapshot", error));
        let cache = host.cache.as_ref();
        let artifact = artifact::prepare_known(kept.digest, self.kind, bytes, &self.path, &host.engines, cache)?;
        self.linked(host, artifact, &kept.resources, kept.open.clone(), kept.clock, &kept.image)
    }

    fn linked(
        &self,
        host: &HostInner,
        artifact: Artifact,
        resources: &[ImportedResource],
        open: OpenHandles,
        clock: Duration,
        image: &Path,
    ) -> Result<Ready> {
        let pre = host.linker(artifact.kind)?.instantiate_pre(&artifact.component);
        let pre = pre.map_err(|error| Error::internal(format!("the snapshot cannot be linked: {error:#}")))?;
        // Of an instance that starts from it nothing has to be proven.
        let accessors = Accessors::find(&artifact.component, resources, false)
            .ok_or_else(|| Error::internal("a function is missing in the snapshot"))?;
        let image = image.to_owned();
        Ok(Ready::Snapshot { component: artifact.component, pre, handles: Arc::new((accessors, open)), clock, image })
    }
}
