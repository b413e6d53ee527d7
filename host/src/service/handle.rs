//! "Let this class answer this request": the way of the web front to a guest's own `wasi:http` handler.
//!
//! ```text
//!  Class::handle ── lease ──▶ guest ── ended before it waited for others ──▶ answer in one piece
//!                               │
//!                               └── head, but goes on ──▶ head and stream; the guest runs on as a task, with its lease
//! ```
//! A body that a guest of WASI 0.3 passed on goes on after its end, and keeps the lease as well.
//!
//! The guest runs on the task of whoever asked until it has given the head of its answer, and for as long as it does not wait
//! for anything but to be read. Most have ended by then, and never leave it. This module must not know how requests come in.

mod body;
mod gathered;
mod loan;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Level, Span};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::answer::{Asker, InstanceId};
use super::class::Class;
use super::keeper::ClassKeeper;
use super::metrics::{ClassMetrics, Timed};
use crate::component::Handler;
use crate::drain::Working;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::{Answered, HandledShared, Head};
use crate::pool::{Guest, Lease};
use crate::values::Value;

use body::Gone;
pub(crate) use body::GuestBody;
use gathered::{Gathered, Watched};
use loan::{Lender, Loan, loan};

/// How a handler is named in spans and in the log, as a method is.
pub(crate) const HANDLE: &str = "handle";

/// How long a guest may go on whose client has gone, so that its instance stays warm; and how long it is read by nobody but the
/// host, where its client has asked for the head alone.
const FAREWELL: Duration = Duration::from_secs(1);

/// What came of a request, and of which instance.
#[derive(Debug)]
pub(crate) struct Handled {
    /// The instance that ran it; `None` when none did.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) outcome: Result<Response<GuestBody>>,
}

/// A request that no guest has seen yet.
struct Asked {
    request: Request<WasiBody>,
    timed: Timed<Arc<ClassMetrics>>,
}

/// A guest at its request; dropped, it takes its instance with it. What came of it, or the request if it had not begun.
type Run = Pin<Box<dyn Future<Output = std::result::Result<Ended, Box<Asked>>> + Send>>;

/// What a guest came to, the clock of its request unless that has gone with it, and the instance, where it may still be needed.
type Ended = (Result<()>, Option<Timed<Arc<ClassMetrics>>>, Option<Kept>);

/// An instance whose guest has ended well, and whose work may go on. Dropped in this order.
struct Kept {
    _lease: Lease<ClassKeeper>,
    _working: Working,
}

impl Class {
    /// Whether the class has a handler of its own for requests.
    pub(crate) fn has_handler(&self) -> bool {
        self.inner.handler.is_some()
    }

    /// Lets the class's own handler answer a request, in an instance of the pool that the parameters name.
    ///
    /// `upload_broke` says, at any time before the head, that the rest of the request will not come: nobody waits for an
    /// answer then.
    ///
    /// # Cancel safety
    ///
    /// As [`answer`](Self::answer), until there is a head. From then on it is the body that is dropped: the guest has a
    /// second to notice, and its instance stays warm if it ends well.
    pub(crate) async fn handle(
        &self,
        mut parameters: Vec<Value>,
        request: Request<WasiBody>,
        upload_broke: &AtomicBool,
    ) -> Handled {
        let span = match tracing::enabled!(Level::DEBUG) {
            true => tracing::debug_span!("call", app = self.app_name(), class = self.name(), method = HANDLE),
            false => Span::none(),
        };
        let mut asked = Asked { request, timed: Timed::new(self.inner.metrics.clone()) };
        loop {
            match self.handle_in_one(&mut parameters, asked, upload_broke, &span).await {
                Ok(handled) => return handled,
                Err(not_begun) => asked = *not_begun,
            }
        }
    }

    /// Lets one instance answer; the request comes back if that was shared, and went before it had begun.
    async fn handle_in_one(
        &self,
        parameters: &mut [Value],
        Asked { request, mut timed }: Asked,
        upload_broke: &AtomicBool,
        span: &Span,
    ) -> std::result::Result<Handled, Box<Asked>> {
        let leased = match self.lease_for_request(parameters).instrument(span.clone()).await {
            Ok(leased) => leased,
            Err(error) => {
                timed.ended(Some(error.kind()));
                return Ok(Handled { instance: None, outcome: Err(error) });
            }
        };
        let (working, lease) = leased;
        timed.leased(lease.has_waited());
        let is_head = request.method() == Method::HEAD;
        let instance = Some(InstanceId(lease.id()));
        let frame = Asker::default().frame(lease.pool());
        let (head, mut headed) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let may_pass_on = self.inner.handler.as_ref().is_some_and(Handler::is_p3);
        let running = async move {
            // Dropped in the other order: before the instance goes its end is told, before that its work is over.
            let working = working;
            let mut lease = lease;
            let ended = ended;
            let (outcome, lease) = match lease.guest() {
                Guest::Exclusive(live) => (live.handle(request, head, frame).await, Some(lease)),
                Guest::Shared(shared) => {
                    let shared = shared.clone();
                    // It keeps its lease until the body has ended.
                    match shared.handle(request, head, Box::new(lease), frame).await {
                        HandledShared::Ended(outcome) => (outcome, None),
                        HandledShared::NotBegun(request) => return Err(Box::new(Asked { request: *request, timed })),
                    }
                }
            };
            match &outcome {
                // Whoever reads the answer may be gone.
                Ok(()) => drop(ended.send(())),
                Err(_) => drop(ended),
            }
            let lease = lease.filter(|_| may_pass_on && outcome.is_ok());
            Ok((outcome, Some(timed), lease.map(|lease| Kept { _lease: lease, _working: working })))
        };
        let mut run: Run = Box::pin(running.instrument(span.clone()));
        let mut answer: Option<Result<Begun>> = None;
        let ended = poll_fn(|context| {
            loop {
                if let Poll::Ready(outcome) = run.as_mut().poll(context) {
                    return Poll::Ready(Some(outcome));
                }
                match &mut answer {
                    Some(Ok(begun)) => {
                        if begun.body.gather(context) {
                            continue;
                        }
                        return if begun.is_held() { Poll::Pending } else { Poll::Ready(None) };
                    }
                    Some(Err(_)) => return Poll::Ready(None),
                    None => {}
                }
                if !headed.is_terminated()
                    && let Poll::Ready(Ok(head)) = Pin::new(&mut headed).poll(context)
                {
                    answer = Some(begun(head));
                    continue;
                }
                // It may have given its answer up, and goes on: what comes of it is its end.
                return match upload_broke.load(Ordering::Relaxed) {
                    true => Poll::Ready(Some(Ok((Err(broken_off()), None, None)))),
                    false => Poll::Pending,
                };
            }
        });
        let ended = match ended.await {
            None => None,
            Some(Ok(ended)) => Some(ended),
            Some(Err(asked)) => return Err(asked),
        };
        // The guest may have given it at its very end.
        let answer = answer.or_else(|| headed.try_recv().ok().map(begun));
        let answer = answer.unwrap_or_else(|| Err(returned("`handle` returned without an answer")));
        let (outcome, timed) = match ended {
            Some((outcome, timed, kept)) => {
                (outcome.and(answer).and_then(|answer| self.of_ended(answer, kept, end, is_head)), timed)
            }
            None => (self.of_running(answer, run, end, (instance, is_head)), None),
        };
        let outcome = outcome.and_then(|response| checked(response, is_head));
        if let Some(timed) = timed {
            timed.ended(outcome.as_ref().err().map(Error::kind));
        }
        let outcome = outcome.map(|response| if is_head { self.unsent(response) } else { response });
        Ok(Handled { instance, outcome })
    }

    /// The answer of a guest that has ended.
    fn of_ended(
        &self,
        mut answer: Begun,
        kept: Option<Kept>,
        end: oneshot::Receiver<()>,
        is_head: bool,
    ) -> Result<Response<GuestBody>> {
        if !answer.is_passed_on() {
            return whole(answer, is_head);
        }
        if answer.is_head_alone() {
            return Err(unfinished());
        }
        let (gone, client) = Gone::new();
        let (lender, loan) = loan();
        if let Some(kept) = kept {
            self.inner.host.inner.drain.drivers().spawn(wait_with(kept, lender, gone, self.stop()));
        }
        Ok(self.streamed(answer, end, (client, loan)).0)
    }

    /// The answer of a guest that goes on, which it does whether there is one or not.
    fn of_running(
        &self,
        answer: Result<Begun>,
        run: Run,
        end: oneshot::Receiver<()>,
        (instance, is_head): (Option<InstanceId>, bool),
    ) -> Result<Response<GuestBody>> {
        let answer = answer.and_then(|answer| match answer.body.failure() {
            Some(error) if !is_head => Err(broken(error)),
            _ => Ok(answer),
        });
        let (gone, client) = Gone::new();
        let (lender, loan) = loan();
        let (answer, body) = match answer.map(|answer| self.streamed(answer, end, (client, loan))) {
            Ok((answer, body)) => (Ok(answer), body),
            Err(error) => (Err(error), None),
        };
        self.go_on(run, body, (gone, lender), instance);
        answer
    }

    /// The answer to a request that asks for its head alone. Its guest does not know, and has a moment to write the rest.
    fn unsent(&self, response: Response<GuestBody>) -> Response<GuestBody> {
        let (head, mut body) = response.into_parts();
        let bytes = length(&head.headers).or_else(|| body.size_hint().exact());
        if matches!(body, GuestBody::Streamed(_)) {
            let read = async move { while let Some(Ok(_)) = body.frame().await {} };
            self.inner.host.inner.drain.drivers().spawn(tokio::time::timeout(FAREWELL, read));
        }
        Response::from_parts(head, GuestBody::Unsent(bytes))
    }

    async fn lease_for_request(&self, parameters: &mut [Value]) -> Result<(Working, Lease<ClassKeeper>)> {
        let key = self.key(parameters)?;
        let working = self.inner.host.inner.drain.work()?;
        let parameters = &*parameters;
        // A connection waits for nothing else meanwhile, so a start may run here.
        Ok((working, self.inner.pools.acquire_here(&key, || Arc::from(parameters)).await?))
    }

    /// The answer of a guest that goes on, and its body, if there is more of it to come. `end` is told when it returns,
    /// `client` when all was read.
    fn streamed(
        &self,
        answer: Begun,
        end: oneshot::Receiver<()>,
        reader: Reader,
    ) -> (Response<GuestBody>, Option<Watched>) {
        let is_finished = answer.is_head_alone() && answer.body.is_finished(answer.marks_end);
        let Begun { head, body, marks_end } = answer;
        if is_finished || body.is_end_stream() {
            return (Response::from_parts(head, GuestBody::finished(reader.0)), None);
        }
        let (length, patience) = (length(&head.headers), self.inner.settings.timeout);
        let (body, watched) = body.shared();
        let streamed = GuestBody::streamed(body, marks_end, length, end, (reader, patience));
        (Response::from_parts(head, streamed), Some(watched))
    }

    /// Cancelled when nobody is waited for any longer.
    fn stop(&self) -> CancellationToken {
        self.inner.host.inner.drain.stop_token().clone()
    }

    /// Lets a guest go on by itself after the head of its answer, while its client reads the `body`.
    fn go_on(
        &self,
        mut run: Run,
        body: Option<Watched>,
        (mut gone, lender): (Gone, Lender<Kept>),
        instance: Option<InstanceId>,
    ) {
        let class = self.clone();
        let rest = async move {
            let ended = tokio::select! {
                biased;
                ended = &mut run => ended,
                () = gone.wait() => match tokio::time::timeout(FAREWELL, run).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        let error = Error::new(ErrorKind::TimedOut, "`handle` went on after its client had gone");
                        Ok((Err(error), None, None))
                    }
                },
            };
            let ended = ended.map(|(outcome, timed, kept)| {
                if let Some(timed) = timed {
                    timed.ended(outcome.as_ref().err().map(Error::kind));
                }
                (outcome, kept)
            });
            match ended {
                Ok((Err(error), _)) => {
                    let (app, class) = (class.app_name(), class.name());
                    let instance = instance.map(InstanceId::get);
                    tracing::warn!(app, class, instance, %error, "an answer broke off");
                }
                // What it has written itself is there, however slowly that is read.
                Ok((Ok(()), Some(kept))) if body.is_some_and(|body| !body.is_complete()) => {
                    wait_with(kept, lender, gone, class.stop()).await;
                }
                // What has given a head has begun.
                Ok((Ok(()), _)) | Err(_) => {}
            }
        };
        self.inner.host.inner.drain.drivers().spawn(rest);
    }
}

/// Lets an instance wait with its end until the body is over that its guest has left, or the host stops.
async fn wait_with(kept: Kept, lender: Lender<Kept>, mut gone: Gone, stop: CancellationToken) {
    lender.lend(kept);
    tokio::select! {
        () = gone.is_over() => {}
        () = stop.cancelled() => {}
    }
    lender.end();
}

/// What is told when an answer was read to its end, and what goes back then.
type Reader = (oneshot::Sender<()>, Loan<Kept>);

/// An answer of which there may be no more than the head yet.
struct Begun {
    head: Parts,
    body: Gathered,
    marks_end: bool,
}

impl Begun {
    /// Whether the head waits for its guest to finish: it is all that its client gets where it says that there is no body, so
    /// that nothing could be broken off any more.
    fn is_held(&self) -> bool {
        self.is_head_alone() && !self.body.is_finished(self.marks_end)
    }

    /// Whether nothing follows the head.
    fn is_head_alone(&self) -> bool {
        let has_none = matches!(self.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        (has_none || length(&self.head.headers) == Some(0)) && self.body.is_blank()
    }

    /// Whether a guest that has ended has left its body to somebody else, as it may in WASI 0.3.
    fn is_passed_on(&mut self) -> bool {
        !self.marks_end && !self.body.is_complete(&mut Context::from_waker(Waker::noop()))
    }
}

fn returned(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ReturnedError, message)
}

/// What a client is told whose request breaks off, whatever its guest makes of that.
pub(crate) fn broken_off() -> Error {
    Error::bad_request("the request broke off")
}

fn unfinished() -> Error {
    returned("`handle` returned without finishing the body of its answer")
}

/// The answer, if there is one. What a guest says of why there is none is for its owner, and its code for whoever asked.
fn begun(head: Head) -> Result<Begun> {
    let Answered { response, marks_end } = head.map_err(|declined| {
        let code = returned(format!("`handle` returned the error code `{}`", declined.code));
        code.with_stderr(Some(declined.details))
    })?;
    let (head, body) = response.into_parts();
    Ok(Begun { head, body: Gathered::new(body), marks_end })
}

/// The answer of a guest that has ended.
fn whole(Begun { head, body, marks_end }: Begun, is_head: bool) -> Result<Response<GuestBody>> {
    let body = GuestBody::ended(body, marks_end, is_head)?;
    Ok(Response::from_parts(head, body))
}

/// The body of an answer came to a bad end.
fn broken(error: &WasiError) -> Error {
    match error {
        WasiError::HttpResponseBodySize(_) | WasiError::HttpRequestBodySize(_) => {
            returned("the body of the answer of `handle` is of another length than its `content-length` says")
        }
        _ => returned("the body of the answer of `handle` broke off"),
    }
}

/// Refuses an answer that is none, and one that says another length than it has: what follows on the connection would be taken
/// for its rest.
fn checked(response: Response<GuestBody>, is_head: bool) -> Result<Response<GuestBody>> {
    if response.status().is_informational() {
        let status = response.status().as_u16();
        return Err(returned(format!("`handle` answered with the status {status}, which is not that of an answer")));
    }
    let Some(said) = length(response.headers()) else { return Ok(response) };
    match response.body().size_hint().exact() {
        Some(has) if has != said && !is_head && response.status() != StatusCode::NOT_MODIFIED => {
            Err(returned(format!("`handle` said that its answer has {said} bytes, and it has {has}")))
        }
        _ => Ok(response),
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
