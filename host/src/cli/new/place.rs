//! Where a project goes: a directory that is new or empty, and the name that it gives to the app.
//!
//! Nothing of what was there is changed, and what was made goes again if the rest cannot be.

use std::io;
use std::path::{Path, PathBuf};

use super::Written;
use crate::error::{Error, ErrorKind};
use crate::manifest::check_name;

/// A directory that a project can be made in.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    /// What the app is called.
    pub(super) name: String,
}

impl Place {
    /// The directory at `path`, and the app's name: the one given, else the last part of the path.
    ///
    /// # Errors
    ///
    /// `bad-request` if that is no name for an app; `conflict` if something is there already.
    pub(super) fn choose(path: &Path, name: Option<&str>) -> Result<Self, Error> {
        let failed = |error| cannot(&format!("`{}`", path.display()), error);
        let dir = std::path::absolute(path).map_err(failed)?;
        let name = match name {
            Some(name) => check_name(name).map(|()| name.to_owned()).map_err(|error| error.to_string()),
            None => name_of(&dir, path),
        };
        let name = name.map_err(Error::bad_request)?;
        let shown = path.display();
        match dir.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            // A link may lead to a directory.
            Ok(_) if !dir.is_dir() => {
                let message = format!("`{shown}` is there already and no directory; choose another path");
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            Ok(_) if dir.read_dir().map_err(failed)?.next().is_some() => {
                let message = format!("the directory `{shown}` is not empty; choose another path, or empty it");
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            Ok(_) => {}
        }
        Ok(Self { dir, name })
    }

    /// Writes the files, all of them or none.
    ///
    /// # Errors
    ///
    /// If a directory or file cannot be made.
    pub(super) fn fill(&self, files: &[Written]) -> Result<(), Error> {
        let mut made = Made::default();
        let filled = files.iter().try_for_each(|(path, text)| made.file(&self.dir.join(path), text));
        if filled.is_err() {
            made.remove();
        }
        filled
    }
}

/// The name that a directory gives to an app.
fn name_of(dir: &Path, given: &Path) -> Result<String, String> {
    // After `..` only the file system knows where a path ends.
    let real = if dir.file_name().is_none() { dir.canonicalize().unwrap_or_default() } else { dir.to_owned() };
    let Some(name) = real.file_name() else {
        return Err(format!("`{}` has no last part that could name the app; give one with `--name`", given.display()));
    };
    let name = name.to_string_lossy().into_owned();
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(format!("{error}; or give the app another name than the directory's with `--name`")),
    }
}

/// Directories and files in the order made.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        if let Some(dir) = path.parent() {
            self.dir(dir)?;
        }
        let written = std::fs::File::create_new(path).and_then(|mut file| {
            self.0.push(path.to_owned());
            io::Write::write_all(&mut file, text.as_bytes())
        });
        written.map_err(|error| cannot(&format!("`{}` cannot be written", path.display()), error))
    }

    fn dir(&mut self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.dir(parent)?;
        }
        match std::fs::create_dir(path) {
            Ok(()) => self.0.push(path.to_owned()),
            // Somebody was faster.
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(cannot(&format!("the directory `{}` cannot be made", path.display()), error)),
        }
        Ok(())
    }

    /// Removes all of it again. A directory in which somebody else has put something stays.
    fn remove(self) {
        for path in self.0.iter().rev() {
            let _ = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
        }
    }
}

/// The error of a path that something stands in the way of, or that is none.
fn cannot(what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => ErrorKind::Conflict,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::BadRequest,
        _ => return Error::io(what, error),
    };
    Error::new(kind, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(path: &Path, name: Option<&str>, kind: ErrorKind, says: &str) {
        let error = Place::choose(path, name).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }

    fn entries(dir: &Path) -> usize {
        dir.read_dir().unwrap().count()
    }

    #[test]
    fn the_last_part_of_the_path_is_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let name = |path: &str| Place::choose(&dir.path().join(path), None).unwrap().name;
        std::fs::create_dir_all(dir.path().join("shop/src")).unwrap();
        assert_eq!((name("a/b/hello").as_str(), name("hello/").as_str()), ("hello", "hello"));
        assert_eq!(name("shop/src"), "src", "an empty directory will do");
        assert_eq!(Place::choose(&dir.path().join("My App"), Some("my-app")).unwrap().name, "my-app");
    }

    #[test]
    fn a_name_that_is_none_is_told_with_one_that_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        refused(&at("My_App"), None, ErrorKind::BadRequest, "use `my-app`; or give the app another name");
        refused(&at("7up"), None, ErrorKind::BadRequest, "`7up` is no name: lower-case letters and digits");
        refused(&at(&"a".repeat(31)), None, ErrorKind::BadRequest, "has 31 characters; a name has at most 30");
        refused(&at("app"), Some("App"), ErrorKind::BadRequest, "`App` is no name");
        refused(Path::new("/"), None, ErrorKind::BadRequest, "`--name`");
        refused(Path::new(""), None, ErrorKind::BadRequest, "``");
    }

    #[test]
    fn nothing_that_is_there_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir(at("full")).unwrap();
        std::fs::write(at("full/.hidden"), "").unwrap();
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        refused(&at("full"), None, ErrorKind::Conflict, "is not empty");
        refused(&at("file"), None, ErrorKind::Conflict, "no directory");
        refused(&at("link"), None, ErrorKind::Conflict, "no directory");
        refused(&at("file/app"), None, ErrorKind::Conflict, "file/app");
    }

    #[test]
    fn what_cannot_be_finished_is_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::choose(&dir.path().join("a/hello"), None).unwrap();
        let files = [("one", String::new()), ("src/two", String::new()), ("one/three", String::new())];
        let error = place.fill(&files).unwrap_err();
        assert!(error.to_string().contains("one` cannot be made"), "{error}");
        assert_eq!(entries(dir.path()), 0);
        place.fill(&files[..2]).unwrap();
        assert_eq!(entries(&dir.path().join("a/hello")), 2);
        let again = place.fill(&files[..1]).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
        assert_eq!(entries(&dir.path().join("a/hello")), 2, "what was there before stays");
    }
}
