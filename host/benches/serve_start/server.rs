//! The program as a process: started, asked once, ended.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Result;
use super::components::{Prepared, app_name};
use super::program::program;

/// How long it took, from the start of the process.
#[derive(Clone, Copy)]
pub(super) struct Started {
    /// Until the line that says what is served.
    pub(super) ready: Duration,
    pub(super) first_answer: Duration,
}

/// A server that has answered.
pub(super) struct Server {
    child: Child,
    /// The server itself, where the child is one that watches it.
    pid: Pid,
    pub(super) started: Started,
}

impl Server {
    /// Starts a server with this many apps, and asks one of them; under strace if there is a file for what it says.
    pub(super) fn start(prepared: &Prepared, count: usize, trace: Option<&Path>) -> Result<Self> {
        let program = program();
        let mut command = match trace {
            None => Command::new(program),
            Some(file) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "-s", "512", "-e", "trace=open,openat,accept4", "-e", "signal=none", "-o"]);
                strace.arg(file).arg(program);
                strace
            }
        };
        let log = prepared.dir.path().join("log");
        command
            .args(["serve", "--no-build", "--json", "--listen", "127.0.0.1:0", "--cache-dir"])
            .arg(prepared.cache())
            .args((0..count).map(|number| prepared.app(number)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?);
        let began = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().ok_or("output is piped")?).read_line(&mut line)?;
        let ready = began.elapsed();
        let address = serde_json::from_str(&line)
            .ok()
            .and_then(|served: serde_json::Value| served["address"].as_str()?.parse::<SocketAddr>().ok());
        let Some(address) = address else {
            let _ = child.kill();
            return Err(format!("it did not start: {line}{}", std::fs::read_to_string(log)?).into());
        };
        let answer = ask(address, &format!("/{}/table/997", app_name(count - 1)))?;
        let first_answer = began.elapsed();
        if !answer.starts_with("HTTP/1.1 200") || !answer.ends_with("true") {
            return Err(format!("it answered {answer:?}").into());
        }
        let pid = match trace {
            None => Pid::from_child(&child),
            Some(_) => child_of(&child)?,
        };
        Ok(Self { child, pid, started: Started { ready, first_answer } })
    }

    /// Ends it as a signal does.
    pub(super) fn end(mut self) -> Result<()> {
        kill_process(self.pid, Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

fn ask(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn child_of(parent: &Child) -> Result<Pid> {
    let id = parent.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let only = children.split_whitespace().next().ok_or("strace has started nothing")?;
    Pid::from_raw(only.parse()?).ok_or_else(|| "no process has the number 0".into())
}
