//! `events` under `wasmhost serve`: a stream of server-sent events, read by a client and by a browser.

use wasmhost_tests::{Browser, Server, example};

use crate::client::{Client, read, request, whole};

const HOST: &str = "events.localhost";

fn server() -> Server {
    example("events");
    Server::ready(["examples/events", "--no-build"])
}

#[tokio::test]
async fn the_stream_counts_down_and_ends_for_two_listeners_of_one_instance() {
    let server = server();
    let (mut one, mut other) = (Client::connect(&server).await, Client::connect(&server).await);
    let listen = || request("GET", HOST, "/events", whole(""));
    let (one, other) = tokio::join!(one.send(listen()), other.send(listen()));
    let (one, other) = tokio::join!(read(one.unwrap()), read(other.unwrap()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.status, one.header("content-type")), (200, "text/event-stream"));
    let steps: String = (1..=10).map(|id| format!("id: {id}\ndata: {}\n\n", 11 - id)).collect();
    assert_eq!(one.text(), steps + "event: end\ndata: lift-off\n\n");
    assert_eq!(other.text(), one.text());
    assert_eq!(other.header("wasmhost-instance"), one.header("wasmhost-instance"));
}

#[tokio::test]
async fn a_listener_who_was_cut_off_goes_on_where_it_was() {
    let server = server();
    for (path, id) in [("/events", 9), ("/events?from=3", 2)] {
        let mut again = request("GET", HOST, path, whole(""));
        again.headers_mut().insert("last-event-id", id.into());
        let reply = Client::connect(&server).await.ask(again).await;
        assert_eq!(reply.text(), format!("id: {}\ndata: 1\n\nevent: end\ndata: lift-off\n\n", id + 1), "{path}");
    }
}

#[test]
fn a_browser_shows_all_events_in_their_order() {
    let Some(browser) = Browser::find() else {
        println!("NOT RUN: pages in a browser: `chromium` is not on PATH");
        return;
    };
    let server = server();
    for (path, from) in [("/", 10), ("/?from=3", 3)] {
        let url = format!("http://{HOST}:{}{path}", server.address().port());
        let document = browser.document(&url, 10_000);
        let items: String = (1..=from).rev().map(|number| format!("<li>{number}</li>")).collect();
        assert!(document.contains(&format!("<ul id=\"events\">{items}</ul>")), "{url}: {document}");
        assert!(document.contains("<p id=\"state\">lift-off</p>"), "{url}: {document}");
    }
}
