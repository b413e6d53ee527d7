//! What the instances of a class see of the machine: environment, files that travel with the app, mounts, the network.
//!
//! Permissions are checked here, once, when the class is loaded: a manifest may only take what the host was told to allow.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::HostInner;
use crate::artifact::Store;
use crate::config::HostConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{ClassSettings, EnvValue, FileEntry, MountEntry};
use crate::state::{Directory, Outbound, Tmp, WasiSpec};

/// Entries of directories given in `files`, at most.
const MAX_FILES: usize = 100_000;

/// The world of one class, with the directory its files were laid out in.
#[derive(Debug)]
pub(super) struct World {
    pub(super) spec: WasiSpec,
    /// Removed with the class.
    _files: Option<TempDir>,
}

impl World {
    /// Makes what the settings of `class` ask for.
    ///
    /// # Errors
    ///
    /// `forbidden` for a variable or directory that was not allowed, `not-found` for a file that is not there; each names
    /// the setting and what would allow it.
    pub(super) fn new(class: &str, settings: &ClassSettings, host: &HostInner) -> Result<Self> {
        let config = &host.config;
        let tmp = settings.tmp_bytes.map(|bytes| Tmp { bytes, scratch: host.scratch.clone() });
        let outbound: Vec<_> = settings.allow_outbound.iter().map(ToString::to_string).collect();
        let mut spec = WasiSpec {
            env: environment(class, settings, config)?,
            outbound: Arc::new(Outbound::new(outbound.iter().map(String::as_str), &host.network)?),
            tmp,
            ..WasiSpec::default()
        };
        let files = lay_out(class, &settings.files, &host.store)?;
        if let Some(dir) = &files {
            spec.directories = top_directories(dir.path(), &settings.files);
        }
        for mount in &settings.mounts {
            spec.directories.push(mounted(class, mount, config)?);
        }
        Ok(Self { spec, _files: files })
    }
}

fn environment(class: &str, settings: &ClassSettings, config: &HostConfig) -> Result<Vec<(String, String)>> {
    let mut env = Vec::with_capacity(settings.env.len());
    for (name, value) in &settings.env {
        let value = match value {
            EnvValue::Text(text) => text.clone(),
            EnvValue::Host(variable) => {
                let from = variable.from.as_str();
                let key = format!("class.{class}.env.{name}");
                if !config.allow_env.contains(from) {
                    return Err(Error::new(
                        ErrorKind::Forbidden,
                        format!(
                            "`{key}` takes `{from}` from the host's environment; allow it with `--allow-env {from}`"
                        ),
                    )
                    .with_limit("allow-env", allowed(config.allow_env.iter().map(String::as_str))));
                }
                std::env::var(from).map_err(|error| {
                    Error::bad_request(format!("`{key}` takes `{from}` from the host's environment: {error}"))
                })?
            }
        };
        env.push((name.clone(), value));
    }
    Ok(env)
}

fn mounted(class: &str, mount: &MountEntry, config: &HostConfig) -> Result<Directory> {
    let guest = mount.path.as_str();
    let what = || format!("`class.{class}.mounts`: the directory `{}` for `{guest}`", mount.host.display());
    // Links are followed before the comparison, so that none of them leads out of what was allowed.
    let host = fs::canonicalize(&mount.host).map_err(|error| Error::io(what(), error))?;
    if !host.is_dir() {
        return Err(Error::bad_request(format!("{} is no directory", what())));
    }
    let is_allowed = config
        .allow_mounts
        .iter()
        .filter_map(|allowed| fs::canonicalize(allowed).ok())
        .any(|allowed| host.starts_with(allowed));
    if !is_allowed {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!("{} is not allowed; allow it with `--allow-mount {}`", what(), mount.host.display()),
        )
        .with_limit("allow-mount", allowed(config.allow_mounts.iter().map(|path| path.to_str().unwrap_or("?")))));
    }
    Ok(Directory { writable: mount.write, is_mount: true, ..Directory::own(host, guest) })
}

fn allowed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "nothing is allowed".to_owned() } else { names.join(", ") }
}

/// Lays the class's files out below a directory of their own, as the guest will see them below `/`.
fn lay_out(class: &str, files: &[FileEntry], store: &Store) -> Result<Option<TempDir>> {
    if files.is_empty() {
        return Ok(None);
    }
    let dir = store.staging_dir("files-").map_err(|error| Error::io("a directory for the class's files", error))?;
    let mut left = MAX_FILES;
    for file in files {
        let target = dir.path().join(file.path.as_str().trim_start_matches('/'));
        lay_out_one(&file.source, &target, &mut left).map_err(|error| {
            Error::io(format!("`class.{class}.files`: `{}` for `{}`", file.source.display(), file.path.as_str()), error)
        })?;
    }
    Ok(Some(dir))
}

fn lay_out_one(source: &Path, target: &Path, left: &mut usize) -> io::Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| io::Error::other(format!("more than {MAX_FILES} files")))?;
    let kind = fs::metadata(source)?.file_type();
    if kind.is_dir() {
        fs::create_dir_all(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            lay_out_one(&entry.path(), &target.join(entry.file_name()), left)?;
        }
        return Ok(());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a directory"));
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let source = fs::canonicalize(source)?;
    match fs::hard_link(&source, target) {
        // A second name for the same file costs nothing. Where it cannot have one, its bytes are copied, or shared by the
        // file system; never over a name that is there, which might be another file's second.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::copy(&source, target).map(|_| ()),
        linked => linked,
    }
}

/// The directories directly below the guest's root that hold files; the root itself when a file lies directly in it.
fn top_directories(root: &Path, files: &[FileEntry]) -> Vec<Directory> {
    let mut tops: Vec<PathBuf> = Vec::new();
    for file in files {
        let path = Path::new(file.path.as_str().trim_start_matches('/'));
        let is_file_at_root = path.components().count() == 1 && root.join(path).is_file();
        let top = if is_file_at_root { PathBuf::new() } else { path.components().take(1).collect() };
        if !tops.contains(&top) {
            tops.push(top);
        }
    }
    tops.iter().map(|top| Directory::own(root.join(top), format!("/{}", top.display()))).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(source: &Path, path: &str) -> FileEntry {
        FileEntry { source: source.to_owned(), path: path.parse().expect("a guest's path") }
    }

    #[test]
    fn files_are_laid_out_where_only_their_user_can_enter() {
        let home = tempfile::tempdir().unwrap();
        let secret = home.path().join("secret");
        fs::write(&secret, "s").unwrap();
        let store = Store::temporary().unwrap();
        let dir = lay_out("c", &[file(&secret, "/data/secret")], &store).unwrap().unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(dir.path().join("data/secret")).unwrap(), "s");
    }

    #[test]
    fn a_name_that_is_there_is_never_written_over() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("first"), home.path().join("second"));
        fs::write(&first, "1").unwrap();
        fs::write(&second, "2").unwrap();
        lay_out("c", &[file(&first, "/a"), file(&second, "/a")], &Store::temporary().unwrap()).unwrap_err();
        assert_eq!(fs::read_to_string(first).unwrap(), "1");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let error = lay_out("c", &[file(Path::new("/dev/null"), "/a")], &Store::temporary().unwrap()).unwrap_err();
        assert!(error.message().contains("neither a file nor a directory"), "{error}");
    }
}
