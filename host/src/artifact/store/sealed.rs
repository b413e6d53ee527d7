//! Records: JSON with a seal over its very bytes, made with the secret of the store.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::files::{damaged, is_damage, is_passing, write_new};
use super::{FORMAT, Store};

/// The end of the names of what was damaged.
const QUARANTINE: &str = ".quarantine";

#[derive(Serialize, Deserialize)]
struct Sealed<B> {
    format: u32,
    seal: String,
    body: B,
}

/// All that is known of a record of another version.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl Store {
    /// The text of a record. `what` says which kind it is, and `name` of what, so that one cannot stand for another.
    pub(super) fn seal<T: Serialize>(&self, what: &str, name: &str, body: &T) -> io::Result<String> {
        let body = RawValue::from_string(serde_json::to_string(body)?)?;
        let seal = self.seal_of(what, name, body.get());
        Ok(serde_json::to_string(&Sealed { format: FORMAT, seal, body })?)
    }

    /// Reads the text of a record.
    ///
    /// # Errors
    ///
    /// `InvalidData`: it is not what was written here. `Unsupported`: another version of this program wrote it.
    pub(super) fn unseal<T: DeserializeOwned>(&self, what: &str, name: &str, text: &[u8]) -> io::Result<T> {
        let not_ours = |_| damaged("its record is not what was written");
        let Versioned { format } = serde_json::from_slice(text).map_err(not_ours)?;
        if format != FORMAT {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let sealed: Sealed<&RawValue> = serde_json::from_slice(text).map_err(not_ours)?;
        if sealed.seal != self.seal_of(what, name, sealed.body.get()) {
            return Err(damaged("its record is not what was written"));
        }
        serde_json::from_str(sealed.body.get()).map_err(not_ours)
    }

    /// Reads a record; `None` where there is none, or not what was written, which is told and the record set aside.
    ///
    /// # Errors
    ///
    /// This process cannot read now, and knows nothing of the record.
    pub(super) fn read_record<T: DeserializeOwned>(&self, what: &str, path: &Path) -> io::Result<Option<T>> {
        match self.try_record(what, path) {
            Ok(record) => Ok(Some(record)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported) => Ok(None),
            Err(error) if is_passing(&error) => Err(error),
            Err(error) if is_damage(&error) => {
                tracing::warn!(file = %path.display(), %error, "a record in the cache was damaged: it is set aside");
                set_aside(path);
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a record in the cache cannot be read");
                Ok(None)
            }
        }
    }

    /// Reads a record and leaves it where it is, whatever it is.
    pub(super) fn try_record<T: DeserializeOwned>(&self, what: &str, path: &Path) -> io::Result<T> {
        self.unseal(what, name_in(path), &fs::read(path)?)
    }

    pub(super) fn write_record<T: Serialize>(&self, what: &str, path: &Path, body: &T) -> io::Result<()> {
        write_new(path, self.seal(what, name_in(path), body)?.as_bytes(), &self.staging)
    }

    fn seal_of(&self, what: &str, name: &str, body: &str) -> String {
        self.secret.keyed(format!("{what}\n{name}\n{body}").as_bytes()).to_hex().to_string()
    }
}

/// The name of what a record is of.
fn name_in(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// Gives a damaged file another name, for whoever wants to know what happened to it.
pub(super) fn set_aside(path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push(QUARANTINE);
    // Its own time says nothing of when it was set aside. Before it has its name, for who has it may be removed by its time;
    // and of a link that of the link.
    let now = || Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ =
        utimensat(CWD, path, &Timestamps { last_access: now(), last_modification: now() }, AtFlags::SYMLINK_NOFOLLOW);
    let _ = fs::rename(path, name);
}
