//! Bodies that are larger than memory, both ways at once, through handlers of WASI 0.2 and 0.3: what the server holds of
//! them, and that a client who reads slowly holds the guest back.

use std::cell::Cell;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::server::{App, Server};
use crate::{alone, figure, size, until};

const MIB: usize = 1 << 20;

/// What resident memory may grow by while a body goes through, in KiB.
const GROWTH_KIB: u64 = 16 << 10;

/// What makes an instance serve request after request.
const REUSE: &str = "[class.app]\nreuse = true";

#[test]
fn a_body_goes_through_a_guest_without_being_held() {
    alone(async {
        let bytes = size(64, 1024) * MIB;
        for guest in ["http", "http-async"] {
            let server = Server::start(&[App { name: "app", guest, settings: REUSE }], &[]);
            // What is made once is there before it is measured.
            echo(&server, MIB).await;
            let before = server.held().resident_kib;
            let began = Instant::now();
            let most = echo(&server, bytes).await;
            let took = began.elapsed();
            let growth = most.saturating_sub(before);
            figure(format_args!("streams: {guest}: {} MiB both ways in {took:.1?}, {growth} KiB more", bytes / MIB));
            assert!(growth <= GROWTH_KIB, "{guest}: resident memory went from {before} to {most} KiB");
        }
    });
}

/// Sends so many bytes to a guest that gives them back, and gives the most that the server had in memory, in KiB.
async fn echo(server: &Server, bytes: usize) -> u64 {
    let stream = TcpStream::connect(server.process.address()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let head = format!("POST /app/app/echo HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n");
    let sending = async {
        to.write_all(head.as_bytes()).await.unwrap();
        let piece: Vec<u8> = (0..MIB).map(pattern).collect();
        for _ in 0..bytes / MIB {
            to.write_all(&piece).await.unwrap();
        }
    };
    let reading = async {
        let mut most = 0;
        let mut chunks = Chunks::open(&mut from).await;
        let mut read = 0;
        let mut looked_at = 0;
        while let Some(chunk) = chunks.next().await {
            assert!(chunk.iter().zip(read..).all(|(byte, at)| *byte == pattern(at % MIB)), "another byte after {read}");
            read += chunk.len();
            if read >= looked_at + MIB {
                looked_at = read;
                most = most.max(server.held().resident_kib);
            }
        }
        assert_eq!(read, bytes);
        most
    };
    let ((), most) = tokio::join!(sending, reading);
    most
}

fn pattern(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap()
}

/// The chunks of an answer.
struct Chunks<'a> {
    stream: tokio::io::BufReader<&'a mut OwnedReadHalf>,
}

impl<'a> Chunks<'a> {
    async fn open(stream: &'a mut OwnedReadHalf) -> Self {
        let mut chunks = Self { stream: tokio::io::BufReader::with_capacity(64 << 10, stream) };
        assert!(chunks.line().await.starts_with("HTTP/1.1 200 "));
        while !chunks.line().await.is_empty() {}
        chunks
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// The next one; `None` at a clean end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line().await, 16).unwrap();
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).await.unwrap();
        assert_eq!(self.line().await, "");
        (length > 0).then_some(chunk)
    }
}

#[test]
fn a_client_that_reads_nothing_holds_the_guest_back() {
    alone(async {
        let app = App { name: "app", guest: "http", settings: REUSE };
        let server = Server::start(&[app], &[]);
        // What is made once is there before it is measured.
        server.get("/app/app/count").await;
        let before = server.held().resident_kib;
        let mut stream = TcpStream::connect(server.process.address()).await.unwrap();
        let bytes = 256 * MIB;
        let request = format!("GET /app/app/large/{bytes} HTTP/1.1\r\nhost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // It writes until the kernel's buffers and its own are full, and no further.
        let written = || server.process.said().lines().filter(|line| line.contains("wrote ")).count();
        let last = Cell::new(0);
        until("it is held back", async || {
            crate::pause(std::time::Duration::from_millis(200)).await;
            let now = written();
            now > 0 && last.replace(now) == now
        })
        .await;
        let last = last.get();
        assert!(last * 4096 < bytes / 4, "it wrote {last} pieces for a client that read none");
        let growth = server.held().resident_kib.saturating_sub(before);
        figure(format_args!("streams: held back after {last} pieces of 4 KiB, {growth} KiB more"));
        assert!(growth <= GROWTH_KIB, "{growth} KiB more");
        drop(stream);
        server.is_at_rest().await;
    });
}
