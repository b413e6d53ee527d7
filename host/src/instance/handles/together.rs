//! Handles of whatever types, as the arguments of one call.
//!
//! Tuples have their types at compile time; what a guest had open is known when its snapshot is. It must not know what the
//! handles are given for.

#![expect(unsafe_code, reason = "to lower a value is unsafe in wasmtime's terms")]

use std::mem::MaybeUninit;

use wasmtime::ValRaw;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentNamedList, ComponentType, Lower, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Network};

use crate::component::accessor::MAX_TOGETHER;
use crate::state::Made;

/// At most [`MAX_TOGETHER`] handles.
#[derive(Debug)]
pub(super) struct Together(Vec<Made>);

impl Together {
    pub(super) fn new(handles: impl Iterator<Item = Made>) -> Self {
        Self(handles.take(MAX_TOGETHER).collect())
    }
}

// SAFETY: `Lower` is a sequence of `ValRaw`, and as long as `ABI` says. A function may take fewer: it looks at those alone.
unsafe impl ComponentType for Together {
    type Lower = [ValRaw; MAX_TOGETHER];

    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::record_static(&[<u32 as ComponentType>::ABI; MAX_TOGETHER]);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        let InterfaceType::Tuple(tuple) = ty else { wasmtime::bail!("the handles of a guest are a tuple") };
        let all = &types.types[*tuple].types;
        wasmtime::ensure!(all.len() <= MAX_TOGETHER, "{} handles are too many for one call", all.len());
        // The type of each is looked at when it is lowered, before the guest has it.
        wasmtime::ensure!(all.iter().all(|ty| matches!(ty, InterfaceType::Own(_))), "not all of it are handles");
        Ok(())
    }
}

// SAFETY: its type is a tuple.
unsafe impl ComponentNamedList for Together {}

// SAFETY: all of `dst` is written, and each handle by its own lowering.
unsafe impl Lower for Together {
    fn linear_lower_to_flat<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        let InterfaceType::Tuple(tuple) = ty else { wasmtime::bail!("the handles of a guest are a tuple") };
        let types = context.types;
        let all = &types[tuple].types;
        wasmtime::ensure!(all.len() == self.0.len(), "{} handles for {} places", self.0.len(), all.len());
        let mut raw = [ValRaw::u32(0); MAX_TOGETHER];
        for ((made, ty), raw) in self.0.iter().zip(all).zip(&mut raw) {
            *raw = match made {
                Made::Input(made) => lower::<DynInputStream, T>(made, context, *ty)?,
                Made::Output(made) => lower::<DynOutputStream, T>(made, context, *ty)?,
                Made::Directory(made) => lower::<Descriptor, T>(made, context, *ty)?,
                Made::Network(made) => lower::<Network, T>(made, context, *ty)?,
                Made::Pollable(made) => lower::<DynPollable, T>(made, context, *ty)?,
            };
        }
        dst.write(raw);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> wasmtime::Result<()> {
        Err(wasmtime::format_err!("handles go by no memory"))
    }
}

/// Puts a handle into the guest's table. Gives its number there.
fn lower<R: 'static, T>(
    handle: &Resource<R>,
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
) -> wasmtime::Result<ValRaw> {
    Resource::<R>::typecheck(&ty, &context.instance_type())?;
    let mut number = MaybeUninit::new(ValRaw::u32(0));
    handle.linear_lower_to_flat(context, ty, &mut number)?;
    // SAFETY: it was written when it was made, and again since.
    Ok(unsafe { number.assume_init() })
}
