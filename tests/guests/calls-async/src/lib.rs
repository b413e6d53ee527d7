//! Serves the promises about calls that guests make beside others: many at once, dropped, from several calls that share an
//! instance, each in the name of its own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use exports::test::calls_async::caller::{Guest, Step};
use wasi::clocks::monotonic_clock;
use wasmhost::host::{calls, context};

wit_bindgen::generate!({ path: "wit", generate_all });

struct Component;

impl Guest for Component {
    fn enter(_name: String) -> Result<(), String> {
        Ok(())
    }

    async fn fan_out(step: Step, times: u32) -> Vec<Result<String, String>> {
        let calls = (0..times).map(|_| Box::pin(make(step.clone())));
        join(calls.collect()).await
    }

    async fn give_up(step: Step) -> String {
        let mut call = pin!(make(step));
        let ended = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        format!("ended: {ended}")
    }

    async fn who(step: Step) -> Vec<String> {
        let mut answer = vec![context::call_id().unwrap_or_default()];
        answer.push(make(step).await.unwrap_or_else(|error| error));
        answer.push(context::call_id().unwrap_or_default());
        answer.push(format!("{:?}", context::deadline().map(|left| left.div_ceil(1_000_000_000))));
        answer
    }

    async fn blocking(Step { class, method, parameters, arguments }: Step) -> Result<String, String> {
        let answer = calls::call(&class, &method, &parameters, &arguments);
        answer.map_err(|failure| format!("{}: {}", failure.kind, failure.message))
    }

    async fn echo(text: String) -> String {
        text
    }

    async fn forever() {
        loop {
            monotonic_clock::wait_for(1_000_000_000).await;
        }
    }
}

export!(Component);

async fn make(Step { class, method, parameters, arguments }: Step) -> Result<String, String> {
    let answer = calls::call_async(class, method, parameters, arguments).await;
    answer.map_err(|failure| format!("{}: {}", failure.kind, failure.message))
}

async fn join<F: Future>(mut futures: Vec<Pin<Box<F>>>) -> Vec<F::Output> {
    let mut ended: Vec<_> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, ended) in futures.iter_mut().zip(&mut ended) {
            if ended.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *ended = Some(output);
            }
        }
        if ended.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ended.into_iter().flatten().collect()
}
