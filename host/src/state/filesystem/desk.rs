//! The file system's own functions, called at once on a thread that may wait for the disk.
//!
//! They come from `wasmtime-wasi`, which keeps each path below its directory, and take handles of a table. So a desk is a
//! table of one's own, with the few things on it that a change is about.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, HostDescriptor as _, PathFlags};
use wasmtime_wasi::p2::{FsError, FsResult};

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId(u64, u64);

/// What stands at a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) id: FileId,
    /// Of a regular file; other things are their name alone.
    pub(super) bytes: Option<u64>,
    pub(super) links: u64,
}

#[derive(Default)]
pub(super) struct Desk {
    ctx: WasiFilesystemCtx,
    table: ResourceTable,
}

impl Desk {
    /// Puts a directory on the desk, in a form that is used at once.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub(super) fn dir(&mut self, dir: &Dir) -> FsResult<u32> {
        let again = Dir::new(dir.dir.try_clone()?, dir.perms, dir.open_mode, true);
        Ok(self.table.push(Descriptor::Dir(again))?.rep())
    }

    pub(super) fn view(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }

    /// Takes what a function has opened.
    ///
    /// # Errors
    ///
    /// None: it is there.
    pub(super) fn take(&mut self, opened: Resource<Descriptor>) -> FsResult<Descriptor> {
        Ok(self.table.delete(opened)?)
    }

    /// The bytes of the regular file at a path.
    pub(super) fn bytes_at(&mut self, dir: u32, flags: PathFlags, path: &str) -> FsResult<Option<u64>> {
        let stat = now(self.view().stat_at(on_desk(dir), flags, path.to_owned()))?;
        Ok((stat.type_ == DescriptorType::RegularFile).then_some(stat.size))
    }

    /// What stands at a path, which is not followed further.
    pub(super) fn find(&mut self, dir: u32, path: &str) -> Option<Found> {
        let flags = PathFlags::empty();
        let stat = now(self.view().stat_at(on_desk(dir), flags, path.to_owned())).ok()?;
        let hash = now(self.view().metadata_hash_at(on_desk(dir), flags, path.to_owned())).ok()?;
        let bytes = (stat.type_ == DescriptorType::RegularFile).then_some(stat.size);
        Some(Found { id: FileId(hash.lower, hash.upper), bytes, links: stat.link_count })
    }
}

/// Which file is open.
///
/// # Errors
///
/// The process has no descriptor left.
pub(super) fn identify(file: &File) -> FsResult<FileId> {
    let mut desk = Desk::default();
    let again = File::new(file.file.try_clone()?, file.perms, file.open_mode, true);
    let again = desk.table.push(Descriptor::File(again))?;
    let hash = now(desk.view().metadata_hash(again))?;
    Ok(FileId(hash.lower, hash.upper))
}

/// The place in memory of an open file, by which it is known as long as somebody remembers it.
pub(super) fn address(file: &Arc<std::fs::File>) -> usize {
    Arc::as_ptr(file).addr()
}

pub(super) fn on_desk(number: u32) -> Resource<Descriptor> {
    Resource::new_borrow(number)
}

/// The result of a function that does not wait, as all do for what is on a desk.
pub(super) fn now<T>(done: impl Future<Output = FsResult<T>>) -> FsResult<T> {
    match pin!(done).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(FsError::trap(wasmtime::Error::msg("a file system's function waits"))),
    }
}
