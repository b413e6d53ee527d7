//! The same guest straight on wasmtime, for benches: our engines, linker and store, and none of our calls.
//!
//! Hidden from the documentation and free to change in any release.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use crate::config::OutputLimits;
use crate::error::Result;
use crate::service::Bound;
use crate::state::{Output, OutputOrigin, TracingOutput, Turns};

pub use crate::state::State;

/// An instance that was instantiated, but not built or entered. Where there is a snapshot of what `build` left it begins
/// there, with its `/image`, and without the handles that were open: what uses one of them traps.
pub struct RawInstance {
    /// The store, with limiter and epoch callback as in every instance. Its deadline never comes, because nothing ticks for it.
    pub store: Store<State>,
    /// The component's instance.
    pub instance: Instance,
}

impl std::fmt::Debug for RawInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawInstance")
    }
}

/// Instantiates the component of a class.
///
/// # Errors
///
/// As a start of the class.
pub async fn instantiate(bound: &Bound) -> Result<RawInstance> {
    let blueprint = bound.blueprint().await?;
    let setup = &blueprint.setup;
    let output = Output::new(OutputOrigin::default(), Arc::new(TracingOutput), OutputLimits::default());
    let bounds = &blueprint.bounds;
    // Turns of its own: whoever calls it straight on wasmtime gives none back.
    let turns = Turns::default();
    let (identity, memory_bytes) = (Arc::default(), bounds.memory_bytes);
    let engine = setup.pre.engine();
    let mut store = State::store(engine, &setup.wasi, output, identity, &turns, memory_bytes, &bounds.instance)?;
    let instance = setup.pre.instantiate_async(&mut store).await;
    let instance = instance.map_err(|error| crate::error::Error::internal(format!("{error:#}")))?;
    Ok(RawInstance { store, instance })
}

/// Leases an instance as a call does, and gives it back at once.
///
/// # Errors
///
/// As a call, but for what the guest makes of it.
pub async fn acquire(bound: &Bound) -> Result<()> {
    bound.acquire_and_release().await
}
