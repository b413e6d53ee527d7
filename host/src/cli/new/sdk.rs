//! Where the guest SDK is: in the checkout that this program was built from, unless `WASMHOST_SDK` says otherwise.
//!
//! Its crates are in no registry yet, so a project names their directory.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The variable that names the directory.
pub(super) const VARIABLE: &str = "WASMHOST_SDK";

/// The SDK's crate, and the directory that holds it in a checkout.
const CRATE: &str = "wasmhost-guest";
const FOLDER: &str = "guest-sdk";

/// A guest SDK that is there.
#[derive(Debug)]
pub(super) struct Sdk {
    /// Its directory, absolute.
    pub(super) dir: String,
    /// The releases that it was tested with.
    pub(super) lock: Option<String>,
}

impl Sdk {
    /// Finds the SDK: where the value of [`VARIABLE`] says, if it has one.
    ///
    /// # Errors
    ///
    /// `not-found` if nothing is there; `bad-request` if it is something else.
    pub(super) fn find(variable: Option<OsString>) -> Result<Self, Error> {
        match variable.filter(|value| !value.is_empty()) {
            Some(value) => Self::named(Path::new(&value)),
            None => Self::of_checkout(Path::new(env!("CARGO_MANIFEST_DIR"))),
        }
    }

    fn named(dir: &Path) -> Result<Self, Error> {
        let what = format!("`{VARIABLE}` is `{}`", dir.display());
        let wanted = format!("it names the directory `{FOLDER}` of a checkout of wasmhost");
        match Self::at(dir) {
            Found::Sdk(sdk) => Ok(sdk),
            Found::Nothing => Err(Error::not_found(format!("{what}, where nothing is; {wanted}"))),
            Found::Else(reason) => {
                let inside = dir.join(FOLDER);
                let wanted = match Self::at(&inside) {
                    Found::Sdk(_) => format!("did you mean `{}`?", inside.display()),
                    _ => wanted,
                };
                Err(Error::bad_request(format!("{what}, which is no guest SDK, for {reason}; {wanted}")))
            }
        }
    }

    /// The SDK beside the crate of the host.
    fn of_checkout(host: &Path) -> Result<Self, Error> {
        let dir = host.parent().map(|root| root.join(FOLDER)).unwrap_or_default();
        match Self::at(&dir) {
            Found::Sdk(sdk) => Ok(sdk),
            Found::Nothing | Found::Else(_) => Err(Error::not_found(format!(
                "the guest SDK is not at `{}` any longer, in the checkout that this program was built from; set \
                 `{VARIABLE}` to the directory `{FOLDER}` of another checkout, or choose a template in another language",
                dir.display()
            ))),
        }
    }

    fn at(dir: &Path) -> Found {
        // Absolute, and without links: a project is built from other directories, and perhaps after they have changed.
        let dir: PathBuf = match dir.canonicalize() {
            Ok(dir) => dir,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Found::Nothing;
            }
            Err(error) => return Found::Else(format!("it cannot be opened ({error})")),
        };
        let manifest = match std::fs::read_to_string(dir.join("Cargo.toml")) {
            Ok(text) => text.parse::<toml::Table>().ok(),
            Err(error) => return Found::Else(format!("its `Cargo.toml` cannot be read ({error})")),
        };
        let package = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
        if package != Some(CRATE) {
            return Found::Else(format!("its `Cargo.toml` is not that of the crate `{CRATE}`"));
        }
        let lock = std::fs::read_to_string(dir.join("Cargo.lock")).ok();
        match dir.into_os_string().into_string() {
            Ok(dir) => Found::Sdk(Self { dir, lock }),
            Err(_) => Found::Else("its path is not UTF-8, as that in a `Cargo.toml` has to be".to_owned()),
        }
    }
}

/// What is in a place.
enum Found {
    Sdk(Sdk),
    Nothing,
    /// Something that is no SDK, and why.
    Else(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn manifest(dir: &Path, text: &str) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("Cargo.toml"), text).unwrap();
    }

    #[track_caller]
    fn refused(value: &Path, kind: ErrorKind, says: &str) {
        let error = Sdk::find(Some(value.into())).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains("`WASMHOST_SDK`") && text.contains(says), "{text}");
    }

    #[test]
    fn the_sdk_of_this_checkout_is_found_with_its_lock_file() {
        for value in [None, Some(OsString::new())] {
            let sdk = Sdk::find(value).unwrap();
            assert!(sdk.dir.ends_with("/guest-sdk") && sdk.lock.is_some(), "{}", sdk.dir);
        }
    }

    #[test]
    fn what_is_named_has_to_be_an_sdk() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        manifest(&at("checkout/guest-sdk"), "[package]\nname = \"wasmhost-guest\"");
        manifest(&at("checkout"), "[workspace]");
        manifest(&at("other"), "[package]\nname = \"other\"");
        manifest(&at("broken"), "[package");
        let sdk = Sdk::find(Some(at("checkout/guest-sdk").into())).unwrap();
        assert!(Path::new(&sdk.dir).is_absolute() && sdk.lock.is_none());
        refused(&at("nowhere"), ErrorKind::NotFound, "where nothing is; it names the directory `guest-sdk`");
        refused(&at("other/Cargo.toml/x"), ErrorKind::NotFound, "where nothing is");
        refused(&at("checkout"), ErrorKind::BadRequest, "checkout/guest-sdk`?");
        refused(&at("other"), ErrorKind::BadRequest, "is not that of the crate `wasmhost-guest`");
        refused(&at("broken"), ErrorKind::BadRequest, "is not that of the crate");
        refused(dir.path(), ErrorKind::BadRequest, "`Cargo.toml` cannot be read");
    }

    #[test]
    fn a_checkout_that_is_gone_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let error = Sdk::of_checkout(&dir.path().join("host")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let gone = dir.path().join("guest-sdk").display().to_string();
        for says in [gone.as_str(), "set `WASMHOST_SDK`", "template in another language"] {
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
