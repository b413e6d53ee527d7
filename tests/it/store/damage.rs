//! What can happen to a file of a store, the kinds of files there are, and copies of a store to damage. It knows names, and
//! nothing of what is in the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wasmhost_tests::hostile::Numbers;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Cut,
    Gone,
}

impl Damage {
    /// Does it, and gives what is in the file now.
    pub(super) fn inflict(self, file: &Path, numbers: &mut Numbers) -> Option<Vec<u8>> {
        let mut bytes = fs::read(file).unwrap();
        // Not in place: the healthy file has the same bytes behind another name.
        fs::remove_file(file).unwrap();
        match self {
            Self::Flip => {
                let place = numbers.below(bytes.len());
                bytes[place] ^= 1 << numbers.below(8);
            }
            Self::Cut => bytes.truncate(numbers.below(bytes.len())),
            Self::Gone => return None,
        }
        fs::write(file, &bytes).unwrap();
        Some(bytes)
    }
}

/// Kinds of files in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Key,
    KeyCopy,
    Source,
    ComponentRecord,
    Component,
    CodeRecord,
    Code,
    SnapshotRecord,
    Pack,
    Image,
}

impl Kind {
    pub(super) const ALL: [Self; 10] = [
        Self::Key,
        Self::KeyCopy,
        Self::Source,
        Self::ComponentRecord,
        Self::Component,
        Self::CodeRecord,
        Self::Code,
        Self::SnapshotRecord,
        Self::Pack,
        Self::Image,
    ];

    /// The kind of a file, by its path below the store; none for the files of locks and times, which are empty, and for what was
    /// set aside.
    fn of(file: &Path) -> Option<Self> {
        let path = file.to_str().unwrap();
        let (place, name) = path.split_once('/').unwrap_or(("", path));
        Some(match (place, name.rsplit('.').next().unwrap_or_default()) {
            ("", "key") => Self::Key,
            ("", "copy") => Self::KeyCopy,
            ("sources", "json") => Self::Source,
            ("components", "json") => Self::ComponentRecord,
            ("components", "wasm") => Self::Component,
            ("code", "json") => Self::CodeRecord,
            ("code", "cwasm") => Self::Code,
            ("snapshots", "json") => Self::SnapshotRecord,
            ("snapshots", _) if name.ends_with("/pack") => Self::Pack,
            ("snapshots", _) if name.contains("/image/") => Self::Image,
            ("snapshots", _) if name.ends_with("/lock") || name.ends_with(".building") => return None,
            ("staging", _) | ("", "collected") | (_, "quarantine") => return None,
            _ => panic!("`{path}` is of no known kind"),
        })
    }
}

/// The files of a store by their kinds, below the directory of the cache.
pub(super) fn files(cache: &Path) -> BTreeMap<Kind, Vec<PathBuf>> {
    let root = cache.join("artifacts");
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for file in walk(&root) {
        if let Some(kind) = Kind::of(file.strip_prefix(&root).unwrap()) {
            found.entry(kind).or_default().push(file.strip_prefix(cache).unwrap().to_owned());
        }
    }
    found
}

/// A copy of a cache, of which every file can be replaced or removed. What has bytes is linked, which is as good: a store
/// writes no file twice.
pub(super) fn copy(from: &Path, to: &Path) {
    for file in walk(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if fs::metadata(&file).unwrap().len() == 0 {
            fs::write(target, "").unwrap();
        } else {
            fs::hard_link(file, target).unwrap();
        }
    }
}

/// Where a store puts a file that is not what was written.
pub(super) fn quarantine(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".quarantine");
    name.into()
}

fn walk(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let to = if entry.file_type().unwrap().is_dir() { &mut dirs } else { &mut files };
            to.push(entry.path());
        }
    }
    files.sort();
    files
}
