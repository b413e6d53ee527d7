//! Calls that share an instance, under the program's server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wasmhost_guest_it::{component, program};

const CALLS: usize = 100;

/// A server that is stopped when it goes.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(guest: &str) -> Self {
        let mut child = program("serve")
            .args(["--listen", "127.0.0.1:0", "--expose-methods"])
            .arg(component(guest))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        // It says where it listens on one of the two.
        let lines = [read_lines(child.stdout.take()), read_lines(child.stderr.take())];
        let (sender, receiver) = std::sync::mpsc::channel();
        for lines in lines {
            let sender = sender.clone();
            thread::spawn(move || {
                lines.for_each(|line| {
                    if let Some((_, address)) = line.split_once("listening on http://") {
                        // Nobody listens for a second one.
                        let _ = sender.send(address.trim().to_owned());
                    }
                });
            });
        }
        drop(sender);
        let address = receiver.recv().expect("a server says where it listens");
        Self { child, address }
    }

    /// Calls a method, and returns the last line of the answer.
    fn post(address: &str, method: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let request = format!(
            "POST /{method} HTTP/1.1\r\nhost: {address}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        answer.lines().next_back().unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stream: Option<impl std::io::Read + Send + 'static>) -> Box<dyn Iterator<Item = String> + Send> {
    match stream {
        Some(stream) => Box::new(BufReader::new(stream).lines().map_while(Result::ok)),
        None => Box::new(std::iter::empty()),
    }
}

#[test]
fn calls_that_change_the_state_are_alone() {
    let server = Server::start("shared");
    // Until the guest is there, other things are answered.
    let deadline = Instant::now() + Duration::from_secs(60);
    while Server::post(&server.address, "read") != "0" {
        assert!(Instant::now() < deadline, "the server has not loaded its guest after a minute");
        thread::yield_now();
    }
    let callers: Vec<_> = (0..CALLS)
        .map(|_| {
            let address = server.address.clone();
            thread::spawn(move || Server::post(&address, "add"))
        })
        .collect();
    let mut answers: Vec<usize> = callers.into_iter().filter_map(|caller| caller.join().ok()?.parse().ok()).collect();
    answers.sort_unstable();
    assert_eq!(answers, (1..=CALLS).collect::<Vec<_>>());
    assert_eq!(Server::post(&server.address, "read-at-once"), CALLS.to_string());
}
