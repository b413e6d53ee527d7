//! The two ways into a guest's function: with Rust types for strings and bytes, with `Val`s for everything else.
//!
//! A `Val::List` takes 40 bytes for each byte and is lifted element by element, while `Vec<u8>` is one copy. So functions
//! that take and return only strings and bytes (alone, in pairs, in an `option` or a `result`) get a
//! [`TypedFunc`](wasmtime::component::TypedFunc) each; which functions those are is read off their shapes once.

use std::pin::Pin;

use wasmtime::Store;
use wasmtime::component::{Access, Accessor, ComponentNamedList, Func, GuestTaskId, Lift, Lower, TypedFunc, Val};

use super::Returned;
use crate::component::Function;
use crate::error::Result;
use crate::state::{Frame, State};
use crate::values::{Limits, Path, Shape, Value};

/// A guest's function, looked up in its instance.
pub(super) enum Callee {
    Typed(Box<dyn TypedCall>),
    Untyped(Func),
}

/// Arguments in the form their callee takes.
pub(super) enum Prepared {
    Values(Vec<Value>),
    Vals(Vec<Val>),
}

impl Callee {
    pub(super) fn new(func: Func, function: &Function, store: &Store<State>) -> Self {
        typed(func, function, store).map_or(Self::Untyped(func), Self::Typed)
    }

    /// Brings arguments into the callee's form before anything runs, so that a refusal costs no instance.
    ///
    /// # Errors
    ///
    /// `too-large` when bytes that would have to go as a list are longer than `max-list`.
    pub(super) fn prepare(&self, function: &Function, arguments: Vec<Value>, limits: &Limits) -> Result<Prepared> {
        match self {
            Self::Typed(_) => Ok(Prepared::Values(arguments)),
            Self::Untyped(_) => {
                let named = arguments.into_iter().zip(&function.parameters);
                let vals = named.map(|(value, (name, _))| value.into_val(limits, &Path::Name(name)));
                Ok(Prepared::Vals(vals.collect::<Result<_, _>>()?))
            }
        }
    }

    /// Calls beside other calls of the instance.
    pub(super) async fn call_concurrent(
        &self,
        accessor: &Accessor<State>,
        arguments: Prepared,
        result: &Shape,
        frame: Frame,
    ) -> wasmtime::Result<Returned> {
        match (self, arguments) {
            (Self::Typed(typed), Prepared::Values(values)) => typed.call_concurrent(accessor, values, frame).await,
            (Self::Untyped(func), Prepared::Vals(vals)) => {
                let mut results = if *result == Shape::Unit { Vec::new() } else { vec![Val::Bool(false)] };
                let (call, task) = accessor.with(|mut access| {
                    let call = func.start_call_concurrent(&mut access, &vals, &mut results)?;
                    let task = call.task();
                    begin(access, task, frame);
                    Ok::<_, wasmtime::Error>((call, task))
                })?;
                let finished = func.finish_call_concurrent(accessor, call).await;
                end(accessor, task);
                finished?;
                Ok(results.pop().map_or(Returned::Value(Value::unit()), |val| returned(val, result)))
            }
            _ => wasmtime::bail!("arguments were prepared for another callee"),
        }
    }

    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        arguments: Prepared,
        result: &Shape,
    ) -> wasmtime::Result<Returned> {
        match (self, arguments) {
            (Self::Typed(typed), Prepared::Values(values)) => typed.call(store, values).await,
            (Self::Untyped(func), Prepared::Vals(vals)) => untyped(*func, store, &vals, result).await,
            _ => wasmtime::bail!("arguments were prepared for another callee"),
        }
    }
}

async fn untyped(func: Func, store: &mut Store<State>, vals: &[Val], result: &Shape) -> wasmtime::Result<Returned> {
    if *result == Shape::Unit {
        func.call_async(store, vals, &mut []).await?;
        return Ok(Returned::Value(Value::unit()));
    }
    let mut results = [Val::Bool(false)];
    func.call_async(store, vals, &mut results).await?;
    let [val] = results;
    Ok(returned(val, result))
}

fn returned(val: Val, result: &Shape) -> Returned {
    let side = |val: Option<Box<Val>>, shape: &Shape| val.map_or(Value::unit(), |val| Value::from_val(*val, shape));
    match (result, val) {
        (Shape::Result(ok, _), Val::Result(Ok(val))) => Returned::Value(side(val, ok)),
        (Shape::Result(_, err), Val::Result(Err(val))) => Returned::Error(side(val, err)),
        (shape, val) => Returned::Value(Value::from_val(val, shape)),
    }
}

type CallFuture<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<Returned>> + Send + 'a>>;

/// A call whose types are known to the compiler.
pub(super) trait TypedCall: Send + Sync {
    fn call<'a>(&'a self, store: &'a mut Store<State>, arguments: Vec<Value>) -> CallFuture<'a>;

    fn call_concurrent<'a>(
        &'a self,
        accessor: &'a Accessor<State>,
        arguments: Vec<Value>,
        frame: Frame,
    ) -> CallFuture<'a>;
}

/// Notes a call under its task, where the guest's host functions find it.
fn begin(mut access: Access<'_, State>, task: GuestTaskId, frame: Frame) {
    access.get().calls.begin_task(task, frame);
}

/// It has ended. A call that does not come to its end goes with its store.
fn end(accessor: &Accessor<State>, task: GuestTaskId) {
    accessor.with(|mut access| access.get().calls.end_task(task));
}

impl<A: Arguments, R: Results> TypedCall for TypedFunc<A, R> {
    fn call<'a>(&'a self, store: &'a mut Store<State>, arguments: Vec<Value>) -> CallFuture<'a> {
        let arguments = A::of_values(arguments);
        Box::pin(async move {
            let arguments = arguments.ok_or_else(|| wasmtime::format_err!("arguments do not fit their shapes"))?;
            Ok(self.call_async(store, arguments).await?.into_returned())
        })
    }

    fn call_concurrent<'a>(
        &'a self,
        accessor: &'a Accessor<State>,
        arguments: Vec<Value>,
        frame: Frame,
    ) -> CallFuture<'a> {
        let arguments = A::of_values(arguments);
        Box::pin(async move {
            let arguments = arguments.ok_or_else(|| wasmtime::format_err!("arguments do not fit their shapes"))?;
            let (call, task) = accessor.with(|mut access| {
                let call = self.start_call_concurrent(&mut access, arguments)?;
                let task = call.task();
                begin(access, task, frame);
                Ok::<_, wasmtime::Error>((call, task))
            })?;
            let returned = self.finish_call_concurrent(accessor, call).await;
            end(accessor, task);
            Ok(returned?.into_returned())
        })
    }
}

/// The typed form of a function of this type, if it takes and returns only strings and bytes.
fn typed(func: Func, function: &Function, store: &Store<State>) -> Option<Box<dyn TypedCall>> {
    let shapes: Vec<_> = function.parameters.iter().map(|(_, shape)| shape).collect();
    let result = &function.result;
    match shapes[..] {
        [] => with_arguments::<()>(func, result, store),
        [Shape::String] => with_arguments::<(String,)>(func, result, store),
        [Shape::Bytes] => with_arguments::<(Vec<u8>,)>(func, result, store),
        [Shape::String, Shape::String] => with_arguments::<(String, String)>(func, result, store),
        [Shape::String, Shape::Bytes] => with_arguments::<(String, Vec<u8>)>(func, result, store),
        [Shape::Bytes, Shape::String] => with_arguments::<(Vec<u8>, String)>(func, result, store),
        [Shape::Bytes, Shape::Bytes] => with_arguments::<(Vec<u8>, Vec<u8>)>(func, result, store),
        _ => None,
    }
}

fn with_arguments<A: Arguments>(func: Func, result: &Shape, store: &Store<State>) -> Option<Box<dyn TypedCall>> {
    match result {
        Shape::Unit => bind::<A, ()>(func, store),
        Shape::String => bind::<A, (String,)>(func, store),
        Shape::Bytes => bind::<A, (Vec<u8>,)>(func, store),
        Shape::Option(inner) => match **inner {
            Shape::String => bind::<A, (Option<String>,)>(func, store),
            Shape::Bytes => bind::<A, (Option<Vec<u8>>,)>(func, store),
            _ => None,
        },
        Shape::Result(ok, err) => match (&**ok, &**err) {
            (Shape::Unit, Shape::String) => bind::<A, (Result<(), String>,)>(func, store),
            (Shape::String, Shape::String) => bind::<A, (Result<String, String>,)>(func, store),
            (Shape::Bytes, Shape::String) => bind::<A, (Result<Vec<u8>, String>,)>(func, store),
            _ => None,
        },
        _ => None,
    }
}

fn bind<A: Arguments, R: Results>(func: Func, store: &Store<State>) -> Option<Box<dyn TypedCall>> {
    // The types were read off the component, so they fit; if not, the untyped way works all the same.
    func.typed::<A, R>(store).ok().map(|typed| Box::new(typed) as Box<dyn TypedCall>)
}

/// Arguments made of strings and bytes.
trait Arguments: ComponentNamedList + Lower + Send + Sync + Sized + 'static {
    fn of_values(values: Vec<Value>) -> Option<Self>;
}

/// One argument.
trait Argument: Lower + Send + Sync + 'static {
    fn of_value(value: Value) -> Option<Self>
    where
        Self: Sized;
}

impl Argument for String {
    fn of_value(value: Value) -> Option<Self> {
        if let Value::Val(Val::String(text)) = value { Some(text) } else { None }
    }
}

impl Argument for Vec<u8> {
    fn of_value(value: Value) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
    }
}

impl Arguments for () {
    fn of_values(values: Vec<Value>) -> Option<Self> {
        values.is_empty().then_some(())
    }
}

impl<A: Argument> Arguments for (A,)
where
    (A,): ComponentNamedList + Lower,
{
    fn of_values(values: Vec<Value>) -> Option<Self> {
        let [value] = <[Value; 1]>::try_from(values).ok()?;
        Some((A::of_value(value)?,))
    }
}

impl<A: Argument, B: Argument> Arguments for (A, B)
where
    (A, B): ComponentNamedList + Lower,
{
    fn of_values(values: Vec<Value>) -> Option<Self> {
        let [first, second] = <[Value; 2]>::try_from(values).ok()?;
        Some((A::of_value(first)?, B::of_value(second)?))
    }
}

/// A result made of strings and bytes.
trait Results: ComponentNamedList + Lift + Send + Sync + 'static {
    fn into_returned(self) -> Returned;
}

/// One value of a result.
trait Single {
    fn into_value(self) -> Value;
}

impl Single for () {
    fn into_value(self) -> Value {
        Value::unit()
    }
}

impl Single for String {
    fn into_value(self) -> Value {
        Value::Val(Val::String(self))
    }
}

impl Single for Vec<u8> {
    fn into_value(self) -> Value {
        Value::Bytes(self)
    }
}

impl Results for () {
    fn into_returned(self) -> Returned {
        Returned::Value(Value::unit())
    }
}

impl Results for (String,) {
    fn into_returned(self) -> Returned {
        Returned::Value(self.0.into_value())
    }
}

impl Results for (Vec<u8>,) {
    fn into_returned(self) -> Returned {
        Returned::Value(self.0.into_value())
    }
}

impl Results for (Option<String>,) {
    fn into_returned(self) -> Returned {
        Returned::Value(Value::Val(Val::Option(self.0.map(|text| Box::new(Val::String(text))))))
    }
}

impl Results for (Option<Vec<u8>>,) {
    fn into_returned(self) -> Returned {
        Returned::Value(Value::OptionBytes(self.0))
    }
}

impl<T: Single> Results for (Result<T, String>,)
where
    (Result<T, String>,): ComponentNamedList + Lift + Send + Sync + 'static,
{
    fn into_returned(self) -> Returned {
        match self.0 {
            Ok(value) => Returned::Value(value.into_value()),
            Err(text) => Returned::Error(text.into_value()),
        }
    }
}
