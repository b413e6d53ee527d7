//! What is told of web handlers: in the log, in spans, and to whoever asked.

use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing::{Instrument, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use wasmhost_tests::{Server, TestHost};

use super::{BOTH, get, serve};
use crate::log::{Log, listen};

#[tokio::test]
async fn what_a_guest_says_in_an_error_code_is_logged_and_not_told() {
    for guest in BOTH {
        let log = Log::default();
        let _listening = log.listen();
        let (.., front) = serve(guest, "").await;
        let failed = get(&front, "/fail/the-secret").await;
        assert_eq!(failed.status, 500, "{guest}");
        assert!(failed.body.contains("`internal-error`") && !failed.body.contains("the-secret"), "{failed:?}");
        assert!(log.text().contains("the-secret"), "{guest}: {}", log.text());
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_logged_and_counted_as_an_error() {
    for guest in BOTH {
        let log = Log::default();
        let _listening = log.listen();
        let (host, _app, front) = serve(guest, "").await;
        assert_eq!(get(&front, "/status/103").await.status, 500, "{guest}");
        let text = log.text();
        let line = text.lines().find(|line| line.contains("answered with the status 103")).expect(&text);
        assert!(line.contains("WARN") && line.contains("verb=GET") && line.contains("path=\"/status/103\""), "{line}");
        let metrics = host.host.metrics();
        let counted = |line: &str| line.contains("outcome=\"returned-error\"") && line.ends_with(" 1");
        assert!(metrics.lines().any(counted), "{guest}: {metrics}");
    }
}

/// The spans that were made, with those that they are in, innermost first.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<Vec<Vec<&'static str>>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let names = context.span(id).unwrap().scope().map(|span| span.name()).collect();
        self.0.lock().unwrap().push(names);
    }
}

#[tokio::test]
async fn a_request_has_the_span_of_a_call() {
    for (guest, settings) in [("http", ""), ("http-async", ""), ("http-async", "reuse = true\nconcurrency = 4")] {
        let (.., front) = serve(guest, settings).await;
        let spans = Spans::default();
        let _listening = listen(tracing_subscriber::registry().with(spans.clone()));
        get(&front, "/whole").instrument(tracing::info_span!("client")).await.ok();
        let spans = spans.0.lock().unwrap();
        assert!(spans.contains(&vec!["call", "request", "client"]), "{guest}: {spans:?}");
    }
}

#[tokio::test]
async fn of_several_classes_the_default_one_has_the_handler() {
    for (settings, answer) in [
        ("[class.guestbook]\ndefault = true", "the guestbook at /, hit 1"),
        ("[class.site]\ndefault = true\nparameters = { name = \"a\", size = 1 }", "a at /, hit 1"),
    ] {
        let host = TestHost::new();
        host.host.publish(&host.app("site", settings).await.unwrap());
        let front = host.host.web_service().root("site");
        assert_eq!(get(&front, "/").await.ok(), answer);
    }
}

#[test]
fn where_nobody_says_which_class_has_the_handler_it_is_the_first_and_that_is_said() {
    let host = TestHost::new();
    let server = Server::ready(["--no-build".into(), host.manifest("site", "")]);
    let said = server.said();
    let warning = said.lines().find(|line| line.contains("has a web handler and several classes")).expect(&said);
    assert!(warning.contains("`default = true`") && warning.contains("class=\"site\""), "{warning}");
    assert!(server.get("/site/site/x?name=a&size=1").ends_with("a at /x?name=a&size=1, hit 1"));
    assert!(server.get("/site/guestbook/x").starts_with("HTTP/1.1 404 "));
}
