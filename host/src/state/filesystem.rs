//! The file system of a guest, with some of its directories bounded: `/tmp`, and `/image` while `build` writes it.
//!
//! ```text
//!  guest ── wasi:filesystem ─▶ Filesystem ── unbounded ────────▶ wasmtime-wasi
//!                                  └─ below a bounded directory ─▶ Tree ── Change: charge, wasmtime-wasi, settle
//! ```
//! Reading goes to `wasmtime-wasi` either way, and so does everything of a guest without bounded directories. This module
//! must not know settings of classes, or what is written.

mod change;
mod codes;
mod consumer;
mod desk;
mod ledger;
mod p2;
mod p3;
#[cfg(test)]
mod properties;
mod scratch;
mod stream;
mod tree;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::{p2 as wasi_p2, p3 as wasi_p3};

use super::State;
use super::output::Output;
use super::wasi::{TMP, WasiSpec};
use crate::config::InstanceLimits;
use crate::engine::EngineKind;
use crate::error::{Error, Result};

use ledger::{Bound, Limit};
pub(crate) use scratch::Scratch;
use tree::Tree;

/// The bounded directories of one instance, one or two.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    trees: Vec<Arc<Tree>>,
}

impl Bounds {
    /// Bounds what a specification says of the directories that were `given`, which are in its order.
    ///
    /// # Errors
    ///
    /// A directory cannot be read.
    pub(super) fn new(
        spec: &WasiSpec,
        given: &[Arc<File>],
        limits: &InstanceLimits,
        output: &Arc<Output>,
    ) -> Result<Self> {
        let mut trees = Vec::new();
        for (directory, given) in spec.directories.iter().zip(given).filter(|(directory, _)| directory.is_bounded) {
            let bound = Bound {
                bytes: Limit { most: limits.max_image_bytes, setting: "max-image-bytes" },
                files: Limit { most: limits.max_image_files, setting: "max-image-files" },
            };
            let tree = Tree::new(given.clone(), &directory.host, bound, &directory.guest, output.clone());
            trees.push(tree.map_err(|error| Error::io(format!("the directory `{}`", directory.guest), error))?);
        }
        if let (Some(tmp), Some(given)) = (&spec.tmp, given.get(spec.directories.len())) {
            let bound = Bound {
                bytes: Limit { most: tmp.bytes, setting: "tmp" },
                files: Limit { most: limits.max_tmp_files, setting: "max-tmp-files" },
            };
            trees.push(Tree::lazy(given.clone(), tmp.scratch.clone(), bound, TMP, output.clone()));
        }
        Ok(Self { trees })
    }

    /// Whether a directory is the one that was `given`, or was made in its place.
    pub(super) fn is_given(&self, given: &Arc<File>, directory: &Arc<File>) -> bool {
        Arc::ptr_eq(given, directory)
            || self.trees.iter().any(|tree| {
                Arc::ptr_eq(tree.given(), given) && tree.made().is_some_and(|made| Arc::ptr_eq(made, directory))
            })
    }

    /// A path of the host's below a private directory, as the guest knows it.
    pub(super) fn seen_by_guest(&self, host: &Path) -> Option<PathBuf> {
        self.trees.iter().find_map(|tree| tree.seen_by_guest(host))
    }

    fn find(&self, file: &Arc<File>) -> Option<&Arc<Tree>> {
        self.trees.iter().find(|tree| tree.has(file))
    }
}

/// What the functions of `wasi:filesystem` work on.
pub(crate) struct Filesystem<'a> {
    wasi: WasiFilesystemCtxView<'a>,
    bounds: &'a Bounds,
}

/// Says that the functions of `wasi:filesystem` work on a [`Filesystem`].
pub(crate) struct BoundedFilesystem;

impl HasData for BoundedFilesystem {
    type Data<'a> = Filesystem<'a>;
}

impl State {
    fn bounded_filesystem(&mut self) -> Filesystem<'_> {
        let wasi = WasiFilesystemCtxView { ctx: self.wasi.filesystem(), table: &mut self.table };
        Filesystem { wasi, bounds: &self.bounds }
    }
}

/// Puts the functions of a bounded file system in the place of those that a linker has.
///
/// # Errors
///
/// None: what is there may be replaced.
pub(crate) fn link(linker: &mut Linker<State>, kind: EngineKind) -> wasmtime::Result<()> {
    use wasi_p2::bindings::filesystem::types as types_p2;
    use wasi_p3::bindings::filesystem::types as types_p3;

    linker.allow_shadowing(true);
    types_p2::add_to_linker::<_, BoundedFilesystem>(linker, State::bounded_filesystem)?;
    if kind == EngineKind::Async {
        types_p3::add_to_linker::<_, BoundedFilesystem>(linker, State::bounded_filesystem)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

impl Filesystem<'_> {
    /// The tree that an open file lies in, if that is bounded.
    fn file(&self, handle: &Resource<Descriptor>) -> FsResult<Option<(Arc<Tree>, Arc<File>)>> {
        if self.bounds.trees.is_empty() {
            return Ok(None);
        }
        Ok(match self.wasi.table.get(handle)? {
            Descriptor::File(file) => self.bounds.find(&file.file).map(|tree| (tree.clone(), file.file.clone())),
            Descriptor::Dir(_) => None,
        })
    }

    /// The tree that an open directory lies in, if that is bounded.
    fn dir(&self, handle: &Resource<Descriptor>) -> FsResult<Option<(Arc<Tree>, Dir)>> {
        if self.bounds.trees.is_empty() {
            return Ok(None);
        }
        Ok(match self.wasi.table.get(handle)? {
            Descriptor::Dir(dir) => self.bounds.find(&dir.dir).map(|tree| (tree.clone(), dir.clone())),
            Descriptor::File(_) => None,
        })
    }

    /// Lets a handle of a private directory lead to the one that was made, once there is one.
    fn settle(&mut self, handle: &Resource<Descriptor>) {
        for tree in &self.bounds.trees {
            if let Some(made) = tree.made()
                && let Ok(Descriptor::Dir(dir)) = self.wasi.table.get_mut(handle)
                && Arc::ptr_eq(&dir.dir, tree.given())
            {
                dir.dir.clone_from(made);
            }
        }
    }
}

/// Two directories between which something is linked or moved.
enum Pair {
    Unbounded,
    /// Both in one tree.
    In(Arc<Tree>, Dir, Dir),
    /// Two file systems, as far as the guest can tell.
    Apart,
}

impl Pair {
    fn of(from: Option<(Arc<Tree>, Dir)>, to: Option<(Arc<Tree>, Dir)>) -> Self {
        match (from, to) {
            (None, None) => Self::Unbounded,
            (Some((tree, from)), Some((other, to))) if Arc::ptr_eq(&tree, &other) => Self::In(tree, from, to),
            _ => Self::Apart,
        }
    }
}
