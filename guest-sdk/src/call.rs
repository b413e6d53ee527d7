//! Calls of other classes: what a caller holds before, while and after the host makes one.
//!
//! ```text
//! model::call().name("whale") ─▶ .generate("hi") ─▶ Call ─┬─ .await ──▶ Answer ─▶ Result<T, CallError<E>>
//! call("model").parameter(…) ──▶ .method(…) ───────────▶ ─┴─ .wait() ───────────▶
//! ```
//!
//! It must not know which classes there are: the builders for those of this component are generated beside each class.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::host::calls;
use crate::json::{Fields, Reader};
use crate::value::Value;

mod by_name;
mod error;
mod state;

pub use by_name::{Argument, ClassByName, MethodByName, call};
pub use error::{CallError, CallErrorKind};
pub use state::{Given, Maybe, Missing};

/// A call that is ready to be made, and is made when it is awaited.
///
/// It runs in an instance of the pool that its parameters belong to. Many can be made at once, and one whose future is
/// dropped is cancelled. A method that is not async calls [`wait`](Self::wait).
///
/// Of the calls that one caller makes at most 100 are under way, or as many as the host's `--max-nested-calls` says. One
/// more does not wait for another to end but fails at once, as [`CallErrorKind::Overloaded`]; so make larger batches in
/// pieces:
///
/// ```
/// use wasmhost_guest::prelude::*;
///
/// # async fn join_all<F: Future>(calls: impl Iterator<Item = F>) -> Vec<F::Output> {
/// #     let mut answers = Vec::new();
/// #     for call in calls {
/// #         answers.push(call.await);
/// #     }
/// #     answers
/// # }
/// #[function]
/// fn square(x: i64) -> i64 {
///     x * x
/// }
///
/// /// With `join_all` of the crate `futures_util`, for example.
/// async fn squares(numbers: &[i64]) -> Result<Vec<i64>> {
///     let mut squares = Vec::new();
///     for piece in numbers.chunks(50) {
///         for answer in join_all(piece.iter().map(|number| square::call(*number).into_future())).await {
///             squares.push(answer?);
///         }
///     }
///     Ok(squares)
/// }
/// # fn main() {}
/// ```
///
/// A method that calls its own pool, or in whose callers that pool is already, may need an instance that only becomes
/// free when it has ended. The host does not let it wait for that: it gets [`CallErrorKind::WouldDeadlock`].
#[must_use = "a call is made when it is awaited, or by `wait`"]
pub struct Call<T, E = String> {
    request: Request,
    answer: PhantomData<fn() -> (T, E)>,
}

/// What the host is asked for.
#[derive(Debug)]
struct Request {
    class: Cow<'static, str>,
    method: Cow<'static, str>,
    parameters: Fields,
    arguments: Fields,
}

impl<T, E> Call<T, E> {
    /// Makes a call of what is given so far.
    #[doc(hidden)]
    pub fn new(
        class: impl Into<Cow<'static, str>>,
        method: impl Into<Cow<'static, str>>,
        parameters: Fields,
        arguments: Fields,
    ) -> Self {
        let request = Request { class: class.into(), method: method.into(), parameters, arguments };
        Self { request, answer: PhantomData }
    }

    /// Gives one argument more.
    #[doc(hidden)]
    pub fn put<V: Value>(&mut self, name: &str, value: &V) {
        self.request.arguments.put(name, value);
    }
}

impl<T: Value, E> Call<T, E> {
    /// Makes the call and waits for its answer. Meanwhile the whole instance waits: an `async fn` awaits the call.
    /// Where `concurrency` is over 1, the host refuses it, as [`CallErrorKind::Conflict`].
    ///
    /// # Errors
    ///
    /// If the method returned an error, or the call could not be made or did not end well.
    pub fn wait(self) -> Result<T, CallError<E>> {
        let Request { class, method, parameters, arguments } = self.request;
        let answer = calls::call(&class, &method, &parameters.finish(), &arguments.finish());
        read(&class, &method, answer)
    }
}

impl<T: Value, E> IntoFuture for Call<T, E> {
    type Output = Result<T, CallError<E>>;
    type IntoFuture = Answer<T, E>;

    fn into_future(self) -> Answer<T, E> {
        let Request { class, method, parameters, arguments } = self.request;
        let (parameters, arguments) = (parameters.finish(), arguments.finish());
        let future = Box::pin(calls::call_async(class.to_string(), method.to_string(), parameters, arguments));
        Answer { class, method, future, answer: PhantomData }
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// The answer to a call that is being made.
///
/// # Cancel safety
///
/// Dropping it cancels the call, unless it has ended: its caller goes on at once, and the instance it ran in is not
/// used again if it was alone in there.
#[must_use = "the call is cancelled when its answer is dropped"]
pub struct Answer<T, E = String> {
    class: Cow<'static, str>,
    method: Cow<'static, str>,
    future: Pin<Box<dyn Future<Output = Result<String, calls::Failure>>>>,
    answer: PhantomData<fn() -> (T, E)>,
}

impl<T: Value, E> Future for Answer<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(context).map(|answer| read(&self.class, &self.method, answer))
    }
}

impl<T, E> fmt::Debug for Answer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("class", &self.class).field("method", &self.method).finish_non_exhaustive()
    }
}

fn read<T: Value, E>(class: &str, method: &str, answer: Result<String, calls::Failure>) -> Result<T, CallError<E>> {
    match answer {
        Ok(json) => Reader::text(&json).map_err(|unread| CallError::unread(class, method, &unread, &json)),
        Err(failure) => Err(CallError::failed(class, method, failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_type_is_an_error_that_shows_it() {
        assert_eq!(read::<i64, String>("c", "m", Ok("7".to_owned())).ok(), Some(7));
        let error = read::<i64, String>("c", "m", Ok("\"no\"".to_owned())).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::UnexpectedAnswer);
        assert_eq!(
            error.to_string(),
            "the answer of `c.m` is of another type than the caller takes it for: a number that is i64 is expected at \
             byte 4 of \"no\""
        );
    }
}
