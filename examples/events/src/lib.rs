//! The class `countdown`: a page, and a stream of server-sent events that it listens to.

use wasmhost_guest::prelude::*;

/// Counts down for whoever listens. Between two events an instance has time for others, so they share one.
#[class(concurrency = 100)]
mod countdown {
    use wasip3::clocks::monotonic_clock;
    use wasmhost_guest::http::{HeaderMap, StatusCode};

    const PAGE: &str = include_str!("page.html");

    const STEP_NANOSECONDS: u64 = 100_000_000;

    pub struct Countdown {
        from: u32,
    }

    impl Countdown {
        #[enter]
        fn new(#[default(10)] from: u32) -> Self {
            Self { from }
        }

        #[web]
        async fn handle(&self, request: Request) -> Result<Response> {
            Ok(match request.uri().path() {
                "/" => Response::builder().header("content-type", "text/html; charset=utf-8").body(PAGE.into())?,
                "/events" => count_down(self.from, steps_done(request.headers())),
                _ => Response::builder().status(StatusCode::NOT_FOUND).body("there is `/` and `/events`\n".into())?,
            })
        }
    }

    /// How far a browser had come that lost its connection, and makes another one.
    fn steps_done(headers: &HeaderMap) -> u32 {
        let id = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        id.unwrap_or(0)
    }

    fn count_down(from: u32, done: u32) -> Response {
        Sse::stream(async move |events| {
            for step in done..from {
                monotonic_clock::wait_for(STEP_NANOSECONDS).await;
                events.send(Event::data((from - step).to_string()).id((step + 1).to_string())).await?;
            }
            // Without a word of its own the end would be a lost connection to a browser.
            events.send(Event::data("lift-off").name("end")).await?;
            Ok(())
        })
    }
}
