//! Components after `build`: what came of it, and everything that instances start from.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use serde::{Deserialize, Serialize};

use super::collect::note_use;
use super::files::{FileRecord, damaged, is_damage, is_full, is_passing, records_below, sync_dir};
use super::pack::{self, Pack};
use super::sealed::set_aside;
use super::{Store, files};
use crate::artifact::Digest;
use crate::component::accessor::ImportedResource;
use crate::error::Result;
use crate::instance::OpenHandles;
use crate::snapshot::Snapshot;

pub(super) const DIR: &str = "snapshots";
const WHAT: &str = "snapshot";
const PACK: &str = "pack";
const IMAGE: &str = "image";
/// Held shared by every process that uses a generation, so that none is removed under it.
const LOCK: &str = "lock";

/// What `build` could see, as a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SnapshotKey(pub(super) String);

/// What came of a component's `build` hooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Built {
    /// When, in seconds of the system's clock.
    pub(crate) at_unix_seconds: u64,
    pub(crate) timings: Timings,
    /// What the hooks printed, the first lines of it.
    pub(crate) printed: Vec<PrintedLine>,
    /// How many lines are not among them.
    pub(crate) lines_left_out: u64,
    pub(crate) outcome: Outcome,
}

/// A line that a `build` hook printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrintedLine {
    pub(crate) is_stderr: bool,
    pub(crate) text: String,
}

/// How long each step took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timings {
    /// Making the component one that can be captured, and compiling that.
    pub(crate) instrument: Duration,
    pub(crate) build: Duration,
    pub(crate) capture: Duration,
    pub(crate) compile: Duration,
    pub(crate) verify: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Taken(Taken),
    /// Why there is no snapshot, in plain words.
    Refused(String),
}

/// What was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) resources: Vec<ImportedResource>,
    pub(crate) open: OpenHandles,
    pub(crate) clock: Duration,
    /// Of the component after `build`.
    pub(crate) digest: Digest,
    pub(crate) component: FileRecord,
    pub(crate) image: Vec<(PathBuf, FileRecord)>,
    generation: String,
}

impl Taken {
    pub(crate) fn component_bytes(&self) -> u64 {
        self.component.length_bytes
    }

    pub(crate) fn image_bytes(&self) -> u64 {
        self.image.iter().map(|(_, file)| file.length_bytes).sum()
    }

    pub(crate) fn image_files(&self) -> usize {
        self.image.iter().filter(|(_, file)| !file.is_directory()).count()
    }
}

/// A snapshot that this process uses: nobody removes it as long as this lives.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) taken: Taken,
    key: SnapshotKey,
    dir: PathBuf,
    _in_use: File,
}

impl Kept {
    /// Where the files are that `build` wrote.
    pub(crate) fn image(&self) -> PathBuf {
        self.dir.join(IMAGE)
    }
}

impl Store {
    /// The name of the snapshot of what `sight` says.
    ///
    /// # Errors
    ///
    /// It is nothing that JSON can say: a path that is no UTF-8.
    pub(crate) fn snapshot_key(&self, sight: &impl Serialize) -> io::Result<SnapshotKey> {
        self.name_of(&("snapshot", sight)).map(SnapshotKey)
    }

    /// What is below a directory that `build` can see, for its name.
    ///
    /// # Errors
    ///
    /// Something cannot be read.
    pub(crate) fn seen_below(&self, dir: &Path) -> io::Result<Vec<(PathBuf, FileRecord)>> {
        records_below(dir, &self.secret)
    }

    /// What came of `build`, if it ran before. Nothing but the record is read.
    ///
    /// # Errors
    ///
    /// This process cannot read now. It does not follow that there is nothing.
    pub(crate) fn built(&self, key: &SnapshotKey) -> io::Result<Option<Built>> {
        let path = self.record_path(key);
        let recorded = self.read_record(WHAT, &path)?;
        if recorded.is_none() {
            return self.built_from_pack(key);
        }
        note_use(&path);
        Ok(recorded)
    }

    /// A record that was damaged stands in the pack, too.
    fn built_from_pack(&self, key: &SnapshotKey) -> io::Result<Option<Built>> {
        let generations = match self.generations(key) {
            Err(error) if is_passing(&error) => return Err(error),
            generations => generations.unwrap_or_default(),
        };
        let built = generations.iter().find_map(|dir| match self.record_in_pack(key, &dir.join(PACK)) {
            Err(error) if !is_passing(&error) => None,
            found => Some(found),
        });
        let Some(built) = built.transpose()? else { return Ok(None) };
        match self.write_record(WHAT, &self.record_path(key), &built) {
            Ok(()) => tracing::info!(key = key.0, "the record of a snapshot was made again from its pack"),
            Err(error) => tracing::warn!(key = key.0, %error, "the record of a snapshot could not be made again"),
        }
        Ok(Some(built))
    }

    fn record_in_pack(&self, key: &SnapshotKey, pack: &Path) -> io::Result<Built> {
        self.unseal(WHAT, &key.0, &Pack::open(pack)?.1)
    }

    /// Takes a snapshot into use: every file of `/image` is what `build` wrote, or made so again from the pack.
    ///
    /// # Errors
    ///
    /// It [is lost](is_lost): it is not there any more, or was damaged in more than one place. Or the file system's.
    pub(crate) fn take_into_use(&self, key: &SnapshotKey, taken: &Taken) -> io::Result<Kept> {
        let dir = self.generation_dir(key, &taken.generation);
        let in_use = File::open(dir.join(LOCK)).or_else(|error| match error.kind() {
            // The lock is an empty file: whoever lost it makes another.
            io::ErrorKind::NotFound if dir.is_dir() => {
                File::options().create(true).truncate(false).read(true).write(true).open(dir.join(LOCK))
            }
            _ => Err(error),
        })?;
        flock(&in_use, FlockOperation::LockShared)?;
        // Whoever removes a generation holds its lock while its name goes.
        fs::metadata(&dir)?;
        let kept = Kept { taken: taken.clone(), key: key.clone(), dir, _in_use: in_use };
        self.mend_image(&kept)?;
        Ok(kept)
    }

    /// The bytes of the component after `build`.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are not those that were written.
    pub(crate) fn snapshotted(&self, kept: &Kept) -> io::Result<Vec<u8>> {
        let path = kept.dir.join(PACK);
        let read = || {
            let (mut pack, _) = Pack::open(&path).map_err(own)?;
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut pack.part(0, kept.taken.component.length_bytes)?, &mut bytes)?;
            if FileRecord::of_bytes(&bytes, &self.secret) == kept.taken.component {
                Ok(bytes)
            } else {
                Err(damaged("the component in it is not what was written"))
            }
        };
        read().inspect_err(|error| pack_is_damaged(&path, error))
    }

    /// Reads all of a pack. What is wrong with it is told, and the pack set aside: what was made of it goes on.
    pub(crate) fn check_pack(&self, kept: &Kept) -> io::Result<()> {
        let path = kept.dir.join(PACK);
        let check = || {
            let (mut pack, record) = Pack::open(&path).map_err(own)?;
            let _: Built = self.unseal(WHAT, &kept.key.0, &record).map_err(own)?;
            let mut offset = 0;
            let files = kept.taken.image.iter().map(|(_, file)| file).filter(|file| !file.is_directory());
            for file in std::iter::once(&kept.taken.component).chain(files) {
                if FileRecord::of_reader(&mut pack.part(offset, file.length_bytes)?, &self.secret)? != *file {
                    return Err(damaged("what is in it is not what was written"));
                }
                offset += file.length_bytes;
            }
            if pack.content_bytes()? == offset { Ok(()) } else { Err(damaged("there is more in it than was written")) }
        };
        check().inspect_err(|error| pack_is_damaged(&path, error))
    }

    /// Keeps what came of `build`; of a snapshot its component, and copies of the files that it wrote below `image`.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub(crate) fn keep_built(
        &self,
        key: &SnapshotKey,
        built: impl FnOnce(Outcome) -> Built,
        snapshot: Result<(&Snapshot, &Path), String>,
    ) -> io::Result<()> {
        let (snapshot, image) = match snapshot {
            Ok(taken) => taken,
            Err(reason) => return self.write_record(WHAT, &self.record_path(key), &built(Outcome::Refused(reason))),
        };
        let staging = self.staging.dir("snapshot-")?;
        let dir = staging.path();
        copy_all(image, &dir.join(IMAGE))?;
        let generation = staging.path().file_name().and_then(|name| name.to_str()).unwrap_or("snapshot-0");
        let generation = generation.rsplit('-').next().unwrap_or("0").to_owned();
        let taken = Taken {
            resources: snapshot.resources.clone(),
            open: snapshot.open.clone(),
            clock: snapshot.clock,
            digest: Digest::of(&snapshot.component),
            component: FileRecord::of_bytes(&snapshot.component, &self.secret),
            image: records_below(&dir.join(IMAGE), &self.secret)?,
            generation: generation.clone(),
        };
        let files = taken.image.clone();
        let built = built(Outcome::Taken(taken));
        let mut file = File::create_new(dir.join(PACK))?;
        let record = self.seal(WHAT, &key.0, &built)?;
        let mut writer = io::BufWriter::new(&mut file);
        pack::write(&mut writer, &record, &snapshot.component, &dir.join(IMAGE), &files)?;
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        // Held until it is named by its record: what nobody holds and nothing names is removed.
        let lock = File::create_new(dir.join(LOCK))?;
        flock(&lock, FlockOperation::LockShared)?;
        sync_dir(dir)?;
        fs::rename(dir, self.generation_dir(key, &generation))?;
        // What is left of it is its name, and that is gone.
        let _ = staging.keep();
        sync_dir(&self.root.join(DIR))?;
        self.write_record(WHAT, &self.record_path(key), &built)
    }

    /// Forgets what came of `build`, so that it runs again.
    pub(crate) fn forget_built(&self, key: &SnapshotKey) {
        set_aside(&self.record_path(key));
        for dir in self.generations(key).unwrap_or_default() {
            set_aside(&dir.join(PACK));
        }
    }

    /// Makes `/image` again what `build` wrote.
    fn mend_image(&self, kept: &Kept) -> io::Result<()> {
        let image = kept.image();
        let wanted = &kept.taken.image;
        // Behind a link there is what is somebody else's, now or later.
        let is_dir = fs::symlink_metadata(&image).is_ok_and(|metadata| metadata.is_dir());
        let found = if is_dir { records_below(&image, &self.secret) } else { Err(damaged("it is no directory")) };
        match found {
            Ok(found) if found == *wanted => return Ok(()),
            Err(error) if is_passing(&error) => return Err(error),
            _ => {}
        }
        tracing::warn!(dir = %image.display(), "files that `build` wrote were damaged: they are made again from the pack");
        let mended = self.staging.dir("image-")?;
        self.unpack(kept, mended.path())?;
        // The good one takes the place of the other at once, for those who open it now.
        let swap = if fs::symlink_metadata(&image).is_ok() { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
        renameat_with(CWD, mended.path(), CWD, &image, swap)?;
        if swap.is_empty() {
            let _ = mended.keep();
        } else if !fs::symlink_metadata(mended.path())?.is_dir() {
            fs::remove_file(mended.keep())?;
        }
        sync_dir(&kept.dir)
    }

    /// Makes what `build` wrote in another directory, of the files that are whole and of the pack.
    fn unpack(&self, kept: &Kept, to: &Path) -> io::Result<()> {
        let image = kept.image();
        let mut pack = None;
        let mut offset = kept.taken.component.length_bytes;
        for (below, file) in &kept.taken.image {
            let (from, target) = (image.join(below), to.join(below));
            if file.is_directory() {
                fs::create_dir_all(&target)?;
                continue;
            }
            let is_file = fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_file());
            // What cannot be read is in the pack, too.
            let mut bytes = if is_file { fs::read(&from).unwrap_or_default() } else { Vec::new() };
            if !is_file || FileRecord::of_bytes(&bytes, &self.secret) != *file {
                if pack.is_none() {
                    pack = Some(Pack::open(&kept.dir.join(PACK)).map_err(own)?.0);
                }
                bytes.clear();
                if let Some(pack) = &mut pack {
                    io::Read::read_to_end(&mut pack.part(offset, file.length_bytes)?, &mut bytes)?;
                }
                if FileRecord::of_bytes(&bytes, &self.secret) != *file {
                    return Err(damaged("a file that `build` wrote was damaged twice"));
                }
            }
            files::write_new(&target, &bytes, &self.staging)?;
            offset += file.length_bytes;
        }
        Ok(())
    }

    /// Removes generations that no record names and nobody uses: a process ended between the two, or `build` ran again.
    pub(super) fn remove_unnamed_generations(&self) -> io::Result<()> {
        let _alone = match self.staging.alone() {
            // Nothing can be removed either.
            Err(error) if is_full(&error) => return Ok(()),
            alone => alone?,
        };
        for entry in fs::read_dir(self.root.join(DIR))? {
            let dir = entry?.path();
            let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((key, generation)) = name.split_once('-') else { continue };
            if dir.is_dir() && self.is_unnamed(&SnapshotKey(key.to_owned()), generation, &dir) {
                self.remove_generation(&dir);
            }
        }
        Ok(())
    }

    /// Whether it is certain that no record names a generation. What this process or this version cannot read may name it.
    fn is_unnamed(&self, key: &SnapshotKey, generation: &str, dir: &Path) -> bool {
        match self.try_record::<Built>(WHAT, &self.record_path(key)) {
            Ok(built) => !built.names(generation),
            Err(error) if !is_lost(&error) => false,
            // The record is made again of the pack when somebody asks for it.
            Err(_) => self.record_in_pack(key, &dir.join(PACK)).is_err_and(|error| is_lost(&error)),
        }
    }

    /// Removes a generation, unless somebody uses it.
    pub(super) fn remove_generation(&self, dir: &Path) -> bool {
        let lock = match File::open(dir.join(LOCK)) {
            Ok(lock) if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() => Some(lock),
            // Without one nobody holds it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => return false,
        };
        // The name goes first: whoever waits for the lock finds nothing behind it.
        let Ok(grave) = self.staging.dir("removed-") else { return false };
        let removed = fs::rename(dir, grave.path().join("generation")).is_ok();
        drop(lock);
        removed
    }

    pub(super) fn generations(&self, key: &SnapshotKey) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join(DIR))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.split_once('-').is_some_and(|(of, _)| of == key.0) {
                found.push(path);
            }
        }
        Ok(found)
    }

    pub(super) fn record_path(&self, key: &SnapshotKey) -> PathBuf {
        self.root.join(DIR).join(&key.0).with_extension("json")
    }

    fn generation_dir(&self, key: &SnapshotKey, generation: &str) -> PathBuf {
        self.root.join(DIR).join(format!("{}-{generation}", key.0))
    }
}

impl Built {
    fn names(&self, generation: &str) -> bool {
        matches!(&self.outcome, Outcome::Taken(taken) if taken.generation == generation)
    }
}

fn pack_is_damaged(path: &Path, error: &io::Error) {
    tracing::warn!(
        file = %path.display(),
        %error,
        "the durable form of a snapshot was damaged or cannot be read; what was made of it goes on"
    );
    if is_damage(error) {
        set_aside(path);
    }
}

/// Whether a snapshot is not there, or not what was written: only `build` makes it again.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || is_damage(error)
}

/// Beside a record of this version nothing is another's.
fn own(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Unsupported { damaged("it is not what was written") } else { error }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
        // There is nothing else: a snapshot with a link is refused.
    }
    sync_dir(to)
}
