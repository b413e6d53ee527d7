//! Where a server's socket lies, and whose it is.
//!
//! ```text
//!  DATA_DIR/lock               held by the server of this directory, with its process id in it
//!  DATA_DIR/control.sock       its socket
//!  DATA_DIR/ephemeral/PID.sock sockets of servers that keep nothing, any number of them
//! ```
//! A socket outlives its server when that is killed; the next server removes those that nobody listens on. This module
//! must not know what is said over a socket.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a socket's path: what fits into the system's own structure, without the zero at its end.
const MAX_SOCKET_PATH_BYTES: usize = 107;

const SOCKET: &str = "control.sock";
const LOCK: &str = "lock";
const EPHEMERAL: &str = "ephemeral";

/// Where a server lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this data directory, alone.
    Kept(PathBuf),
    /// Below this data directory, beside others, keeping nothing.
    Ephemeral(PathBuf),
}

/// A place that a server has. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Taken {
    socket: PathBuf,
    /// `None` once it is handed out.
    listening: Option<Listening<UnixListener>>,
    /// Held while the server runs, if it is the only one of its directory.
    _lock: Option<File>,
}

/// A socket that is listened on. Dropped, its file goes first, so that nobody takes it for what a dead server left.
#[derive(Debug)]
pub(super) struct Listening<L> {
    file: SocketFile,
    pub(super) listener: L,
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What cannot be removed here, the next server removes.
        let _ = fs::remove_file(&self.0);
    }
}

impl Place {
    /// The place of a server that was told `--data-dir`, or was not.
    ///
    /// # Errors
    ///
    /// `not-found` when there is no home directory and nothing else says where data is kept.
    pub fn of(data_dir: Option<&Path>) -> Result<Self> {
        match data_dir {
            Some(dir) => Ok(Self::Kept(absolute(dir)?)),
            None => default_data_dir().map(Self::Ephemeral),
        }
    }

    /// Takes the place and listens.
    pub(super) fn take(&self) -> Result<Taken> {
        match self {
            Self::Kept(dir) => take_kept(dir),
            Self::Ephemeral(data_dir) => take_ephemeral(&data_dir.join(EPHEMERAL)),
        }
    }
}

/// `$WASMHOST_DATA_DIR`, else `$XDG_DATA_HOME/wasmhost`.
///
/// # Errors
///
/// `not-found` when there is no home directory either.
pub(crate) fn default_data_dir() -> Result<PathBuf> {
    let of_user = || Some(etcetera::choose_base_strategy().ok()?.data_dir());
    let dir = choose_data_dir(std::env::var_os("WASMHOST_DATA_DIR"), of_user).ok_or_else(|| {
        Error::not_found("there is no home directory to keep data in; give `--data-dir DIR` or set `WASMHOST_DATA_DIR`")
    })?;
    absolute(&dir)
}

fn choose_data_dir(variable: Option<OsString>, of_user: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    match variable.filter(|dir| !dir.is_empty()) {
        Some(dir) => Some(dir.into()),
        None => of_user().map(|dir| dir.join("wasmhost")),
    }
}

/// The socket of the server that has this data directory.
pub(crate) fn socket_of(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

/// Every socket below a data directory, whether or not somebody listens, in a fixed order.
pub(crate) fn sockets(data_dir: &Path) -> Vec<PathBuf> {
    let mut sockets = sockets_in(&data_dir.join(EPHEMERAL));
    sockets.sort();
    sockets.insert(0, socket_of(data_dir));
    sockets
}

fn sockets_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "sock")).collect()
}

fn take_kept(dir: &Path) -> Result<Taken> {
    make_private_dir(dir)?;
    let lock_path = dir.join(LOCK);
    let lock = open_lock(&lock_path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(dir, lock)),
        Err(TryLockError::Error(error)) => return Err(of_file(&lock_path, error)),
    }
    write_process_id(&lock).map_err(|error| of_file(&lock_path, error))?;
    let socket = dir.join(SOCKET);
    // Whoever held the lock before is gone, and has left this behind.
    remove(&socket)?;
    listen(socket, "give a shorter `--data-dir`", Some(lock))
}

fn take_ephemeral(dir: &Path) -> Result<Taken> {
    make_private_dir(dir)?;
    let lock_path = dir.join(LOCK);
    // Held while sockets come and go: one that is bound and not yet listened on looks as if nobody did.
    let lock = open_lock(&lock_path)?;
    lock.lock().map_err(|error| of_file(&lock_path, error))?;
    for socket in sockets_in(dir) {
        if is_stale(&socket) {
            remove(&socket)?;
        }
    }
    let process = std::process::id();
    // The number is taken if this process has a server already, or one in another namespace has the same id.
    let mut names = std::iter::once(process.to_string()).chain((1..).map(|n| format!("{process}-{n}")));
    let free = names.find_map(|name| Some(dir.join(name + ".sock")).filter(|socket| !socket.exists()));
    let socket = free.expect("numbers do not end");
    listen(socket, "set `WASMHOST_DATA_DIR` to a shorter directory, or give `--data-dir`", None)
}

impl Taken {
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Hands out the listener, to the runtime that this is called in.
    pub(super) fn listening(&mut self) -> Result<Listening<tokio::net::UnixListener>> {
        let listening = self.listening.take().ok_or_else(|| Error::internal("the listener is handed out once"))?;
        let Listening { file, listener } = listening;
        let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::UnixListener::from_std(listener));
        Ok(Listening { file, listener: listener.map_err(|error| of_file(&self.socket, error))? })
    }
}

fn listen(socket: PathBuf, way_out: &str, lock: Option<File>) -> Result<Taken> {
    check_length(&socket, way_out)?;
    let listener = UnixListener::bind(&socket).map_err(|error| of_file(&socket, error))?;
    let listening = Some(Listening { file: SocketFile(socket.clone()), listener });
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&socket, private).map_err(|error| of_file(&socket, error))?;
    Ok(Taken { socket, listening, _lock: lock })
}

/// Refuses a path that the system could not take for a socket.
///
/// # Errors
///
/// `bad-request`, with the length, the limit and `way_out`.
pub(crate) fn check_length(socket: &Path, way_out: &str) -> Result<()> {
    let bytes = socket.as_os_str().len();
    if bytes <= MAX_SOCKET_PATH_BYTES {
        return Ok(());
    }
    let socket = socket.display();
    Err(Error::bad_request(format!(
        "the path of the control socket, `{socket}`, has {bytes} bytes and may have {MAX_SOCKET_PATH_BYTES}; {way_out}"
    ))
    .with_limit("data-dir", format!("{MAX_SOCKET_PATH_BYTES} bytes")))
}

/// Whether nobody listens on a socket. One that is there and cannot be asked is left alone.
fn is_stale(socket: &Path) -> bool {
    matches!(UnixStream::connect(socket), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

fn in_use(dir: &Path, mut lock: File) -> Error {
    let mut text = String::new();
    let _ = lock.read_to_string(&mut text);
    let process = match text.trim().parse::<u32>() {
        Ok(process) => format!("the server with process id {process}"),
        // It has only just taken the lock.
        Err(_) => "another server".to_owned(),
    };
    Error::new(
        ErrorKind::Conflict,
        format!("the data directory `{}` is in use by {process}; stop it, or give another `--data-dir`", dir.display()),
    )
}

fn open_lock(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| of_file(path, error))
}

fn write_process_id(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of_file(path, error)),
        _ => Ok(()),
    }
}

fn make_private_dir(dir: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(|error| of_file(dir, error))?;
    let metadata = fs::metadata(dir).map_err(|error| of_file(dir, error))?;
    if metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "the data directory `{}` must belong to this user and be writable for nobody else (`chmod go-w`)",
            dir.display()
        ),
    ))
}

fn absolute(dir: &Path) -> Result<PathBuf> {
    std::path::absolute(dir).map_err(|error| of_file(dir, error))
}

fn of_file(path: &Path, error: io::Error) -> Error {
    Error::io(format!("`{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_variable_wins_over_the_users_directory() {
        let of_user = || Some(PathBuf::from("/home/u/.local/share"));
        assert_eq!(choose_data_dir(Some("/d".into()), of_user), Some("/d".into()));
        assert_eq!(choose_data_dir(Some("".into()), of_user), Some("/home/u/.local/share/wasmhost".into()));
        assert_eq!(choose_data_dir(None, || None), None);
    }

    #[test]
    fn directories_and_sockets_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("a/b");
        let kept = Place::Kept(data_dir.clone()).take().unwrap();
        assert_eq!(kept.socket(), data_dir.join("control.sock"));
        assert_eq!((mode(&data_dir), mode(kept.socket())), (0o700, 0o600));
        let ephemeral = Place::Ephemeral(data_dir.clone()).take().unwrap();
        assert_eq!((mode(&data_dir.join("ephemeral")), mode(ephemeral.socket())), (0o700, 0o600));
        assert_eq!(sockets(&data_dir), [kept.socket(), ephemeral.socket()]);
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Place::Kept(dir.path().to_owned()).take().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }

    #[test]
    fn a_data_directory_has_one_server_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Kept(dir.path().to_owned());
        let first = place.take().unwrap();
        let error = place.take().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains(&format!("process id {}", std::process::id())), "{error}");
        drop(first);
        assert!(!socket_of(dir.path()).exists());
        place.take().unwrap();
    }

    #[test]
    fn sockets_that_nobody_listens_on_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        // Bound and closed again, the file stays: so does that of a server that was killed.
        drop(UnixListener::bind(socket_of(dir.path())).unwrap());
        let kept = Place::Kept(dir.path().to_owned()).take().unwrap();
        UnixStream::connect(kept.socket()).unwrap();

        let first = Place::Ephemeral(dir.path().to_owned()).take().unwrap();
        let stale = dir.path().join("ephemeral/1.sock");
        drop(UnixListener::bind(&stale).unwrap());
        let second = Place::Ephemeral(dir.path().to_owned()).take().unwrap();
        assert!(!stale.exists());
        assert_ne!(first.socket(), second.socket(), "one process may have two");
        UnixStream::connect(first.socket()).unwrap();
    }

    #[test]
    fn a_server_that_ends_leaves_the_next_ones_socket_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Ephemeral(dir.path().to_owned());
        let mut first = place.take().unwrap();
        // It accepts no more, and still has calls to see to their end.
        drop(first.listening.take());
        let next = place.take().unwrap();
        assert_eq!(next.socket(), first.socket(), "the name was free");
        drop(first);
        UnixStream::connect(next.socket()).unwrap();
    }

    #[test]
    fn a_path_that_is_too_long_is_told_before_the_system_says_less() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(100));
        let error = Place::Kept(long).take().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest);
        assert!(error.message().contains("may have 107") && error.message().contains("--data-dir"), "{error}");
    }
}
