//! What is told of web handlers: in the log, in spans, and to whoever asked.

use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing::{Instrument, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::{BOTH, get, serve};
use crate::log::Log;

#[tokio::test]
async fn what_a_guest_says_in_an_error_code_is_logged_and_not_told() {
    for guest in BOTH {
        let log = Log::default();
        let _default = tracing::subscriber::set_default(log.subscriber());
        let (.., front) = serve(guest, "").await;
        let failed = get(&front, "/fail/the-secret").await;
        assert_eq!(failed.status, 500, "{guest}");
        assert!(failed.body.contains("`internal-error`") && !failed.body.contains("the-secret"), "{failed:?}");
        assert!(log.text().contains("the-secret"), "{guest}: {}", log.text());
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
        // A place in the code that tests come to for the first time, side by side, may miss a subscriber that is being set.
        get(&front, "/whole").await.ok();
        let spans = Spans::default();
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
        get(&front, "/whole").instrument(tracing::info_span!("client")).await.ok();
        let spans = spans.0.lock().unwrap();
        assert!(spans.contains(&vec!["call", "request", "client"]), "{guest}: {spans:?}");
    }
}
