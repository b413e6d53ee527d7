//! Files of a store: written whole or not at all, for this user alone, with their lengths and keyed digests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

use super::sealed::set_aside;
use super::secret::Secret;
use super::staging::Staging;

/// The length and the keyed digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    pub(super) length_bytes: u64,
    /// Empty for a directory.
    keyed_blake3: String,
}

impl FileRecord {
    pub(super) fn of_directory() -> Self {
        Self { length_bytes: 0, keyed_blake3: String::new() }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.keyed_blake3.is_empty()
    }

    pub(super) fn of_bytes(bytes: &[u8], secret: &Secret) -> Self {
        Self { length_bytes: bytes.len() as u64, keyed_blake3: secret.keyed(bytes).to_hex().to_string() }
    }

    pub(super) fn of_reader(reader: &mut impl io::Read, secret: &Secret) -> io::Result<Self> {
        let (length_bytes, digest) = secret.keyed_reader(reader)?;
        Ok(Self { length_bytes, keyed_blake3: digest.to_hex().to_string() })
    }
}

/// What is below a directory, sorted; of directories in it there are the names.
///
/// # Errors
///
/// Something cannot be read, or is neither a file nor a directory.
pub(super) fn records_below(root: &Path, secret: &Secret) -> io::Result<Vec<(PathBuf, FileRecord)>> {
    let mut found = Vec::new();
    for path in entries_below(root)? {
        let below = path.strip_prefix(root).map_err(io::Error::other)?.to_owned();
        let kind = fs::symlink_metadata(&path)?.file_type();
        let record = if kind.is_dir() {
            FileRecord::of_directory()
        } else if kind.is_file() {
            FileRecord::of_reader(&mut File::open(&path)?, secret)?
        } else {
            return Err(damaged("it has a link"));
        };
        found.push((below, record));
    }
    Ok(found)
}

/// The first thing below a directory that is neither a file nor a directory.
///
/// # Errors
///
/// Something cannot be read.
pub(crate) fn link_below(root: &Path) -> io::Result<Option<PathBuf>> {
    for path in entries_below(root)? {
        let kind = fs::symlink_metadata(&path)?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            return Ok(Some(path.strip_prefix(root).map_err(io::Error::other)?.to_owned()));
        }
    }
    Ok(None)
}

/// All that is below a directory, sorted. Links are not followed.
pub(super) fn entries_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut entries, mut dirs) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// Writes a file under another name, syncs it, and gives it its own.
pub(super) fn write_new(path: &Path, bytes: &[u8], staging: &Staging) -> io::Result<()> {
    let mut temporary = staging.file()?;
    temporary.write_all(bytes)?;
    give_name(temporary, path)
}

/// Gives a file that is whole its name, for good.
pub(super) fn give_name(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    match file.persist(path) {
        // Nobody puts a directory where a file has its name.
        Err(failed) if failed.error.kind() == io::ErrorKind::IsADirectory => {
            set_aside(path);
            failed.file.persist(path)?;
        }
        persisted => drop(persisted?),
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// The failure of whoever finds that a file is not what was written.
pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Whether a failure tells of what is on the disk: it is not what was written, or something else is in its place.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof | NotADirectory | IsADirectory)
}

/// Whether a failure is one of this process at this moment, and tells nothing of what is on the disk.
pub(super) fn is_passing(error: &io::Error) -> bool {
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    passing.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether a failure is that nothing can be written, while what is there can be read.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// Makes a directory that only this user can write to, or checks that one is.
pub(super) fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(dir)?;
        // Whoever can write here could put code here, with a key and a record that vouch for it.
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            let message = "it holds code and must belong to this user, writable for nobody else (`chmod go-w`)";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
    }
    Ok(())
}

/// A directory that only this user can look into.
pub(super) fn private_temporary(prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

/// Makes the names in a directory outlast a loss of power.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_directory_has_a_record_also_where_it_is_empty() {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = Secret::open(root.path(), &Staging::open(root.path()).unwrap()).unwrap();
        fs::create_dir_all(dir.path().join("a/empty")).unwrap();
        fs::write(dir.path().join("a/file"), "text").unwrap();
        let records = records_below(dir.path(), &secret).unwrap();
        let lengths: Vec<_> =
            records.iter().map(|(path, record)| (path.to_str().unwrap(), record.length_bytes)).collect();
        assert_eq!(lengths, [("a", 0), ("a/empty", 0), ("a/file", 4)]);
        assert_eq!(link_below(dir.path()).unwrap(), None);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("file", dir.path().join("a/link")).unwrap();
            assert_eq!(link_below(dir.path()).unwrap().as_deref(), Some(Path::new("a/link")));
            records_below(dir.path(), &secret).unwrap_err();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = make_private_dir(dir.path()).unwrap_err();
        assert!(error.to_string().contains("chmod"), "{error}");
    }
}
