//! How each of the servers is started, where it listens, and the CPU time that it has taken.

use std::io::{BufRead as _, BufReader, ErrorKind, PipeReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Result;
use super::answer::Answer;
use super::program::program;

/// The argument that makes a bare server of this program.
pub(super) const BARE: &str = "--bare";

/// `utime` and `stime` are in ticks of this many a second: part of the kernel's interface, whatever its own clock is.
const TICKS_PER_SECOND: u32 = 100;

/// The same answer as the others', in Node. As the bare one it ends when its input does.
const NODE: &str = "
const http = require('http');
let text = '';
process.stdin.on('data', chunk => {
  text += chunk;
  if (!text.endsWith('\\n')) return;
  const answer = JSON.parse(text);
  const headers = { ...Object.fromEntries(answer.headers), 'content-length': Buffer.byteLength(answer.body) };
  const server = http.createServer((request, response) => { response.writeHead(200, headers); response.end(answer.body); });
  server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
}).on('end', () => process.exit());
";

/// A server that runs until it is dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    child: Child,
    /// What it prints, which has to stay open.
    said: BufReader<PipeReader>,
    /// The folder of its app, if it was made for it.
    folder: Option<TempDir>,
}

impl Server {
    /// The program, with `parameterized` as its only app.
    pub(super) fn typed(name: &'static str) -> Result<Self> {
        Self::wasmhost(name, "examples/parameterized".as_ref())
    }

    /// The program, with a `wasi:http` guest as its only app, and these settings in its class's section.
    pub(super) fn handler(name: &'static str, guest: &str, settings: &str, answer: &Answer) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (guest, [head, body]) = (self::guest(guest), guest_environment(answer).map(|(_, value)| value));
        // JSON's strings are TOML's as well.
        let [source, head, body] = [guest.to_string_lossy().into_owned(), head, body].map(serde_json::Value::String);
        let manifest = format!(
            "version = 1\nname = \"web\"\n[component.web]\nsource = {source}\n[class.web]\n{settings}\n\
             env = {{ HEADERS = {head}, BODY = {body} }}\n"
        );
        std::fs::write(folder.path().join("wasmhost.toml"), manifest)?;
        let mut server = Self::wasmhost(name, folder.path())?;
        server.folder = Some(folder);
        Ok(server)
    }

    /// The program serves a folder's app, at the root.
    fn wasmhost(name: &'static str, app: &Path) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(program());
        command
            .args(["serve".as_ref(), app.as_os_str()])
            .args(["--no-build", "--json", "--listen", "127.0.0.1:0"])
            .env("WASMHOST_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("web-cache"))
            .current_dir(root);
        let address = |line: &str| {
            let served: serde_json::Value = serde_json::from_str(line).ok()?;
            served["address"].as_str()?.parse().ok()
        };
        let served = Self::start(name, command, "", address)?;
        served.ok_or_else(|| "`wasmhost` has just been built and is not there".into())
    }

    /// This program, which answers at once.
    pub(super) fn bare(name: &'static str, answer: &Answer) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BARE);
        let bare = Self::start(name, command, &input(answer)?, |line| line.parse().ok())?;
        bare.ok_or_else(|| "this program runs and is not there".into())
    }

    /// Node, if there is one.
    pub(super) fn node(name: &'static str, answer: &Answer) -> Result<Option<Self>> {
        let mut command = Command::new("node");
        command.args(["--eval", NODE]);
        Self::start(name, command, &input(answer)?, |line| line.parse().ok())
    }

    /// Wasmtime's own server, if there is one, with a `wasi:http` guest and these options.
    pub(super) fn wasmtime(name: &'static str, guest: &str, options: &[&str], answer: &Answer) -> Result<Option<Self>> {
        let mut command = Command::new("wasmtime");
        command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]).args(options);
        for (variable, value) in guest_environment(answer) {
            command.args(["--env", &format!("{variable}={value}")]);
        }
        command.arg(self::guest(guest));
        let address = |line: &str| line.split_once("http://")?.1.trim_end_matches('/').parse().ok();
        Self::start(name, command, "", address)
    }

    /// Starts a program that prints where it listens, as output or as an error; `None` if there is no such program.
    fn start(
        name: &'static str,
        mut command: Command,
        input: &str,
        address: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Result<Option<Self>> {
        let (said, says) = std::io::pipe()?;
        command.stdin(Stdio::piped()).stdout(says.try_clone()?).stderr(says);
        let child = match command.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            child => child?,
        };
        // With it goes our end of the pipe, which would end with the child alone otherwise.
        drop(command);
        let mut server =
            Self { name, address: SocketAddr::from(([0; 4], 0)), child, said: BufReader::new(said), folder: None };
        // Written and not closed: its end is the end of the server.
        server.child.stdin.as_mut().ok_or("input is piped")?.write_all(input.as_bytes())?;
        let mut said = String::new();
        loop {
            let before = said.len();
            if server.said.read_line(&mut said)? == 0 {
                return Err(format!("`{name}` did not start: {said}").into());
            }
            if let Some(address) = address(said[before..].trim_end()) {
                server.address = address;
                return Ok(Some(server));
            }
        }
    }

    /// CPU time that it has taken so far, on all threads.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is a name in brackets, with anything in it; `utime` and `stime` are the 14th and 15th.
        let rest = stat.rsplit_once(')').ok_or("the name ends")?.1;
        let ticks: u32 = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap_or(0)).sum();
        Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As users end it, so that it can put down what it noted for `--trained`.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn guest(name: &str) -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/target/wasm32-wasip2/release");
    guests.join(format!("{name}.wasm"))
}

/// What the `wasi:http` guests answer.
fn guest_environment(answer: &Answer) -> [(&'static str, String); 2] {
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    [("HEADERS", headers.join("\n")), ("BODY", answer.body.clone())]
}

fn input(answer: &Answer) -> Result<String> {
    Ok(serde_json::to_string(answer)? + "\n")
}
