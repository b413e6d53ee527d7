//! `wasmhost serve`, the real program, with test guests: what it holds, what it counts, and how it ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wasmhost_tests::{guest, wasmhost_command};

use crate::client::{Answer, Connection};
use crate::{SOON, until};

/// A server with a folder of its own, killed when the test is done with it.
pub(crate) struct Server {
    child: Child,
    said: Arc<(Mutex<String>, Condvar)>,
    /// Hears what it says, until it has ended.
    hearing: Option<JoinHandle<()>>,
    pub(crate) address: SocketAddr,
    dir: tempfile::TempDir,
}

/// An app of one guest, to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct App<'a> {
    pub(crate) name: &'a str,
    pub(crate) guest: &'a str,
    /// The rest of its manifest.
    pub(crate) settings: &'a str,
}

impl Server {
    /// Serves the apps with these flags, and waits until they are ready. What they mount at `/out` is [`out`](Self::out).
    pub(crate) async fn start(apps: &[App<'_>], flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("journal"), "").unwrap();
        let mut command = wasmhost_command();
        command.args(["serve", "--no-build", "--listen", "127.0.0.1:0"]).args(flags);
        command.arg("--data-dir").arg(dir.path().join("data")).arg("--allow-mount").arg(&out);
        for app in apps {
            command.arg(app.write(dir.path()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::<(Mutex<String>, Condvar)>::default();
        let (stderr, heard) = (child.stderr.take().unwrap(), said.clone());
        let hearing = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut text = heard.0.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                heard.1.notify_all();
            }
        });
        let mut server = Self { child, said, hearing: Some(hearing), address: SocketAddr::from(([0; 4], 0)), dir };
        server.address = server.listens();
        until("the server is ready", async || server.get("/.well-known/wasmhost/ready").await.status == 200).await;
        server
    }

    /// The address that it says it listens on.
    fn listens(&self) -> SocketAddr {
        const LISTENING: &str = "listening on http://";
        let said = self.said.0.lock().unwrap();
        let (said, waited) = self.said.1.wait_timeout_while(said, SOON, |said| !said.contains(LISTENING)).unwrap();
        assert!(!waited.timed_out(), "it does not listen: {said}");
        said.lines().find_map(|line| line.strip_prefix(LISTENING)).unwrap().parse().unwrap()
    }

    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        self.said.0.lock().unwrap().clone()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await.unwrap()
    }

    /// A request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await.unwrap_or_else(|lost| panic!("`{path}`: {lost}"))
    }

    /// The sum of a metric over all apps and classes; `labels` are those that count, as they are written.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> u64 {
        let socket = self.dir.path().join("data/control.sock");
        let mut connection = Connection::open_unix(&socket).await.unwrap();
        let text = connection.get("/metrics").await.unwrap_or_else(|lost| panic!("{lost}")).body;
        let lines =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let values = lines.filter(|line| line.contains(labels)).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    /// The tasks that are alive on the runtime of its instances and connections.
    pub(crate) async fn tasks(&self) -> u64 {
        self.metric("wasmhost_tasks", "").await
    }

    /// Waits until no caller waits and no instance is at work.
    pub(crate) async fn is_at_rest(&self) {
        until("no call is under way", async || {
            let mut held = self.metric("wasmhost_waiting", "").await;
            for state in ["starting", "busy", "exiting"] {
                held += self.metric("wasmhost_instances", &format!("state=\"{state}\"")).await;
            }
            held == 0
        })
        .await;
    }

    /// What its guests mount at `/out`.
    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// The lines of the journal, one for each `exit` that began.
    pub(crate) fn journal(&self) -> Vec<String> {
        std::fs::read_to_string(self.out().join("journal")).unwrap().lines().map(str::to_owned).collect()
    }

    pub(crate) fn held(&self) -> Held {
        Held::of(self.child.id())
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end and the last it says, and gives the time that it took.
    pub(crate) async fn ends(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let took = start.elapsed();
                self.hearing.take().map(JoinHandle::join).transpose().unwrap();
                return (status, took);
            }
            assert!(start.elapsed() < within, "after {within:?} it still runs: {}", self.said());
            crate::pause(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl App<'_> {
    /// Writes its manifest, and gives its folder.
    fn write(&self, dir: &Path) -> PathBuf {
        let Self { name, settings, .. } = self;
        let folder = dir.join(name);
        std::fs::create_dir(&folder).unwrap();
        let source = guest(self.guest);
        let text = format!("version = 1\nname = \"{name}\"\n[component.{name}]\nsource = {source:?}\n{settings}\n");
        std::fs::write(folder.join("wasmhost.toml"), text).unwrap();
        folder
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) files: u64,
}

impl Held {
    pub(crate) fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { resident_kib: field("VmRSS:"), threads: field("Threads:"), files: files as u64 }
    }
}
