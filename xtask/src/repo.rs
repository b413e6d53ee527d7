//! Where things lie: the repository, and the folder cargo builds into.

use std::path::{Path, PathBuf};

/// The repository's root, from which every command is started.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// `path` as a command started in the root may be given it, shorter where it lies inside.
pub(crate) fn from_root(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}

/// The folder of the development profile's programs: `target/debug`, unless cargo is configured otherwise.
///
/// xtask is itself such a program, so cargo's settings need not be asked for, let alone parsed.
pub(crate) fn profile_dir() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows the running program's path");
    let folder = program.parent().expect("a program lies in a folder");
    // A test of xtask runs from `deps`, one folder down.
    let folder = if folder.ends_with("deps") { folder.parent().expect("cargo made it there") } else { folder };
    folder.to_owned()
}

/// The folder all build output goes to: `target`, unless cargo is configured otherwise.
pub(crate) fn target_dir() -> PathBuf {
    profile_dir().parent().expect("a profile's folder lies in the target folder").to_owned()
}
