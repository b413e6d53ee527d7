//! A guest's own handler of `wasi:http` requests, 0.2 and 0.3.
//!
//! The head of the answer comes while the guest still runs, so it goes another way than the end of the run: through a
//! channel. Whoever runs the guest sees both. What must not be known here: who asked, and what the answer is sent through.

use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::pin::{Pin, pin};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, Component, ComponentExportIndex, GuestTaskId, Resource, TypedFunc};
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use super::{Live, Span, begin, failure};
use crate::error::{Error, Result};
use crate::lifecycle::{Outcome, Step};
use crate::state::{Frame, State};

/// How a handler is named in errors: its function in both versions.
pub(super) const HANDLE: &str = "`handle`";

/// A handler, found in the component that instances are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkedHandler {
    index: ComponentExportIndex,
    is_p3: bool,
}

/// A handler, looked up in its instance.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    P2(P2),
    P3(P3),
}

type P2 = TypedFunc<(Resource<p2::IncomingRequest>, Resource<p2::ResponseOutparam>), ()>;
pub(super) type P3 = TypedFunc<(Resource<p3::Request>,), (std::result::Result<Resource<p3::Response>, p3::ErrorCode>,)>;

/// How the body of a request fared.
type Sent = Pin<Box<dyn Future<Output = std::result::Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// What a guest makes of a request: its answer, or why there is none.
pub(crate) type Head = std::result::Result<Answered, Declined>;

/// An error code of WASI, which a guest gave in place of an answer.
#[derive(Debug)]
pub(crate) struct Declined {
    /// Its name alone, for whoever asked.
    pub(crate) code: String,
    /// All of it, for the log: it may have text of the guest's own.
    pub(crate) details: String,
}

impl Declined {
    /// Bytes of details that are kept.
    const MAX_DETAILS_BYTES: usize = 1000;

    fn new(code: &impl fmt::Debug) -> Self {
        let mut details = Cut { text: String::new(), max_bytes: Self::MAX_DETAILS_BYTES };
        // It fails once there is no more room.
        let _ = write!(details, "{code:?}");
        let details = details.text;
        let name = details.strip_prefix("ErrorCode::").unwrap_or(&details);
        let name = name.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        let mut code = String::with_capacity(name.len() + 8);
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !code.is_empty() {
                code.push('-');
            }
            code.push(letter.to_ascii_lowercase());
        }
        Self { code, details }
    }
}

/// A text that ends where there is no more room for it, and what is written to it there.
struct Cut {
    text: String,
    max_bytes: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.max_bytes - self.text.len();
        self.text.push_str(&piece[..piece.floor_char_boundary(room)]);
        if piece.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

/// An answer, of which there may be no more than the head yet.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<WasiBody>,
    /// Whether a body that was finished ends with trailers, perhaps none in number. If not, only the end of the guest tells.
    pub(crate) marks_end: bool,
}

impl LinkedHandler {
    /// Finds the handler of this interface. `None` where the component does not have it.
    pub(crate) fn find(component: &Component, export: &str) -> Option<Self> {
        let interface = component.get_export_index(None, export)?;
        let index = component.get_export_index(Some(&interface), "handle")?;
        Some(Self { index, is_p3: crate::component::is_p3_handler(export) })
    }
}

impl Live {
    /// Lets the guest answer a request. `head` is told its answer as soon as the guest gives it; the body goes on for as long
    /// as the guest runs, and so does this future. `frame` is the call as those see it that the guest makes.
    ///
    /// # Errors
    ///
    /// What ended the guest, as for [`call`](Self::call): [`is_ready`](Self::is_ready) is false from then on.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the instance is of no more use: drop it, without `exit`.
    pub(crate) async fn handle(
        &mut self,
        request: Request<WasiBody>,
        head: oneshot::Sender<Head>,
        frame: Frame,
    ) -> Result<()> {
        let handler = self.handler()?;
        begin(&mut self.life, Step::Call)?;
        let Self { store, blueprint, life, .. } = self;
        store.data_mut().calls.begin(frame);
        store.data_mut().note_open();
        let span = Span::method(&blueprint.bounds);
        let armed = span.arm(store);
        let attempt = match handler {
            Handler::P2(handle) => {
                let guest = pin!(async {
                    let incoming = store.data_mut().incoming(request, |answer| {
                        let head_of = |response| Answered { response, marks_end: true };
                        // Whoever asked may be gone.
                        drop(head.send(answer.map(head_of).map_err(|code| Declined::new(&code))));
                    })?;
                    handle.call_async(&mut *store, (incoming.request, incoming.outparam)).await
                });
                blueprint.bounded(&span, armed, guest).await
            }
            Handler::P3(handle) => {
                let serve = async |accessor: &Accessor<State>| serve(accessor, handle, request, head).await;
                let guest = pin!(async { store.run_concurrent(serve).await? });
                blueprint.bounded(&span, armed, guest).await
            }
        };
        store.data_mut().calls.end();
        let handled = match attempt {
            failure::Attempt::Done(Ok(())) => {
                store.data_mut().sweep();
                Ok(())
            }
            failed => Err(failure::explain(failed, store.data_mut(), HANDLE, &span, &blueprint.bounds)),
        };
        life.end(if handled.is_ok() { Outcome::Returned } else { Outcome::Broke });
        handled
    }

    pub(super) fn handler(&mut self) -> Result<Handler> {
        if let Some(handler) = self.handler {
            return Ok(handler);
        }
        let linked =
            self.blueprint.handler.ok_or_else(|| Error::internal("a request for a class without a handler"))?;
        let unfit = |error: wasmtime::Error| Error::internal(format!("{HANDLE} is of another type: {error:#}"));
        let (store, instance) = (&mut self.store, &self.instance);
        let handler = match linked.is_p3 {
            false => Handler::P2(instance.get_typed_func(store, linked.index).map_err(unfit)?),
            true => Handler::P3(instance.get_typed_func(store, linked.index).map_err(unfit)?),
        };
        Ok(*self.handler.insert(handler))
    }
}

/// Calls a handler of WASI 0.3, and goes on until nothing of the guest runs any more.
async fn serve(
    accessor: &Accessor<State>,
    handle: P3,
    request: Request<WasiBody>,
    head: oneshot::Sender<Head>,
) -> wasmtime::Result<()> {
    let answer = answer(accessor, handle, request, None).await?.map_err(|alone| alone.0)?.0;
    // Whoever asked may be gone.
    drop(head.send(answer));
    poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
    Ok(())
}

/// What failed on the host's side of one request: the guest goes on, with those of others.
pub(super) struct Alone(pub(super) wasmtime::Error);

/// Calls a handler of WASI 0.3, which goes on with the body after it has given its answer. `frame` is noted under its task,
/// where several share the store: [`end_task`](crate::state::Calls::end_task) takes it from there.
pub(super) async fn answer(
    accessor: &Accessor<State>,
    handle: P3,
    request: Request<WasiBody>,
    frame: Option<Frame>,
) -> wasmtime::Result<std::result::Result<(Head, GuestTaskId), Alone>> {
    let begun = accessor.with(|mut access| {
        let request = with_authority(request);
        let view = access.data_mut().http();
        let (request, sent) = wasmtime_wasi_http::p3::Request::from_http(view.hooks, request);
        // Boxed, for its own type would keep the store borrowed.
        let sent: Sent = Box::pin(sent);
        let request = match view.table.push(request) {
            Ok(request) => request,
            Err(error) => return Ok(Err(Alone(error.into()))),
        };
        let call = handle.start_call_concurrent(&mut access, (request,))?;
        if let Some(frame) = frame {
            access.data_mut().calls.begin_task(call.task(), frame);
        }
        Ok::<_, wasmtime::Error>(Ok((call, sent)))
    })?;
    let (call, sent) = match begun {
        Ok(begun) => begun,
        Err(alone) => return Ok(Err(alone)),
    };
    let task = call.task();
    let (answer,) = handle.finish_call_concurrent(accessor, call).await?;
    let response = match answer {
        Err(code) => return Ok(Ok((Err(Declined::new(&code)), task))),
        Ok(response) => response,
    };
    Ok(accessor.with(|mut access| {
        let taken = access.data_mut().http().table.delete(response).map_err(wasmtime::Error::from);
        match taken.and_then(|response| response.into_http(&mut access, sent)) {
            Ok(response) => Ok((Ok(Answered { response, marks_end: false }), task)),
            Err(error) => {
                access.data_mut().calls.end_task(task);
                Err(Alone(error))
            }
        }
    }))
}

/// The request with its target whole, as WASI 0.3 reads scheme and authority from there alone.
fn with_authority(mut request: Request<WasiBody>) -> Request<WasiBody> {
    if request.uri().authority().is_none() {
        let mut parts = request.uri().clone().into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(PathAndQuery::from_static("/"));
        }
        if let Ok(whole) = Uri::from_parts(parts) {
            *request.uri_mut() = whole;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asked_is_told_the_name_of_an_error_code_and_no_text() {
        let text = Some("a secret".to_owned());
        let payload = p2::DnsErrorPayload { rcode: text.clone(), info_code: None };
        for (declined, code) in [
            (Declined::new(&p2::ErrorCode::InternalError(text.clone())), "internal-error"),
            (Declined::new(&p3::ErrorCode::InternalError(text)), "internal-error"),
            (Declined::new(&p2::ErrorCode::DnsError(payload)), "dns-error"),
            (Declined::new(&p3::ErrorCode::HttpRequestDenied), "http-request-denied"),
        ] {
            assert_eq!(declined.code, code);
            assert_eq!(declined.details.contains("a secret"), code != "http-request-denied", "{declined:?}");
        }
        let long = Declined::new(&p2::ErrorCode::InternalError(Some("ü".repeat(10_000))));
        assert!(long.details.len() <= Declined::MAX_DETAILS_BYTES);
    }

    #[test]
    fn no_more_of_an_error_code_is_made_into_text_than_is_kept() {
        /// One that counts how often it was asked for another letter, which it would go on with for long.
        #[derive(Default)]
        struct Long(std::cell::Cell<usize>);

        impl fmt::Debug for Long {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ErrorCode::Long(")?;
                while self.0.get() < 1_000_000 {
                    self.0.set(self.0.get() + 1);
                    f.write_str("ü")?;
                }
                Ok(())
            }
        }

        let long = Long::default();
        let declined = Declined::new(&long);
        assert_eq!(declined.code, "long");
        assert!(declined.details.ends_with('ü') && declined.details.len() <= Declined::MAX_DETAILS_BYTES);
        assert!(long.0.get() <= Declined::MAX_DETAILS_BYTES, "{}", long.0.get());
    }
}
