//! What a guest can change in a bounded directory, each with what it costs.
//!
//! A change is charged for before it is made and gives back what it did not need after. The order of changes is held
//! meanwhile, so that what was found before a change still holds when it is made.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, MutexGuard};

use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, HostDescriptor as _, OpenFlags, PathFlags};

use super::desk::{Desk, now, on_desk};
use super::ledger::Charge;
use super::tree::Tree;

/// The right to change a tree: nobody else changes it.
pub(super) struct Change<'a> {
    tree: &'a Tree,
    _order: MutexGuard<'a, ()>,
}

/// Where bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Offset(u64),
    End,
}

impl At {
    /// The place behind so many bytes.
    pub(super) fn after(self, bytes: usize) -> Self {
        match self {
            Self::Offset(offset) => Self::Offset(offset.saturating_add(bytes as u64)),
            Self::End => Self::End,
        }
    }
}

/// How a path is opened.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) path_flags: PathFlags,
    pub(super) path: String,
    pub(super) open_flags: OpenFlags,
    pub(super) flags: DescriptorFlags,
}

impl<'a> Change<'a> {
    pub(super) fn new(tree: &'a Tree, order: MutexGuard<'a, ()>) -> Self {
        Self { tree, _order: order }
    }

    /// Opens a path; what is opened is bounded as well.
    pub(super) fn open(&self, dir: &Dir, opening: Opening) -> FsResult<Descriptor> {
        let Opening { path_flags, path, open_flags, flags } = opening;
        let creates = open_flags.contains(OpenFlags::CREATE);
        let mut desk = Desk::default();
        let dir = desk.dir(&self.tree.settled(dir, creates)?)?;
        // What cannot be looked at is charged as if it were not there.
        let found = match creates || open_flags.contains(OpenFlags::TRUNCATE) {
            true => desk.bytes_at(dir, path_flags, &path).ok(),
            false => None,
        };
        let charge = if creates && found.is_none() { Charge::NAME } else { Charge::default() };
        self.tree.take(charge)?;
        let opened = now(desk.view().open_at(on_desk(dir), path_flags, path, open_flags, flags));
        let descriptor = match opened {
            Ok(opened) => desk.take(opened)?,
            Err(error) => {
                self.tree.give_back(charge);
                return Err(error);
            }
        };
        if open_flags.contains(OpenFlags::TRUNCATE)
            && let Some(Some(bytes)) = found
        {
            self.tree.give_back(Charge::bytes(bytes));
        }
        self.tree.opened(&descriptor)?;
        Ok(descriptor)
    }

    /// Writes as many bytes as there is room for, at least one, and says how many.
    pub(super) fn write(&self, file: &Arc<fs::File>, at: At, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let len = file.metadata()?.len();
        let start = match at {
            At::Offset(offset) => offset,
            At::End => len,
        };
        let wanted = start.saturating_add(bytes.len() as u64).saturating_sub(len);
        let taken = self.tree.take_up_to(wanted);
        // What lies before the place is charged for too: it may be the larger part of what the file grows by.
        let fits = usize::try_from((len + taken).saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
        let written = match fits {
            0 => Err(self.tree.full_of_bytes()),
            _ => file.write_at(&bytes[..fits], start),
        };
        self.settle(file, len, taken);
        written
    }

    /// Writes all bytes, and says how many could be.
    pub(super) fn write_all(&self, file: &Arc<fs::File>, at: At, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match self.write(file, at.after(written), &bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Makes a file longer or shorter. A gap costs what its bytes would.
    pub(super) fn set_size(&self, file: &Arc<fs::File>, bytes: u64) -> io::Result<()> {
        let len = file.metadata()?.len();
        let growth = bytes.saturating_sub(len);
        self.tree.take(Charge::bytes(growth))?;
        let set = file.set_len(bytes);
        self.settle(file, len, growth);
        set
    }

    /// Compares what a file that had `before` bytes grew by with what was taken for that.
    fn settle(&self, file: &Arc<fs::File>, before: u64, taken: u64) {
        // Where nobody can tell, it stays charged for.
        let Ok(metadata) = file.metadata() else { return };
        let now = metadata.len();
        let back = (before + taken).saturating_sub(now);
        self.tree.give_back(Charge::bytes(back));
        self.tree.resized(file, now);
    }

    /// Makes a directory.
    pub(super) fn create_directory(&self, dir: &Dir, path: String) -> FsResult<()> {
        self.name(dir, |desk, dir| now(desk.view().create_directory_at(on_desk(dir), path)))
    }

    /// Makes a symbolic link. What it says is no longer than what a name is charged.
    pub(super) fn symlink(&self, dir: &Dir, target: String, path: String) -> FsResult<()> {
        self.name(dir, |desk, dir| now(desk.view().symlink_at(on_desk(dir), target, path)))
    }

    fn name(&self, dir: &Dir, make: impl FnOnce(&mut Desk, u32) -> FsResult<()>) -> FsResult<()> {
        let mut desk = Desk::default();
        let dir = desk.dir(&self.tree.settled(dir, true)?)?;
        self.tree.take(Charge::NAME)?;
        make(&mut desk, dir).inspect_err(|_| self.tree.give_back(Charge::NAME))
    }

    /// Gives a file a second name.
    pub(super) fn link(&self, flags: PathFlags, (dir, path): (&Dir, String), new: (&Dir, String)) -> FsResult<()> {
        let mut desk = Desk::default();
        let (from, to) = (self.existing(&mut desk, dir)?, self.existing(&mut desk, new.0)?);
        self.tree.take(Charge::NAME)?;
        now(desk.view().link_at(on_desk(from), flags, path, on_desk(to), new.1))
            .inspect_err(|_| self.tree.give_back(Charge::NAME))
    }

    /// Gives something another name. What had that name before is gone.
    pub(super) fn rename(&self, (dir, path): (&Dir, String), new: (&Dir, String)) -> FsResult<()> {
        let mut desk = Desk::default();
        let (from, to) = (self.existing(&mut desk, dir)?, self.existing(&mut desk, new.0)?);
        let (moved, replaced) = (desk.find(from, &path), desk.find(to, &new.1));
        now(desk.view().rename_at(on_desk(from), path, on_desk(to), new.1))?;
        // Two names of one file both stay.
        if let (Some(moved), Some(replaced)) = (moved, replaced)
            && moved.id != replaced.id
        {
            self.tree.gone(&replaced);
        }
        Ok(())
    }

    /// Takes a file's name away.
    pub(super) fn unlink(&self, dir: &Dir, path: String) -> FsResult<()> {
        let mut desk = Desk::default();
        let dir = self.existing(&mut desk, dir)?;
        let found = desk.find(dir, &path);
        now(desk.view().unlink_file_at(on_desk(dir), path))?;
        found.iter().for_each(|found| self.tree.gone(found));
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(&self, dir: &Dir, path: String) -> FsResult<()> {
        let mut desk = Desk::default();
        let dir = self.existing(&mut desk, dir)?;
        now(desk.view().remove_directory_at(on_desk(dir), path))?;
        self.tree.give_back(Charge::NAME);
        Ok(())
    }

    /// Makes the directory itself, for a change that costs nothing.
    pub(super) fn make(&self, dir: &Dir) -> FsResult<()> {
        self.tree.settled(dir, true)?;
        Ok(())
    }

    /// A directory on the desk. One that was not made yet is empty, and stays so.
    fn existing(&self, desk: &mut Desk, dir: &Dir) -> FsResult<u32> {
        desk.dir(&self.tree.settled(dir, false)?)
    }
}
