//! `wasmhost serve`, the real program, as tests start it, listen to it and end it. What they ask of it over HTTP beyond a
//! plain GET is their own affair.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wasmhost_command;

/// How long anything may take that should happen soon.
pub const SOON: Duration = Duration::from_secs(60);

/// What stands before the address it listens on, and before the path of its control socket.
const ADDRESS: &str = "listening on http://";
const SOCKET: &str = "control socket ";

/// A server on a free port with a data directory of its own, killed when the test is done with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    heard: Arc<Heard>,
    /// Hears what it says, until it has ended.
    hearing: Option<JoinHandle<()>>,
    address: SocketAddr,
    data_dir: tempfile::TempDir,
}

/// What it said so far, in whole lines.
#[derive(Debug, Default)]
struct Heard {
    text: Mutex<String>,
    more: Condvar,
}

impl Server {
    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let data_dir = tempfile::tempdir().expect("a folder for the server");
        let mut command = wasmhost_command();
        command.env("WASMHOST_DATA_DIR", data_dir.path());
        command.arg("serve").args(arguments).args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let heard = Arc::<Heard>::default();
        let (stderr, all) = (child.stderr.take().expect("it is piped"), heard.clone());
        let hearing = Some(std::thread::spawn(move || all.listen(stderr)));
        let mut server = Self { child, heard, hearing, address: SocketAddr::from(([0; 4], 0)), data_dir };
        server.address = server.line(ADDRESS).parse().expect("it says an address");
        server
    }

    /// Starts it, and waits until it is ready.
    #[track_caller]
    pub fn ready<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let server = Self::start(arguments);
        server.until(|| server.get("/.well-known/wasmhost/ready").starts_with("HTTP/1.1 200 "));
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its control socket lies.
    #[track_caller]
    pub fn socket(&self) -> PathBuf {
        self.line(SOCKET).into()
    }

    /// Where commands find it.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it prints as a result. Given once.
    pub fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().expect("it was not taken before"))
    }

    /// All it said so far on its standard error.
    pub fn said(&self) -> String {
        self.heard.text().clone()
    }

    /// Waits until it has said this, and gives all it said.
    #[track_caller]
    pub fn says(&self, what: &str) -> String {
        let waited = self.heard.more.wait_timeout_while(self.heard.text(), SOON, |text| !text.contains(what));
        let (text, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "`{what}` was not said: {text}");
        text.clone()
    }

    /// The rest of the line that begins so.
    #[track_caller]
    fn line(&self, beginning: &str) -> String {
        let text = self.says(beginning);
        text.lines().find_map(|line| line.strip_prefix(beginning)).expect("it stands at a beginning").to_owned()
    }

    /// Waits until it is so.
    #[track_caller]
    pub fn until(&self, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < SOON, "it did not come about: {}", self.said());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it accepts");
        stream.set_read_timeout(Some(SOON)).expect("the time is not zero");
        stream
    }

    /// A request that was sent on a connection of its own.
    pub fn request(&self, host: &str, path: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("it reads");
        stream
    }

    /// The whole answer to a request at its address, with its head.
    pub fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.request("127.0.0.1", path).read_to_string(&mut answer).expect("it answers in UTF-8");
        answer
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is a process of ours");
    }

    /// Waits for its end and the last it says.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child of ours") {
                self.hearing.take().map(JoinHandle::join).transpose().expect("hearing does not panic");
                return status;
            }
            assert!(start.elapsed() < SOON, "it goes on: {}", self.said());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Heard {
    fn text(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut text = self.text();
            text.push_str(&line);
            text.push('\n');
            self.more.notify_all();
        }
    }
}
