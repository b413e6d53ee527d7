//! `wasmhost serve`, the real program, with test guests: what it holds, what it counts, and how it ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wasmhost_tests::{example, guest};

use crate::client::{Answer, Connection};
use crate::until;

/// A server with a folder for what its guests write.
pub(crate) struct Server {
    pub(crate) process: wasmhost_tests::Server,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

/// An app of one guest, to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct App<'a> {
    pub(crate) name: &'a str,
    /// A guest of the tests, or `examples/NAME`.
    pub(crate) guest: &'a str,
    /// The rest of its manifest.
    pub(crate) settings: &'a str,
}

impl Server {
    /// Serves the apps with these flags, and waits until they are ready. What they mount at `/out` is [`out`](Self::out).
    pub(crate) fn start(apps: &[App<'_>], flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("journal"), "").unwrap();
        let mut arguments = vec![OsString::from("--no-build"), "--allow-mount".into(), out.into()];
        arguments.extend(flags.iter().map(OsString::from));
        arguments.extend(apps.iter().map(|app| app.write(dir.path()).into()));
        let process = wasmhost_tests::Server::ready(arguments);
        Self { socket: process.socket(), process, dir }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.process.address()).await.unwrap()
    }

    /// A request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await.unwrap_or_else(|lost| panic!("`{path}`: {lost}"))
    }

    /// The sum of a metric over all apps and classes; `labels` are those that count, as they are written.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> u64 {
        let mut connection = Connection::open_unix(&self.socket).await.unwrap();
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
        Held::of(self.process.pid())
    }

    /// Tells it to end, and gives its last word with the time that it took.
    pub(crate) fn end(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.process.signal(Signal::TERM);
        (self.process.ends(), start.elapsed())
    }
}

impl App<'_> {
    /// Writes its manifest, and gives its folder.
    fn write(&self, dir: &Path) -> PathBuf {
        let Self { name, settings, .. } = self;
        let folder = dir.join(name);
        std::fs::create_dir(&folder).unwrap();
        let source = self.guest.strip_prefix("examples/").map_or_else(|| guest(self.guest), example);
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
