//! Web handlers that were made with the SDK, over HTTP: what they answer, and bodies on their way through them.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use serde_json::json;
use wasmhost_tests::{Server, sdk_guest};

use crate::client::{Client, ask, request, written};

/// The guest without `async`, by `wasi:http` 0.2, and the one with it, by 0.3.
const BOTH: [&str; 2] = ["site", "site-async"];

/// Any host is the root's where there is one app alone.
const HOST: &str = "127.0.0.1";

fn serve(guest: &str) -> Server {
    Server::ready([sdk_guest(guest)])
}

#[tokio::test]
async fn values_are_json_and_routes_see_the_state_of_the_handler() {
    for guest in BOTH {
        let server = serve(guest);
        let site = ask(&server, "GET", HOST, "/", "").await;
        assert_eq!((site.status, site.json()), (200, json!({ "name": "site", "count": 1 })), "{guest}");
        let other = ask(&server, "GET", HOST, "/?name=other", "").await;
        assert_eq!(other.json(), json!({ "name": "other", "count": 1 }), "{guest}");
        assert_eq!(ask(&server, "GET", HOST, "/count", "").await.text(), "1", "{guest}");
        let missing = ask(&server, "GET", HOST, "/nothing", "").await;
        assert_eq!((missing.status, missing.text()), (404, "nothing is here"), "{guest}");
        let cookies = ask(&server, "GET", HOST, "/headers", "").await.headers;
        assert!(cookies.get_all("set-cookie").iter().eq(["a=1", "b=2"]), "{guest}: {cookies:?}");
    }
}

#[tokio::test]
async fn some_megabytes_come_back_as_they_went() {
    for guest in BOTH {
        let server = serve(guest);
        let bytes: Bytes = (0..=250_u8).cycle().take(5 << 20).collect();
        let echo = ask(&server, "POST", HOST, "/echo", bytes.clone()).await;
        assert!(echo.status == 200 && echo.body == bytes, "{guest}: {} bytes", echo.body.len());
        let upper = ask(&server, "POST", HOST, "/upper", bytes.clone()).await;
        assert!(upper.status == 200 && upper.body == bytes.to_ascii_uppercase(), "{guest}: {} bytes", upper.body.len());
        let zeros = ask(&server, "GET", HOST, "/zeros", "").await;
        assert!(zeros.body.len() == 64 << 20 && zeros.body.iter().all(|byte| *byte == 0), "{guest}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_of_its_handler() {
    for guest in BOTH {
        let server = serve(guest);
        for (bytes, status, says) in [(0, 200, "0"), (1024, 200, "1024"), (1025, 413, "1024 bytes")] {
            let reply = ask(&server, "POST", HOST, "/length", vec![0; bytes]).await;
            assert!(reply.status == status && reply.text().contains(says), "{guest}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn events_come_as_clients_read_them() {
    for guest in BOTH {
        let events = ask(&serve(guest), "GET", HOST, "/events", "").await;
        assert_eq!((events.header("content-type"), events.header("cache-control")), ("text/event-stream", "no-cache"));
        let data: String = (1..=3).map(|id| format!("id: {id}\ndata: {id}\ndata: of 3\n\n")).collect();
        assert_eq!(events.text(), format!(": three follow\n\n{data}"), "{guest}");
    }
}

#[tokio::test]
async fn trailers_go_both_ways() {
    for guest in BOTH {
        let server = serve(guest);
        let (sender, body) = written();
        let mut asking = request("POST", HOST, "/trailers", body);
        asking.headers_mut().insert("te", "trailers".parse().unwrap());
        asking.headers_mut().insert("trailer", "x-up".parse().unwrap());
        let sending = async move {
            sender.send(Ok(Frame::data("body".into()))).await.unwrap();
            let trailers = HeaderMap::from_iter([("x-up".parse().unwrap(), "went up".parse().unwrap())]);
            sender.send(Ok(Frame::trailers(trailers))).await.unwrap();
        };
        let mut client = Client::connect(&server).await;
        let (reply, ()) = tokio::join!(client.ask(asking), sending);
        assert_eq!(reply.text(), "one two three", "{guest}");
        let trailer = |name| reply.trailers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((trailer("x-count"), trailer("x-up")), (Some("3"), Some("went up")), "{guest}: {reply:?}");
    }
}

#[tokio::test]
async fn what_fails_is_a_500_or_a_cut_stream_and_told_to_the_log_alone() {
    for guest in BOTH {
        let server = serve(guest);
        let failed = ask(&server, "GET", HOST, "/fails", "").await;
        assert_eq!((failed.status, failed.text()), (500, "Internal Server Error"), "{guest}");
        server.says("nobody told the client this");
        let mut client = Client::connect(&server).await;
        let answer = client.send(request("GET", HOST, "/breaks", crate::client::whole(""))).await;
        let broken = match answer {
            Ok(answer) => crate::client::read(answer).await.map(|reply| reply.status),
            Err(error) => Err(error),
        };
        assert!(broken.is_err() || broken.as_ref().is_ok_and(|status| *status == 500), "{guest}: {broken:?}");
        server.says("it broke");
    }
}
