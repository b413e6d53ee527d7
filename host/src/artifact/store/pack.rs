//! The durable form of a snapshot: one file with the record, the component after `build`, and what it wrote.
//!
//! ```text
//! magic · length of the record (8 bytes, little endian) · record, sealed · component · files of `/image`, in the record's order
//! ```
//! Everything else there is of a snapshot (`image/`, compiled code, the record beside it) can be made again from it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use super::files::{FileRecord, damaged};

/// The last byte is a version.
const MAGIC: &[u8; 8] = b"whpack\x00\x01";
const NAME: &[u8] = b"whpack\x00";

/// A record has a line for each file of `/image`; it is read whole.
const MAX_RECORD_BYTES: u64 = 256 << 20;

/// Writes a pack; `image` is the directory that `files` are in.
pub(super) fn write(
    mut pack: impl Write,
    record: &str,
    component: &[u8],
    image: &Path,
    files: &[(impl AsRef<Path>, FileRecord)],
) -> io::Result<()> {
    pack.write_all(MAGIC)?;
    pack.write_all(&(record.len() as u64).to_le_bytes())?;
    pack.write_all(record.as_bytes())?;
    pack.write_all(component)?;
    for (path, file) in files {
        if file.is_directory() {
            continue;
        }
        let copied = io::copy(&mut File::open(image.join(path))?, &mut pack)?;
        if copied != file.length_bytes {
            return Err(damaged("a file changed while it was packed"));
        }
    }
    pack.flush()
}

/// A pack, opened.
pub(super) struct Pack {
    file: BufReader<File>,
    /// Where the component begins.
    content: u64,
}

impl Pack {
    /// Opens a pack and reads the text of its record.
    ///
    /// # Errors
    ///
    /// `InvalidData`: it is no pack. `Unsupported`: another version of this program wrote it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<u8>)> {
        let mut file = BufReader::new(File::open(path)?);
        let (mut magic, mut length) = ([0; 8], [0; 8]);
        let cut_short = |error: io::Error| {
            if error.kind() == io::ErrorKind::UnexpectedEof { damaged("it was cut short") } else { error }
        };
        file.read_exact(&mut magic).map_err(cut_short)?;
        file.read_exact(&mut length).map_err(cut_short)?;
        let length = u64::from_le_bytes(length);
        if magic != *MAGIC && magic.starts_with(NAME) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if magic != *MAGIC || length > MAX_RECORD_BYTES {
            return Err(damaged("it is no pack"));
        }
        let mut record = Vec::new();
        (&mut file).take(length).read_to_end(&mut record)?;
        if record.len() as u64 != length {
            return Err(damaged("it was cut short"));
        }
        Ok((Self { file, content: (MAGIC.len() + 8) as u64 + length }, record))
    }

    /// A part of what follows the record.
    pub(super) fn part(&mut self, offset: u64, length: u64) -> io::Result<impl Read + '_> {
        self.file.seek(SeekFrom::Start(self.content + offset))?;
        Ok((&mut self.file).take(length))
    }

    /// How many bytes follow the record.
    pub(super) fn content_bytes(&self) -> io::Result<u64> {
        Ok(self.file.get_ref().metadata()?.len().saturating_sub(self.content))
    }
}
