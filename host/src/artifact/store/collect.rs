//! What is not used any more goes: by age, and by size, the least recently used first.
//!
//! The times of records tell when something was last used. Code and components may go at any time, since whoever has them
//! mapped keeps them; a snapshot stays as long as a process has its lock.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::is_full;
use super::snapshots::SnapshotKey;
use super::{Store, code, components, snapshots, sources};

/// What nobody used for so long goes.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// What was damaged is kept for so long, for whoever wants to know what happened to it.
const MAX_QUARANTINE: Duration = Duration::from_secs(24 * 3600);
/// A use is noted once in so long.
const NOTED_EVERY: Duration = Duration::from_secs(3600);
/// Nobody looks again before so long.
const COLLECTED_EVERY: Duration = Duration::from_secs(3600);
/// The file whose time says when somebody last looked.
const COLLECTED: &str = "collected";

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) things: u64,
    pub(crate) bytes: u64,
}

/// A thing that can go by itself.
struct Thing {
    used: SystemTime,
    bytes: u64,
    what: What,
}

enum What {
    /// The record first.
    Files(Vec<PathBuf>),
    Snapshot(SnapshotKey),
}

impl Store {
    /// As [`collect`](Self::collect), unless somebody did in the last hour.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    pub(crate) fn collect_if_due(&self, max_bytes: u64) -> io::Result<Option<Collected>> {
        let mark = self.root.join(COLLECTED);
        let is_due = fs::metadata(&mark).map_or(true, |metadata| age(&metadata) >= COLLECTED_EVERY);
        if !is_due {
            return Ok(None);
        }
        match File::create(&mark).and_then(|mark| mark.set_modified(SystemTime::now())) {
            // All the more.
            Err(error) if is_full(&error) => {}
            marked => marked?,
        }
        self.collect(max_bytes).map(Some)
    }

    /// Removes what was not used for 30 days, and what is over `max_bytes`, the least recently used first.
    ///
    /// # Errors
    ///
    /// The directory cannot be read. What cannot be removed is left.
    pub(crate) fn collect(&self, max_bytes: u64) -> io::Result<Collected> {
        let mut things = self.files(code::DIR)?;
        things.extend(self.files(components::DIR)?);
        things.extend(self.files(sources::DIR)?);
        things.extend(self.snapshots()?);
        things.sort_by_key(|thing| thing.used);
        let mut total: u64 = things.iter().map(|thing| thing.bytes).sum();
        let mut collected = Collected::default();
        for thing in things {
            let is_old = thing.used.elapsed().is_ok_and(|age| age >= MAX_AGE);
            if (is_old || total > max_bytes) && self.remove(&thing.what) {
                total -= thing.bytes;
                collected.things += 1;
                collected.bytes += thing.bytes;
            }
        }
        collected.things += self.remove_idle_locks()?;
        Ok(collected)
    }

    fn remove(&self, what: &What) -> bool {
        match what {
            What::Files(files) => {
                files.iter().filter(|file| fs::remove_file(file).is_err_and(|error| !is_gone(&error))).count() == 0
            }
            What::Snapshot(key) => {
                let generations = self.generations(key).unwrap_or_default();
                let are_gone = generations.iter().filter(|dir| !self.remove_generation(dir)).count() == 0;
                // Without its generation a record tells of nothing; with it, it is in use.
                are_gone && fs::remove_file(self.record_path(key)).is_ok()
            }
        }
    }

    /// The files of a directory, those of one name together.
    fn files(&self, dir: &str) -> io::Result<Vec<Thing>> {
        let mut things: Vec<(PathBuf, Thing)> = Vec::new();
        let mut entries = fs::read_dir(self.root.join(dir))?.collect::<io::Result<Vec<_>>>()?;
        // The records, `.json`, stand behind the code, `.cwasm`, and before the components, `.wasm`.
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            // It may go while this looks.
            let Ok(metadata) = entry.metadata() else { continue };
            if removed_from_quarantine(&path, &metadata) || !metadata.is_file() {
                continue;
            }
            let (stem, used) = (path.with_extension(""), metadata.modified()?);
            let is_record = path.extension().is_some_and(|extension| extension == "json");
            match things.last_mut() {
                Some((last, thing)) if *last == stem => {
                    thing.bytes += metadata.len();
                    thing.used = thing.used.max(used);
                    if let What::Files(files) = &mut thing.what {
                        files.insert(if is_record { 0 } else { files.len() }, path);
                    }
                }
                _ => things.push((stem, Thing { used, bytes: metadata.len(), what: What::Files(vec![path]) })),
            }
        }
        Ok(things.into_iter().map(|(_, thing)| thing).collect())
    }

    fn snapshots(&self) -> io::Result<Vec<Thing>> {
        let mut things = Vec::new();
        for entry in fs::read_dir(self.root.join(snapshots::DIR))? {
            let entry = entry?;
            let path = entry.path();
            // It may go while this looks.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                empty_quarantine(&path);
            }
            if removed_from_quarantine(&path, &metadata) || path.extension().is_none_or(|extension| extension != "json")
            {
                continue;
            }
            let Some(key) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let key = SnapshotKey(key.to_owned());
            let mut bytes = metadata.len();
            for dir in self.generations(&key)? {
                bytes += super::files::entries_below(&dir)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|path| fs::symlink_metadata(path).ok())
                    .map(|metadata| metadata.len())
                    .sum::<u64>();
            }
            things.push(Thing { used: metadata.modified()?, bytes, what: What::Snapshot(key) });
        }
        Ok(things)
    }
}

/// What was set aside in a generation, which goes on without it.
fn empty_quarantine(generation: &Path) {
    for entry in fs::read_dir(generation).into_iter().flatten().flatten() {
        if let Ok(metadata) = entry.metadata() {
            removed_from_quarantine(&entry.path(), &metadata);
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Whether a file is one that was set aside; it goes once it is old. It may be a directory that stood in a file's place.
fn removed_from_quarantine(path: &Path, metadata: &Metadata) -> bool {
    let is_set_aside = path.extension().is_some_and(|extension| extension == "quarantine");
    if is_set_aside && age(metadata) >= MAX_QUARANTINE {
        let _ = if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    is_set_aside
}

fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default()
}

/// Notes that something is used, by the time of its file.
pub(super) fn note_use(path: &Path) {
    // Asked first, because it is almost never due, and opening costs more than asking.
    if fs::metadata(path).is_ok_and(|metadata| age(&metadata) >= NOTED_EVERY) {
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(path: &Path, ago: Duration) {
        File::open(path).unwrap().set_modified(SystemTime::now() - ago).unwrap();
    }

    #[test]
    fn what_is_old_goes_and_over_the_size_the_least_recently_used() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let dir = store.root.join(code::DIR);
        let write = |name: &str, ago_s: u64| {
            for (extension, bytes) in [("json", 10), ("cwasm", 990)] {
                let path = dir.join(name).with_extension(extension);
                fs::write(&path, vec![0; bytes]).unwrap();
                used(&path, Duration::from_secs(ago_s));
            }
        };
        write("old", MAX_AGE.as_secs() + 1);
        write("second", 300);
        write("third", 200);
        write("fourth", 100);
        assert_eq!(store.collect(3_000).unwrap(), Collected { things: 1, bytes: 1_000 });
        assert_eq!(store.collect(2_000).unwrap(), Collected { things: 1, bytes: 1_000 });
        assert!(!dir.join("second.json").exists() && !dir.join("second.cwasm").exists());
        assert!(dir.join("third.json").exists() && dir.join("fourth.cwasm").exists());
        assert_eq!(store.collect(2_000).unwrap(), Collected::default());
    }

    #[test]
    fn what_is_set_aside_goes_a_day_after_that_however_old_it_was() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let generation = store.root.join(snapshots::DIR).join("key-generation");
        fs::create_dir(&generation).unwrap();
        let places = [
            store.root.join(code::DIR).join("damaged.cwasm"),
            store.root.join(components::DIR).join("directory.wasm"),
            store.root.join(snapshots::DIR).join("damaged.json"),
            generation.join("pack"),
        ];
        let aside = places.clone().map(|place| {
            let mut name = place.into_os_string();
            name.push(".quarantine");
            PathBuf::from(name)
        });
        for (place, aside) in places.iter().zip(&aside) {
            if place.ends_with("directory.wasm") {
                fs::create_dir(place).unwrap();
            } else {
                fs::write(place, "damaged").unwrap();
            }
            used(place, MAX_AGE);
            super::super::sealed::set_aside(place);
            assert!(aside.exists(), "{}", aside.display());
        }
        store.collect(u64::MAX).unwrap();
        assert!(aside.iter().all(|aside| aside.exists()), "it was set aside just now");
        for aside in &aside {
            used(aside, MAX_QUARANTINE);
        }
        store.collect(u64::MAX).unwrap();
        assert!(!aside.iter().any(|aside| aside.exists()));
    }

    #[test]
    fn a_process_looks_once_an_hour_whichever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let stores = [Store::open(root.path()).unwrap(), Store::open(root.path()).unwrap()];
        assert!(stores[0].collect_if_due(1).unwrap().is_some());
        assert!(stores[1].collect_if_due(1).unwrap().is_none());
        used(&stores[0].root.join(COLLECTED), COLLECTED_EVERY);
        assert!(stores[1].collect_if_due(1).unwrap().is_some());
    }
}
