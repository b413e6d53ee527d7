//! The secret of a store, kept twice: without it nothing there can be trusted, and all would have to be made again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::files::{is_full, write_new};
use super::staging::Staging;

const SECRET_BYTES: usize = 32;

/// The secret, and as many bytes of digest, by which damage is noticed.
const FILE_BYTES: usize = 2 * SECRET_BYTES;

/// Keys every digest and seal of a store: whoever cannot read it can make no record.
#[derive(Clone)]
pub(super) struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// Reads the secret below `root`; the first process that needs one makes it.
    pub(super) fn open(root: &Path, staging: &Staging) -> io::Result<Self> {
        let places = [root.join("key"), root.join("key.copy")];
        if let [Some(secret), Some(_)] = [read(&places[0])?, read(&places[1])?] {
            return Ok(secret);
        }
        // Whoever makes or mends it does so alone.
        let _alone = staging.alone()?;
        let (secret, is_known) = match [read(&places[0])?, read(&places[1])?] {
            [Some(secret), _] | [None, Some(secret)] => (secret, true),
            [None, None] => {
                let mut secret = [0; SECRET_BYTES];
                File::open("/dev/urandom")?.read_exact(&mut secret)?;
                (Self(secret), false)
            }
        };
        for place in places {
            if read(&place)?.is_none_or(|found| found.0 != secret.0) {
                match secret.write(&place, staging) {
                    // Mended when there is room.
                    Err(error) if is_known && is_full(&error) => {}
                    written => written?,
                }
            }
        }
        Ok(secret)
    }

    /// The keyed digest of some bytes.
    pub(super) fn keyed(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, bytes)
    }

    /// The keyed digest of what is read, and how much that was.
    pub(super) fn keyed_reader(&self, reader: &mut impl io::Read) -> io::Result<(u64, blake3::Hash)> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        let length = io::copy(reader, &mut hasher)?;
        Ok((length, hasher.finalize()))
    }

    fn write(&self, place: &Path, staging: &Staging) -> io::Result<()> {
        let mut bytes = self.0.to_vec();
        bytes.extend(blake3::hash(&self.0).as_bytes());
        write_new(place, &bytes, staging)
    }
}

/// The secret in a file; `None` where there is none, or it was damaged.
fn read(path: &Path) -> io::Result<Option<Secret>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let secret = bytes.first_chunk::<SECRET_BYTES>().filter(|_| bytes.len() == FILE_BYTES);
    Ok(secret
        .filter(|secret| blake3::hash(&secret[..]).as_bytes()[..] == bytes[SECRET_BYTES..])
        .map(|secret| Secret(*secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_to_one_copy_is_mended_and_damage_to_both_makes_another_secret() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::open(root.path()).unwrap();
        let open = || Secret::open(root.path(), &staging).unwrap().0;
        let secret = open();
        for name in ["key", "key.copy"] {
            for damage in [b"short".to_vec(), vec![0; FILE_BYTES], Vec::new()] {
                fs::write(root.path().join(name), damage).unwrap();
                assert_eq!(open(), secret);
                assert_eq!(fs::read(root.path().join("key")).unwrap(), fs::read(root.path().join("key.copy")).unwrap());
            }
            fs::remove_file(root.path().join(name)).unwrap();
            assert_eq!(open(), secret);
        }
        fs::write(root.path().join("key"), b"").unwrap();
        fs::write(root.path().join("key.copy"), b"").unwrap();
        assert_ne!(open(), secret);
    }

    #[test]
    fn many_openers_at_once_agree_on_one_secret() {
        let root = tempfile::tempdir().unwrap();
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let open = || Secret::open(root.path(), &Staging::open(root.path()).unwrap()).unwrap().0;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }
}
