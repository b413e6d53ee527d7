//! The program as its README shows it.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, its helpers too")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Killed when the test is done with it.
struct Embed {
    child: Child,
    address: String,
}

impl Embed {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embed"));
        let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut embed = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(embed.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        embed.address = line.trim_end().strip_prefix("listening on http://").unwrap().to_owned();
        embed
    }

    /// An answer as it comes: status, headers and body.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Embed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn own_routes_a_handler_that_calls_a_guest_and_the_web_front_below_a_prefix() {
    const SAYS: &str = "This code is running in instance pool";

    let mut embed = Embed::start();
    let is = |path: &str, status: &str, body: &str| {
        let answer = embed.get(path);
        assert!(answer.starts_with(status) && answer.ends_with(body), "`{path}`: {answer}");
        answer
    };
    is("/", "HTTP/1.1 200 ", "through the web front\n");
    let said = format!("{{\"said\":\"{SAYS} (hedgehog, 7), with input qux=handler\"}}");
    is("/pools/hedgehog?bar=7&qux=handler", "HTTP/1.1 200 ", &said);
    let front = format!("{SAYS} (hedgehog, 7), with input qux=front");
    let answer = is("/functions/?foo=hedgehog&bar=7&qux=front", "HTTP/1.1 200 ", &front);
    assert!(answer.contains("\r\nwasmhost-instance: 1\r\n"), "the handler's instance, still warm: {answer}");
    is("/functions/parameterized/my-class/?foo=hedgehog&bar=7&qux=front", "HTTP/1.1 200 ", &front);
    let long = format!("/pools/{}?qux=q", "x".repeat(20_000));
    is(&long, "HTTP/1.1 413 ", "\n");
    is("/functions/nowhere", "HTTP/1.1 404 ", "}");

    kill_process(Pid::from_child(&embed.child), Signal::TERM).unwrap();
    assert_eq!(embed.child.wait().unwrap().code(), Some(0));
}
