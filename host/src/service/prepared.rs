//! Classes whose component has `build` hooks: these run once, and instances start from what they left.
//!
//! ```text
//!  first start ─▶ build, snapshot, compile ─▶ blueprint on the snapshot ─▶ every start
//!                        └─ refused ─▶ the class's own blueprint: `build` runs in each instance
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::HostInner;
use crate::artifact::{self, Artifact, Digest};
use crate::component::Function;
use crate::component::accessor::ImportedResource;
use crate::engine::EngineKind;
use crate::error::{Error, Result};
use crate::instance::{Accessors, Blueprint, OpenHandles, Setup};
use crate::snapshot::{self, Building, Kept, SnapshotKey, Taken, digest_of, files_below};
use crate::state::{Directory, Output, OutputOrigin, State, WasiSpec};
use wasmtime::component::{Component, InstancePre};

/// What the instances of a class, or of an entrypoint, are made of: known once `build` has run.
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
    pub(super) ready: OnceCell<Arc<Ready>>,
}

/// The directory `/image`: written by `build`, read by all that come after.
pub(super) struct Image {
    files: TempDir,
    /// What `build` finds where the host's own directories will be.
    nothing: TempDir,
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
    pub(super) async fn blueprint(&self) -> Result<&Arc<Blueprint>> {
        let Some(build) = &self.build else { return Ok(&self.base) };
        self.made
            .get_or_try_init(async || match &*build.ready().await? {
                Ready::Fallback(_) => {
                    let mut blueprint = (*self.base).clone();
                    if let Ok(setup) = &mut blueprint.setup {
                        build.image.find(&mut setup.wasi).for_each(|directory| directory.writable = true);
                    }
                    Ok(Arc::new(blueprint))
                }
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
            })
            .await
    }
}

impl Prepared {
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
        let dir = |what: &str| {
            let dir = tempfile::Builder::new().prefix(&format!("wasmhost-{what}-")).tempdir();
            dir.map_err(|error| Error::io(format!("a directory for `{}`", Self::NAME), error))
        };
        Ok(Self { files: dir("image")?, nothing: dir("nothing")? })
    }

    /// As instances see it.
    pub(super) fn directory(&self) -> Directory {
        Directory { host: self.files.path().to_owned(), guest: Self::NAME.to_owned(), writable: false, is_mount: false }
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
        let kept = host.snapshots.as_ref().map(|store| Ok((store, self.key(wasi)?)));
        let kept = kept.transpose().map_err(|error: io::Error| Error::io("what `build` sees", error))?;
        if let Some((store, key)) = &kept
            && let Some(found) = store.find(key)
        {
            match self.ready_from(&host, &found) {
                Ok(ready) => return Ok(ready),
                Err(error) => tracing::warn!(%error, "a snapshot cannot be used: `build` runs again"),
            }
        }
        let output = Output::new(self.origin.clone(), host.output.0.clone(), host.config.output);
        let building = Building {
            component: &self.component,
            linker: host.linker(self.kind)?,
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
        if let Some((store, key)) = &kept {
            match store.keep(key, &snapshot, self.image.files.path()) {
                Ok(kept) => return self.ready_from(&host, &kept),
                Err(error) => tracing::warn!(%error, "a snapshot could not be kept"),
            }
        }
        let artifact = artifact::prepare(&snapshot.component, &self.path, &host.engines, None)?;
        self.linked(&host, artifact, &snapshot.resources, snapshot.open.clone(), snapshot.clock, None)
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
    fn key(&self, wasi: &WasiSpec) -> io::Result<SnapshotKey> {
        let (component, kind) = (self.digest.to_string(), self.kind.as_str());
        let mut pieces = vec![component.into_bytes(), kind.as_bytes().to_vec()];
        pieces.push(self.blueprint.bounds.memory_bytes.to_le_bytes().to_vec());
        pieces
            .extend(wasi.env.iter().flat_map(|(name, value)| [name.clone().into_bytes(), value.clone().into_bytes()]));
        for directory in &wasi.directories {
            pieces.push(directory.guest.clone().into_bytes());
            let files = if directory.is_mount { Vec::new() } else { files_below(&directory.host)? };
            for file in files {
                pieces
                    .push(file.strip_prefix(&directory.host).unwrap_or(&file).as_os_str().as_encoded_bytes().to_vec());
                pieces.push(digest_of(&file)?.to_vec());
            }
        }
        Ok(SnapshotKey::of(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }

    fn ready_from(&self, host: &HostInner, kept: &Kept) -> Result<Ready> {
        let bytes = || kept.component().map_err(|error| Error::io("a snapshot", error));
        let cache = host.cache.as_ref();
        let artifact = artifact::prepare_known(kept.digest, self.kind, bytes, &self.path, &host.engines, cache)?;
        self.linked(host, artifact, &kept.resources, kept.open.clone(), kept.clock, Some(kept.image.clone()))
    }

    fn linked(
        &self,
        host: &HostInner,
        artifact: Artifact,
        resources: &[ImportedResource],
        open: OpenHandles,
        clock: Duration,
        image: Option<PathBuf>,
    ) -> Result<Ready> {
        let pre = host.linker(artifact.kind)?.instantiate_pre(&artifact.component);
        let pre = pre.map_err(|error| Error::internal(format!("the snapshot cannot be linked: {error:#}")))?;
        let accessors = Accessors::find(&artifact.component, resources)
            .ok_or_else(|| Error::internal("a function is missing in the snapshot"))?;
        let image = image.unwrap_or_else(|| self.image.files.path().to_owned());
        Ok(Ready::Snapshot { component: artifact.component, pre, handles: Arc::new((accessors, open)), clock, image })
    }
}
