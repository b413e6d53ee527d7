//! Clients that go, or send no more, while the body of their request lies unread.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use wasmhost_tests::{Server, TestHost};

use super::BOTH;

/// More than is read with a head and put aside for whoever may read it.
const BODY_BYTES: usize = 100_000;

fn server(name: &str) -> (TestHost, Server) {
    let host = TestHost::new();
    // What a client has to do with, and not its time.
    let settings = format!("[class.{name}]\nreuse = true\ntimeout = \"10m\"");
    let server = Server::ready(["--no-build".into(), host.manifest(name, &settings)]);
    (host, server)
}

/// Whether its guests are at work.
fn is_busy(server: &Server) -> bool {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("wasmhost_instances{"));
    lines.any(|line| line.contains("state=\"busy\"") && !line.ends_with(" 0"))
}

/// Sends a request with a body that the guest does not read.
fn ask(server: &Server, path: &str, length: &str, body: &[u8]) -> TcpStream {
    let mut stream = server.connect();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{length}\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    stream
}

fn chunk(bytes: usize) -> Vec<u8> {
    [format!("{bytes:x}\r\n").as_bytes(), &vec![b'x'; bytes][..], b"\r\n"].concat()
}

#[test]
fn a_client_that_goes_before_its_upload_was_read_takes_its_guest_along() {
    for name in BOTH {
        let (_host, server) = server(name);
        for how in ["sleep", "spin"] {
            for (length, body) in [
                ("content-length: 200000", vec![b'x'; BODY_BYTES]),
                ("transfer-encoding: chunked", chunk(BODY_BYTES)),
                ("expect: 100-continue\r\ncontent-length: 5", Vec::new()),
            ] {
                for is_reset in [false, true] {
                    let client = ask(&server, &format!("/die/{how}/before"), length, &body);
                    server.until(|| is_busy(&server));
                    if is_reset {
                        set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
                    }
                    drop(client);
                    server.until(|| !is_busy(&server));
                }
            }
        }
        assert!(server.get("/count").ends_with('1'), "{name}");
    }
}

#[test]
fn a_client_that_is_reset_takes_its_guest_along_also_when_its_upload_is_whole() {
    for name in BOTH {
        let (_host, server) = server(name);
        let client = ask(&server, "/die/sleep/before", "content-length: 100000", &[b'x'; BODY_BYTES]);
        server.until(|| is_busy(&server));
        set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        server.until(|| !is_busy(&server));
    }
}

#[test]
fn a_client_that_has_asked_all_and_says_so_is_answered() {
    for name in BOTH {
        let (_host, server) = server(name);
        let chunks = [chunk(BODY_BYTES), b"0\r\n\r\n".to_vec()].concat();
        for (length, body) in
            [("content-length: 100000", vec![b'x'; BODY_BYTES]), ("transfer-encoding: chunked", chunks)]
        {
            let mut client = ask(&server, "/late", length, &body);
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            // What nobody has read of its upload makes the end of the connection a reset.
            let _ = client.read_to_string(&mut answer);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("late"), "{name}, {length}: {answer}");
        }
    }
}
