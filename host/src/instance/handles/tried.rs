//! A handle that a guest may not have: asking for it is no trap.
//!
//! Whatever goes wrong in a call ends the store on the engine with concurrency, and that a number is of no handle, or of one of
//! another type, is such an error. Here it is a value. It must not know what the numbers are asked for.

#![expect(unsafe_code, reason = "to lift a value is unsafe in wasmtime's terms")]

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift};

/// What a number stands for, or nothing where it stands for nothing of the type.
#[derive(Debug)]
pub(super) struct Tried<T>(pub(super) Option<T>);

// SAFETY: in the guest's eyes it is a `T`: all of it is the `T`'s own.
unsafe impl<T: ComponentType> ComponentType for Tried<T> {
    type Lower = T::Lower;

    const ABI: CanonicalAbiInfo = T::ABI;
    const MAY_REQUIRE_REALLOC: bool = T::MAY_REQUIRE_REALLOC;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: a `T` is made by its own lifting alone. A handle that is refused is still where it was, if it is anywhere: wasmtime
// looks before it takes.
unsafe impl<T: Lift> Lift for Tried<T> {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        Ok(Self(T::linear_lift_from_flat(context, ty, from).ok()))
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        Ok(Self(T::linear_lift_from_memory(context, ty, bytes).ok()))
    }
}
