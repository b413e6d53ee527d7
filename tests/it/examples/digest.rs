//! `digest` under `wasmhost serve`: uploads that are larger than the memory of who reads them.

use bytes::Bytes;
use http_body::Frame;
use wasmhost_tests::{Server, example};

use crate::client::{Client, ask, request, written};

const HOST: &str = "digest.localhost";

fn server() -> Server {
    example("digest");
    Server::ready(["examples/digest", "--no-build"])
}

#[tokio::test]
async fn a_body_sixteen_times_the_size_of_the_memory_is_digested() {
    const MIB: usize = 1 << 20;
    let server = server();
    let (sender, body) = written();
    let sending = async move {
        for _ in 0..64 {
            sender.send(Ok(Frame::data(Bytes::from(vec![0; MIB])))).await.unwrap();
        }
    };
    let mut client = Client::connect(&server).await;
    let (reply, ()) = tokio::join!(client.ask(request("PUT", HOST, "/", body)), sending);
    assert_eq!(reply.status, 200, "{reply:?}");
    let sha256 = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351";
    assert_eq!(reply.json(), serde_json::json!({ "bytes": 64 * MIB, "sha256": sha256 }));
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_digest_and_the_next_one_has() {
    let server = server();
    let (sender, body) = written();
    let mut client = Client::connect(&server).await;
    let breaking = async move {
        sender.send(Ok(Frame::data(Bytes::from_static(b"half of")))).await.unwrap();
        sender.send(Err(std::io::Error::other("no more"))).await.unwrap();
    };
    let (answer, ()) = tokio::join!(client.send(request("POST", HOST, "/", body)), breaking);
    assert!(answer.is_err(), "{answer:?}");

    let reply = ask(&server, "POST", HOST, "/", "abc").await;
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(reply.json(), serde_json::json!({ "bytes": 3, "sha256": sha256 }));
    let refused = ask(&server, "GET", HOST, "/", "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST, PUT"));
}
