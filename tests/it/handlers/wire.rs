//! Web handlers of guests as clients see them who speak HTTP/1.1 themselves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use wasmhost_tests::{Server, guest};

use super::BOTH;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A client that waits to be told before it sends its body.
fn expecting(server: &Server, path: &str) -> TcpStream {
    let mut stream = server.connect();
    let head = "host: 127.0.0.1\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 5";
    write!(stream, "POST {path} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_when_the_guest_reads() {
    for name in BOTH {
        let server = Server::ready(["--no-build".into(), guest(name)]);
        let mut stream = expecting(&server, "/whole");
        let mut told = vec![0; CONTINUE.len()];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(String::from_utf8(told).unwrap(), CONTINUE, "{name}");
        stream.write_all(b"12345").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("12345"), "{name}: {answer}");
    }
}

#[test]
fn a_client_that_asks_before_it_sends_and_is_refused_sends_nothing() {
    for name in BOTH {
        let server = Server::ready(["--no-build".into(), guest(name)]);
        for (path, status) in [("/early", 413), ("/no/such", 404), ("/die/trap/before", 500)] {
            let mut answer = String::new();
            // To the end of the connection: what a client sent in spite of it would be taken for its next request.
            expecting(&server, path).read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}{path}: {answer}");
            assert!(!answer.contains("100 Continue"), "{name}{path}: {answer}");
        }
    }
}

#[test]
fn an_answer_of_http_1_0_that_breaks_off_does_not_end_as_a_whole_one() {
    let server = Server::ready(["--no-build".into(), guest("http-async")]);
    let ask = |path: &str| {
        let mut stream = server.connect();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    // Its length is not said, and its end is that of the connection.
    let whole = ask("/pieces/1048576").unwrap();
    assert!(whole.starts_with("HTTP/1.0 200 ") && whole.len() > 1 << 20, "{}", whole.len());
    let cut = ask("/die/late/after").unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset, "{cut}");
}

#[test]
fn a_host_that_is_none_is_refused_before_an_instance_starts() {
    for name in BOTH {
        let server = Server::ready(["--no-build".into(), guest(name)]);
        for hosts in [&b"host: \xff\r\n"[..], b"host: a b\r\n", b"host: a\r\nhost: b\r\n"] {
            let mut stream = server.connect();
            stream.write_all(&[b"GET /count HTTP/1.1\r\nconnection: close\r\n", hosts, b"\r\n"].concat()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("wasmhost-instance"), "{name}: {answer}");
        }
    }
}

#[test]
fn requests_that_come_all_at_once_are_all_answered() {
    const REQUESTS: usize = 1000;
    for name in BOTH {
        let server = Server::ready(["--no-build".into(), guest(name)]);
        let mut stream = server.connect();
        let request = "GET /request HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
        let last = "GET /request HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
        stream.write_all((request.repeat(REQUESTS - 1) + last).as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let bad = answers.match_indices("HTTP/1.1 ").find(|(at, _)| !answers[*at..].starts_with("HTTP/1.1 200 "));
        assert!(bad.is_none(), "{name}: {}", &answers[bad.unwrap().0..]);
        assert_eq!(answers.matches("Method::Get /request\n").count(), REQUESTS, "{name}");
    }
}

#[test]
fn a_body_that_is_none_is_the_clients_mistake_whatever_its_guest_makes_of_it() {
    for name in BOTH {
        let server = Server::ready(["--no-build".into(), guest(name)]);
        for body in ["zz\r\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n"] {
            let mut stream = server.connect();
            let head = "host: 127.0.0.1\r\ntransfer-encoding: chunked";
            write!(stream, "POST /whole HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
            let mut answer = String::new();
            // What follows on the connection has no beginning.
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("broke off"), "{name}: {answer}");
        }
        assert!(server.get("/request").starts_with("HTTP/1.1 200 "), "{name}");
    }
}
